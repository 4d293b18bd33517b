#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

#include <math.h>

static void lay(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    (void)call;
    e2b_walk_init(&part->walk, &out->shape);
    e2b_walk_add(&part->walk, &out->shape, out->stride);
    e2b_walk_add(&part->walk, &in->shape, in->stride);
    part->walk.lane_dim = 1;
}

static const struct e2b_mover mover = {.lay = lay};

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_cast_params *cast = params;
    int64_t to = e2b_attr_int(node, "to", 0);
    cast->to = to >= 0 && to < 64 ? e2b_dtype_by_onnx((int)to) : E2B_NONE;
    if (cast->to == E2B_NONE)
        return e2b_fail(err, E2B_UNSUPPORTED, "Cast: type %lld is not supported", (long long)to);
    return E2B_OK;
}

static enum e2b_status infer_cast(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_cast_params *params = call->params;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    return e2b_set_output(call, 0, params->to, &call->inputs[0].tensor.shape, err);
}

static enum e2b_status infer_convert(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    enum e2b_dtype dtype = out->dtype == E2B_NONE ? call->inputs[0].tensor.dtype : out->dtype;
    return e2b_set_output(call, 0, dtype, &call->inputs[0].tensor.shape, err);
}

/* What the type holds of a number: integers are cut towards zero, BOOL is whether it is not 0. */
static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    enum e2b_dtype from = call->inputs[0].tensor.dtype, to = call->outputs[0].tensor.dtype;
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    for (int64_t i = 0; i < count; i++) {
        out[0][i] = in[0][i];
        if (to == E2B_BOOL)
            out[0][i] = in[0][i] != 0;
        else if (e2b_dtype_is_float(from) && !e2b_dtype_is_float(to))
            out[0][i] = trunc(in[0][i]);
    }
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&mover, call, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_cast = {
    .name = "cast",
    .onnx = (const char *const[]){"Cast", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_cast_params),
    .import = import,
    .infer = infer_cast,
    .reference = reference,
    .variants = variants,
};

const struct e2b_op e2b_op_convert = {
    .name = "convert",
    .layout = E2B_LAYOUT_FOLLOW,
    .infer = infer_convert,
    .reference = reference,
    .variants = variants,
};
