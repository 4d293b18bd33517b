#include "kernels/common/infer.h"

#include <inttypes.h>

enum e2b_status e2b_expect(const struct e2b_call *call, int min_inputs, int max_inputs,
    int max_outputs, struct e2b_error *err) {
    const char *op = call->op->name;
    if (call->input_count < min_inputs || call->input_count > max_inputs)
        return e2b_fail(err, E2B_INVALID, "%s: %d inputs are outside %d..%d", op, call->input_count,
            min_inputs, max_inputs);
    for (int i = 0; i < min_inputs; i++)
        if (!call->inputs[i].present)
            return e2b_fail(err, E2B_INVALID, "%s: input %d is missing", op, i);
    if (call->output_count < 1 || call->output_count > max_outputs)
        return e2b_fail(err, E2B_INVALID, "%s: %d outputs are outside 1..%d", op,
            call->output_count, max_outputs);
    return E2B_OK;
}

enum e2b_status e2b_expect_rank(
    const struct e2b_call *call, int input, int low, int high, struct e2b_error *err) {
    int rank = call->inputs[input].tensor.shape.rank;
    if (rank < low || rank > high)
        return e2b_fail(err, E2B_INVALID, "%s: rank %d of input %d is outside %d..%d",
            call->op->name, rank, input, low, high);
    return E2B_OK;
}

enum e2b_status e2b_expect_axis(
    const struct e2b_call *call, int64_t axis, int rank, int *out, struct e2b_error *err) {
    if (axis < -rank || axis >= rank)
        return e2b_fail(err, E2B_INVALID, "%s: axis %" PRId64 " is outside %d..%d", call->op->name,
            axis, -rank, rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return E2B_OK;
}

double e2b_constant_number(const struct e2b_constant *constant, int64_t index) {
    double value;
    const char *data = constant->data;
    e2b_to_double(
        constant->dtype, data + index * (int64_t)e2b_dtype_bytes(constant->dtype), &value, 1);
    return value;
}

static int64_t constant_int(const struct e2b_constant *constant, int64_t index) {
    double value;
    int64_t result;
    if (constant->dtype == E2B_I64)
        return ((const int64_t *)constant->data)[index];
    value = e2b_constant_number(constant, index);
    e2b_from_double(E2B_I64, &value, &result, 1);
    return result;
}

enum e2b_status e2b_expect_ints(const struct e2b_call *call, int input, int64_t *out, int capacity,
    int *count, struct e2b_error *err) {
    const struct e2b_constant *constant = call->inputs[input].constant;
    if (!constant)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: input %d must be known when the model is loaded, not computed from its inputs",
            call->op->name, input);
    int64_t elements = e2b_shape_count(&constant->shape);
    if (constant->shape.rank > 1 || elements > capacity)
        return e2b_fail(err, E2B_INVALID, "%s: input %d must be a list of at most %d numbers",
            call->op->name, input, capacity);
    for (int64_t i = 0; i < elements; i++)
        out[i] = constant_int(constant, i);
    *count = (int)elements;
    return E2B_OK;
}

enum e2b_status e2b_set_output(struct e2b_call *call, int output, enum e2b_dtype dtype,
    const struct e2b_shape *shape, struct e2b_error *err) {
    int64_t count = 1;
    if (shape->rank < 0 || shape->rank > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: rank %d of the output is outside 0..%d",
            call->op->name, shape->rank, E2B_MAX_RANK);
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dims[i];
        if (dim < 0 || dim > E2B_MAX_ELEMENTS || (dim && count > E2B_MAX_ELEMENTS / dim))
            return e2b_fail(err, E2B_INVALID,
                "%s: dimension %d of the output is %" PRId64 "; a tensor has at most %" PRId64
                " elements",
                call->op->name, i, dim, E2B_MAX_ELEMENTS);
        count *= dim ? dim : 1;
    }
    struct e2b_tensor *tensor = &call->outputs[output].tensor;
    tensor->dtype = dtype;
    tensor->shape = *shape;
    return E2B_OK;
}

enum e2b_status e2b_set_output_like(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_tensor *from = &call->inputs[0].tensor;
    return e2b_set_output(call, 0, from->dtype, &from->shape, err);
}

enum e2b_status e2b_import_nothing(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    (void)node;
    (void)params;
    return err->status;
}
