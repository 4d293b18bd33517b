#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_concat_params *concat = params;
    int64_t axis = e2b_attr_int(node, "axis", node->opset < 4 ? 1 : INT32_MAX);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "Concat: attribute axis is missing or outside %d..%d",
            -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    concat->axis = (int32_t)axis;
    return E2B_OK;
}

static enum e2b_status add(const struct e2b_call *call, int input, int axis,
    struct e2b_shape *shape, struct e2b_error *err) {
    const struct e2b_tensor *tensor = &call->inputs[input].tensor;
    char text[96];
    if (!call->inputs[input].present)
        return e2b_fail(err, E2B_INVALID, "Concat: input %d is missing", input);
    bool fits = tensor->shape.rank == shape->rank && tensor->dtype == call->inputs[0].tensor.dtype;
    for (int i = 0; fits && i < shape->rank; i++)
        fits = i == axis || tensor->shape.dims[i] == shape->dims[i];
    if (!fits)
        return e2b_fail(err, E2B_INVALID,
            "Concat: input %d is %s %s, it differs from input 0 in more than dimension %d", input,
            e2b_dtype_name(tensor->dtype), e2b_shape_print(&tensor->shape, text, sizeof text),
            axis);
    shape->dims[axis] += tensor->shape.dims[axis];
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_concat_params *params = call->params;
    int axis;
    if (e2b_expect(call, 1, E2B_MAX_INPUTS, 1, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    if (e2b_expect_axis(call, params->axis, shape.rank, &axis, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    for (int i = 1; i < call->input_count; i++)
        if (add(call, i, axis, &shape, err) != E2B_OK)
            return err->status;
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static int count(const struct e2b_call *call) {
    return call->input_count;
}

static void choose(struct e2b_part *part, int index) {
    part->input = index;
}

static void lay(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    const struct e2b_concat_params *params = call->params;
    int axis = params->axis;
    for (int i = 0; i < part->input; i++)
        part->base[0] += call->inputs[i].tensor.shape.dims[axis] * out->stride[axis];
    e2b_walk_init(&part->walk, &in->shape);
    e2b_walk_add(&part->walk, &in->shape, out->stride);
    e2b_walk_add(&part->walk, &in->shape, in->stride);
    part->walk.lane_dim = axis != 1 || part->input == call->input_count - 1 ? 1 : -1;
}

static const struct e2b_mover mover = {.count = count, .choose = choose, .lay = lay};

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&mover, call, in, out);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&mover, call, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_concat = {
    .name = "concat",
    .onnx = (const char *const[]){"Concat", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_concat_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
