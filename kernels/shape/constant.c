#include "kernels/common/infer.h"
#include "kernels/shape/shape.h"

#include <math.h>

static enum e2b_status take_numbers(
    const struct e2b_attr *attr, struct e2b_constant_params *constant, struct e2b_error *err) {
    bool is_list = attr->kind == E2B_ATTR_INTS || attr->kind == E2B_ATTR_FLOATS;
    bool is_int = attr->kind == E2B_ATTR_INT || attr->kind == E2B_ATTR_INTS;
    size_t count = is_list ? attr->count : 1;
    if (count > E2B_CONSTANT_NUMBERS)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "Constant: %zu numbers in attribute %s are outside 0..%d: use attribute value", count,
            attr->name, E2B_CONSTANT_NUMBERS);
    constant->dtype = is_int ? E2B_I64 : E2B_F32;
    constant->is_scalar = !is_list;
    constant->count = (int64_t)count;
    for (size_t i = 0; i < count; i++) {
        if (is_int)
            constant->ints[i] = is_list ? attr->ints[i] : attr->i;
        else
            constant->floats[i] = (double)(is_list ? attr->floats[i] : attr->f);
    }
    return E2B_OK;
}

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    static const char *const names[] = {
        "value", "value_int", "value_ints", "value_float", "value_floats"};
    struct e2b_constant_params *constant = params;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct e2b_attr *attr = e2b_attr_find(node, names[i]);
        if (!attr)
            continue;
        if (attr->kind == E2B_ATTR_TENSOR && attr->tensor) {
            constant->tensor = attr->tensor;
            return E2B_OK;
        }
        if (attr->kind <= E2B_ATTR_FLOATS && attr->kind != E2B_ATTR_STRING)
            return take_numbers(attr, constant, err);
    }
    return e2b_fail(err, E2B_UNSUPPORTED,
        "Constant: it has no attribute value, value_int(s) or value_float(s)");
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_constant_params *params = call->params;
    if (e2b_expect(call, 0, 0, 1, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = {params->is_scalar ? 0 : 1, {params->count}};
    if (params->tensor)
        return e2b_set_output(call, 0, params->tensor->dtype, &params->tensor->shape, err);
    return e2b_set_output(call, 0, (enum e2b_dtype)params->dtype, &shape, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_constant_params *params = call->params;
    (void)in;
    if (params->tensor) {
        int64_t count = e2b_shape_count(&params->tensor->shape);
        e2b_to_double(params->tensor->dtype, params->tensor->data, out[0], count);
        return;
    }
    for (int64_t i = 0; i < params->count; i++)
        out[0][i] = params->dtype == E2B_I64 ? (double)params->ints[i] : params->floats[i];
}

const struct e2b_op e2b_op_constant = {
    .name = "constant",
    .onnx = (const char *const[]){"Constant", NULL},
    .layout = E2B_LAYOUT_HOST,
    .params_bytes = sizeof(struct e2b_constant_params),
    .import = import,
    .infer = infer,
    .reference = reference,
};

static enum e2b_status import_filled(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_constant_of_shape_params *filled = params;
    const struct e2b_attr *attr = e2b_attr_find(node, "value");
    filled->dtype = E2B_F32;
    if (!attr)
        return E2B_OK;
    if (attr->kind != E2B_ATTR_TENSOR || !attr->tensor
        || e2b_shape_count(&attr->tensor->shape) != 1)
        return e2b_fail(err, E2B_INVALID, "ConstantOfShape: value must be a tensor of one number");
    filled->dtype = attr->tensor->dtype;
    filled->value = e2b_constant_number(attr->tensor, 0);
    return E2B_OK;
}

static enum e2b_status infer_filled(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_constant_of_shape_params *params = call->params;
    struct e2b_shape shape;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK
        || e2b_expect_ints(call, 0, shape.dims, E2B_MAX_RANK, &shape.rank, err) != E2B_OK)
        return err->status;
    return e2b_set_output(call, 0, (enum e2b_dtype)params->dtype, &shape, err);
}

static void reference_filled(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_constant_of_shape_params *params = call->params;
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    (void)in;
    for (int64_t i = 0; i < count; i++)
        out[0][i] = params->value;
}

const struct e2b_op e2b_op_constant_of_shape = {
    .name = "constant_of_shape",
    .onnx = (const char *const[]){"ConstantOfShape", NULL},
    .layout = E2B_LAYOUT_HOST,
    .params_bytes = sizeof(struct e2b_constant_of_shape_params),
    .import = import_filled,
    .infer = infer_filled,
    .reference = reference_filled,
};

static enum e2b_status take_range(
    const struct e2b_call *call, double numbers[3], struct e2b_error *err) {
    for (int i = 0; i < 3; i++) {
        const struct e2b_constant *constant = call->inputs[i].constant;
        if (!constant)
            return e2b_fail(
                err, E2B_UNSUPPORTED, "Range: input %d must be known when the model is loaded", i);
        if (e2b_shape_count(&constant->shape) != 1
            || constant->dtype != call->inputs[0].tensor.dtype)
            return e2b_fail(err, E2B_INVALID,
                "Range: input %d must be one number of the same type as input 0", i);
        numbers[i] = e2b_constant_number(constant, 0);
    }
    return E2B_OK;
}

static enum e2b_status infer_range(struct e2b_call *call, struct e2b_error *err) {
    double numbers[3];
    if (e2b_expect(call, 3, 3, 1, err) != E2B_OK || take_range(call, numbers, err) != E2B_OK)
        return err->status;
    double count = ceil((numbers[1] - numbers[0]) / numbers[2]);
    if (numbers[2] == 0 || !isfinite(count) || count > (double)E2B_MAX_ELEMENTS)
        return e2b_fail(err, E2B_INVALID, "Range: %g to %g in steps of %g has no usable length",
            numbers[0], numbers[1], numbers[2]);
    struct e2b_shape shape = {1, {count < 0 ? 0 : (int64_t)count}};
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static void reference_range(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    for (int64_t i = 0; i < count; i++)
        out[0][i] = in[0][0] + (double)i * in[2][0];
}

const struct e2b_op e2b_op_range = {
    .name = "range",
    .onnx = (const char *const[]){"Range", NULL},
    .layout = E2B_LAYOUT_HOST,
    .import = e2b_import_nothing,
    .infer = infer_range,
    .reference = reference_range,
};
