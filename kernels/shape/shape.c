#include "kernels/shape/shape.h"

#include "kernels/common/infer.h"

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_shape_params *shape = params;
    shape->start = e2b_attr_int(node, "start", 0);
    shape->end = e2b_attr_int(node, "end", INT64_MAX);
    return err->status;
}

static int64_t clamp_index(int64_t index, int rank) {
    if (index < 0)
        index = index < -rank ? 0 : index + rank;
    return index > rank ? rank : index;
}

static void range_of(const struct e2b_call *call, int64_t *start, int64_t *end) {
    const struct e2b_shape_params *params = call->params;
    int rank = call->inputs[0].tensor.shape.rank;
    *start = clamp_index(params->start, rank);
    *end = clamp_index(params->end, rank);
    *end = *end < *start ? *start : *end;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    int64_t start, end;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    range_of(call, &start, &end);
    return e2b_set_output(call, 0, E2B_I64, &(struct e2b_shape){1, {end - start}}, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    int64_t start, end;
    (void)in;
    range_of(call, &start, &end);
    for (int64_t i = start; i < end; i++)
        out[0][i - start] = (double)call->inputs[0].tensor.shape.dims[i];
}

const struct e2b_op e2b_op_shape = {
    .name = "shape",
    .onnx = (const char *const[]){"Shape", NULL},
    .layout = E2B_LAYOUT_HOST,
    .params_bytes = sizeof(struct e2b_shape_params),
    .import = import,
    .infer = infer,
    .reference = reference,
};

static enum e2b_status infer_size(struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    return e2b_set_output(call, 0, E2B_I64, &(struct e2b_shape){0}, err);
}

static void reference_size(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    (void)in;
    out[0][0] = (double)e2b_shape_count(&call->inputs[0].tensor.shape);
}

const struct e2b_op e2b_op_size = {
    .name = "size",
    .onnx = (const char *const[]){"Size", NULL},
    .layout = E2B_LAYOUT_HOST,
    .import = e2b_import_nothing,
    .infer = infer_size,
    .reference = reference_size,
};
