#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/reduce/reduce.h"

#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_arg_max;

#define OUTER_RANK 4 /* dimensions besides the axis that the kernel takes */

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_arg_max_params *arg = params;
    int64_t axis = e2b_attr_int(node, "axis", 0);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: axis %lld is outside %d..%d", node->type,
            (long long)axis, -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    arg->axis = (int32_t)axis;
    arg->keep = e2b_attr_int(node, "keepdims", 1) != 0;
    arg->last = e2b_attr_int(node, "select_last_index", 0) != 0;
    arg->minimum = !strcmp(node->type, "ArgMin");
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_arg_max_params *params = call->params;
    struct e2b_shape shape = {0};
    int axis;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    if (e2b_expect_axis(call, params->axis, in->rank, &axis, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    if (in->dims[axis] == 0)
        return e2b_fail(err, E2B_INVALID, "arg_max: dimension %d is empty", axis);
    for (int i = 0; i < in->rank; i++)
        if (i != axis || params->keep)
            shape.dims[shape.rank++] = i == axis ? 1 : in->dims[i];
    return e2b_set_output(call, 0, E2B_I64, &shape, err);
}

/* All dimensions but the axis, with the output and the input. */
static void outer_walk(
    const struct e2b_call *call, const int64_t *in, const int64_t *out, struct e2b_walk *walk) {
    const struct e2b_arg_max_params *params = call->params;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    int64_t to[E2B_MAX_RANK];
    for (int i = 0, next = 0; i < shape.rank; i++) {
        to[i] = i == params->axis ? 0 : out[next];
        next += i != params->axis || params->keep;
    }
    shape.dims[params->axis] = 1;
    e2b_walk_init(walk, &shape);
    e2b_walk_add(walk, &shape, to);
    e2b_walk_add(walk, &shape, in);
}

static int64_t best_of(
    const struct e2b_arg_max_params *params, int64_t length, int64_t stride, const double *in) {
    int64_t best = 0;
    for (int64_t i = 1; i < length; i++) {
        double a = in[i * stride], b = in[best * stride];
        bool better = params->minimum ? a < b : a > b;
        if (better || (params->last && a == b))
            best = i;
    }
    return best;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_arg_max_params *params = call->params;
    struct e2b_tensor from = call->inputs[0].tensor, to = call->outputs[0].tensor;
    struct e2b_walk walk;
    from.layout = to.layout = E2B_ROW_MAJOR;
    e2b_tensor_set_dense(&from, 1);
    e2b_tensor_set_dense(&to, 1);
    outer_walk(call, from.stride, to.stride, &walk);
    struct e2b_cursor cursor = {.walk = &walk};
    int64_t count = e2b_walk_count(&walk);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor))
        out[0][cursor.position[0]] = (double)best_of(params, from.shape.dims[params->axis],
            from.stride[params->axis], in[0] + cursor.position[1]);
}

static void device_walk(const struct e2b_call *call, int64_t *in, struct e2b_walk *walk) {
    e2b_operand_strides(&call->inputs[0], in);
    outer_walk(call, in, call->outputs[0].tensor.stride, walk);
    e2b_walk_collapse(walk);
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    int64_t stride[E2B_MAX_RANK];
    struct e2b_walk walk;
    device_walk(call, stride, &walk);
    if (walk.rank > OUTER_RANK || e2b_pad_lanes(&call->outputs[0].tensor, call->traits)) {
        snprintf(reason, reason_bytes, "%d dimensions besides the axis, at most %d; no pad lanes",
            walk.rank, OUTER_RANK);
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_arg_max_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    int64_t stride[E2B_MAX_RANK];
    struct e2b_walk walk;
    device_walk(call, stride, &walk);
    int64_t count = e2b_walk_count(&walk);
    if (count == 0)
        return E2B_OK;
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_arg_max, "arg_max", "-D%s%s%s", e2b_dtype_macro(in->dtype),
            params->minimum ? " -DMINIMUM" : "", params->last ? " -DLAST" : "");
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = (double)e2b_shape_count(&in->shape);
    launch->bytes = launch->flops * (double)e2b_dtype_bytes(in->dtype);
    if (e2b_launch_operand(list, launch, call, 0, in->dtype, err) != E2B_OK)
        return err->status;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, count);
    e2b_launch_int(launch, in->shape.dims[params->axis]);
    e2b_launch_int(launch, stride[params->axis]);
    for (int i = 0; i < OUTER_RANK; i++) {
        int dim = walk.rank - 1 - i;
        e2b_launch_int(launch, dim < 0 ? 1 : walk.dims[dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk.stride[0][dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk.stride[1][dim]);
    }
    e2b_launch_line(launch, call->traits, count);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "serial", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_arg_max = {
    .name = "arg_max",
    .onnx = (const char *const[]){"ArgMax", "ArgMin", NULL},
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_arg_max_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
