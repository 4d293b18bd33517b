#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

#include <inttypes.h>

/* Starts, ends, axes and steps of one call, as given. */
struct given {
    int count;
    int64_t from[E2B_MAX_RANK], to[E2B_MAX_RANK], axes[E2B_MAX_RANK], steps[E2B_MAX_RANK];
};

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_slice_params *slice = params;
    if (node->opset >= 10)
        return E2B_OK;
    int from = e2b_attr_ints(node, "starts", slice->from, E2B_MAX_RANK);
    int to = e2b_attr_ints(node, "ends", slice->to, E2B_MAX_RANK);
    int axes = e2b_attr_ints(node, "axes", slice->axes, E2B_MAX_RANK);
    if (from < 1 || from > E2B_MAX_RANK || to != from || (axes >= 0 && axes != from))
        return e2b_fail(err, E2B_INVALID,
            "Slice: starts, ends and axes must list the same 1..%d dimensions", E2B_MAX_RANK);
    slice->listed = from;
    slice->axes_listed = axes < 0 ? 0 : axes;
    return E2B_OK;
}

static enum e2b_status take_attributes(const struct e2b_slice_params *params, struct given *given) {
    given->count = params->listed;
    for (int i = 0; i < params->listed; i++) {
        given->from[i] = params->from[i];
        given->to[i] = params->to[i];
        given->axes[i] = params->axes_listed ? params->axes[i] : i;
    }
    return E2B_OK;
}

static enum e2b_status take_inputs(
    const struct e2b_call *call, struct given *given, struct e2b_error *err) {
    int64_t *const to[] = {NULL, given->from, given->to, given->axes, given->steps};
    if (call->input_count < 3)
        return e2b_fail(err, E2B_INVALID,
            "Slice: it has neither inputs nor attributes for starts "
            "and ends");
    for (int i = 1; i < call->input_count; i++) {
        int count;
        if (!call->inputs[i].present)
            continue;
        if (e2b_expect_ints(call, i, to[i], E2B_MAX_RANK, &count, err) != E2B_OK)
            return err->status;
        if (i > 1 && count != given->count)
            return e2b_fail(err, E2B_INVALID, "Slice: input %d has %d numbers, starts has %d", i,
                count, given->count);
        given->count = count;
    }
    return E2B_OK;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* One dimension by Python's rules; returns its length in the output. */
static int64_t cut(int64_t length, int64_t from, int64_t to, int64_t step, int64_t *start) {
    from = from < 0 ? (from < -length ? -1 : from + length) : from;
    to = to < 0 ? (to < -length ? -1 : to + length) : to;
    if (step > 0) {
        from = clamp(from, 0, length);
        to = clamp(to, 0, length);
        *start = from;
        return to > from ? (to - from - 1) / step + 1 : 0;
    }
    from = clamp(from, from < 0 ? -1 : 0, length - 1);
    to = clamp(to, -1, length - 1);
    *start = from < 0 ? 0 : from;
    return from > to ? (from - to - 1) / -step + 1 : 0;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_slice_params *params = call->params;
    struct given given = {.axes = {0, 1, 2, 3, 4, 5, 6, 7}, .steps = {1, 1, 1, 1, 1, 1, 1, 1}};
    if (e2b_expect(call, 1, 5, 1, err) != E2B_OK
        || (params->listed ? take_attributes(params, &given) : take_inputs(call, &given, err))
            != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    bool cut_before[E2B_MAX_RANK] = {false};
    for (int i = 0; i < E2B_MAX_RANK; i++) {
        params->start[i] = 0;
        params->step[i] = 1;
    }
    for (int i = 0; i < given.count; i++) {
        int axis;
        int64_t step = given.steps[i];
        if (e2b_expect_axis(call, given.axes[i], shape.rank, &axis, err) != E2B_OK)
            return err->status;
        if (step == 0 || step < -E2B_MAX_ELEMENTS || cut_before[axis])
            return e2b_fail(err, E2B_INVALID,
                "Slice: step %" PRId64 " of axis %d; it must not be 0, nor an axis listed twice",
                step, axis);
        cut_before[axis] = true;
        shape.dims[axis] =
            cut(shape.dims[axis], given.from[i], given.to[i], step, &params->start[axis]);
        params->step[axis] = shape.dims[axis] > 1 ? step : 1;
    }
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static void lay(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    const struct e2b_slice_params *params = call->params;
    int64_t stride[E2B_MAX_RANK];
    for (int i = 0; i < in->shape.rank; i++) {
        part->base[1] += params->start[i] * in->stride[i];
        stride[i] = in->stride[i] * params->step[i];
    }
    e2b_walk_init(&part->walk, &out->shape);
    e2b_walk_add(&part->walk, &out->shape, out->stride);
    e2b_walk_add(&part->walk, &out->shape, stride);
    part->walk.lane_dim = 1;
}

static const struct e2b_mover mover = {.lay = lay};

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&mover, call, in, out);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&mover, call, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_slice = {
    .name = "slice",
    .onnx = (const char *const[]){"Slice", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_slice_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
