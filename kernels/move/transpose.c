#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

#include <string.h>

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_transpose_params *transpose = params;
    int64_t perm[E2B_MAX_RANK];
    int count = e2b_attr_ints(node, "perm", perm, E2B_MAX_RANK);
    if (count > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "Transpose: perm has %d numbers, at most %d are possible",
            count, E2B_MAX_RANK);
    for (int i = 0; i < count; i++) {
        if (perm[i] < 0 || perm[i] >= count)
            return e2b_fail(err, E2B_INVALID, "Transpose: perm[%d] = %lld is outside 0..%d", i,
                (long long)perm[i], count - 1);
        transpose->perm[i] = (int32_t)perm[i];
    }
    transpose->rank = count < 0 ? 0 : count;
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_transpose_params *params = call->params;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    if (params->rank == 0) {
        params->rank = in->rank;
        for (int i = 0; i < in->rank; i++)
            params->perm[i] = in->rank - 1 - i;
    }
    if (params->rank != in->rank)
        return e2b_fail(err, E2B_INVALID, "Transpose: perm is for rank %d, the input has rank %d",
            (int)params->rank, in->rank);
    struct e2b_shape shape = {.rank = in->rank};
    unsigned seen = 0;
    for (int i = 0; i < in->rank; i++) {
        seen |= 1u << params->perm[i];
        shape.dims[i] = in->dims[params->perm[i]];
    }
    if (seen != (1u << in->rank) - 1)
        return e2b_fail(err, E2B_INVALID, "Transpose: perm lists a dimension twice");
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static void lay(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    const struct e2b_transpose_params *params = call->params;
    int64_t stride[E2B_MAX_RANK];
    for (int i = 0; i < params->rank; i++)
        stride[i] = in->stride[params->perm[i]];
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

const struct e2b_op e2b_op_transpose = {
    .name = "transpose",
    .onnx = (const char *const[]){"Transpose", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_transpose_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
