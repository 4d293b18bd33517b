#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

#include <inttypes.h>

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_split_params *split = params;
    int64_t axis = e2b_attr_int(node, "axis", 0);
    int listed = e2b_attr_ints(node, "split", split->length, E2B_MAX_OUTPUTS);
    int64_t parts = e2b_attr_int(node, "num_outputs", node->output_count);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "Split: axis %" PRId64 " is outside %d..%d", axis,
            -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    if (parts != node->output_count || (listed >= 0 && listed != node->output_count))
        return e2b_fail(err, E2B_INVALID, "Split: %lld parts for %d outputs",
            (long long)(listed >= 0 ? listed : parts), node->output_count);
    split->axis = (int32_t)axis;
    split->listed = listed < 0 ? 0 : listed;
    split->uneven = node->opset >= 18;
    return E2B_OK;
}

/* Equal parts; with `uneven` all but the last are of the length rounded up. */
static enum e2b_status share_out(
    const struct e2b_call *call, int64_t total, int64_t *length, struct e2b_error *err) {
    const struct e2b_split_params *params = call->params;
    int count = call->output_count;
    int64_t each = (total + count - 1) / count;
    if (!params->uneven && total % count)
        return e2b_fail(err, E2B_INVALID,
            "Split: length %" PRId64 " is not a multiple of its %d outputs", total, count);
    for (int i = 0; i < count; i++) {
        length[i] = each < total ? each : total;
        total -= length[i];
    }
    return E2B_OK;
}

static enum e2b_status lengths(
    const struct e2b_call *call, int64_t total, int64_t *length, struct e2b_error *err) {
    const struct e2b_split_params *params = call->params;
    int count = params->listed;
    if (call->input_count > 1 && call->inputs[1].present) {
        if (e2b_expect_ints(call, 1, length, E2B_MAX_OUTPUTS, &count, err) != E2B_OK)
            return err->status;
    } else if (count == 0) {
        return share_out(call, total, length, err);
    } else {
        for (int i = 0; i < count; i++)
            length[i] = params->length[i];
    }
    int64_t left = total;
    for (int i = 0; i < count && left >= 0; i++)
        left = length[i] < 0 || length[i] > left ? -1 : left - length[i];
    if (count != call->output_count || left != 0)
        return e2b_fail(err, E2B_INVALID,
            "Split: its %d lengths must be one for each of the %d outputs and sum to %" PRId64,
            count, call->output_count, total);
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_split_params *params = call->params;
    int64_t length[E2B_MAX_OUTPUTS];
    int axis;
    if (e2b_expect(call, 1, 2, E2B_MAX_OUTPUTS, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    if (e2b_expect_axis(call, params->axis, shape.rank, &axis, err) != E2B_OK
        || lengths(call, shape.dims[axis], length, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    for (int i = 0; i < call->output_count; i++) {
        shape.dims[axis] = length[i];
        if (e2b_set_output(call, i, call->inputs[0].tensor.dtype, &shape, err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static int count(const struct e2b_call *call) {
    return call->output_count;
}

static void choose(struct e2b_part *part, int index) {
    part->output = index;
}

static void lay(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    const struct e2b_split_params *params = call->params;
    for (int i = 0; i < part->output; i++)
        part->base[1] +=
            call->outputs[i].tensor.shape.dims[params->axis] * in->stride[params->axis];
    e2b_walk_init(&part->walk, &out->shape);
    e2b_walk_add(&part->walk, &out->shape, out->stride);
    e2b_walk_add(&part->walk, &out->shape, in->stride);
    part->walk.lane_dim = 1;
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

const struct e2b_op e2b_op_split = {
    .name = "split",
    .onnx = (const char *const[]){"Split", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_split_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
