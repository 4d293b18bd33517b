#include "kernels/pointwise/activation_op.h"

#include "kernels/common/infer.h"
#include "kernels/common/strided.h"

#include <float.h>
#include <string.h>

/* a and b: attribute names with their defaults; NULL where the function has none. */
static const struct row {
    const char *onnx;
    enum e2b_activation_kind kind;
    const char *a, *b;
    float a_default, b_default;
} rows[] = {
    {.onnx = "Relu", .kind = E2B_ACT_RELU},
    {"Clip", E2B_ACT_CLIP, "min", "max", -FLT_MAX, FLT_MAX},
    {"LeakyRelu", E2B_ACT_LEAKY_RELU, "alpha", NULL, 0.01f, 0},
    {.onnx = "Sigmoid", .kind = E2B_ACT_SIGMOID},
    {.onnx = "Tanh", .kind = E2B_ACT_TANH},
    {"HardSigmoid", E2B_ACT_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f},
    {.onnx = "HardSwish", .kind = E2B_ACT_HARD_SWISH},
    {.onnx = "Gelu", .kind = E2B_ACT_GELU},
    {"Elu", E2B_ACT_ELU, "alpha", NULL, 1, 0},
    {.onnx = "Softplus", .kind = E2B_ACT_SOFTPLUS},
    {.onnx = "Erf", .kind = E2B_ACT_ERF},
    {.onnx = "Exp", .kind = E2B_ACT_EXP},
    {.onnx = "Log", .kind = E2B_ACT_LOG},
    {.onnx = "Sqrt", .kind = E2B_ACT_SQRT},
    {.onnx = "Reciprocal", .kind = E2B_ACT_RECIPROCAL},
    {.onnx = "Abs", .kind = E2B_ACT_ABS},
    {.onnx = "Neg", .kind = E2B_ACT_NEG},
    {.onnx = "Floor", .kind = E2B_ACT_FLOOR},
    {.onnx = "Ceil", .kind = E2B_ACT_CEIL},
    {.onnx = "Round", .kind = E2B_ACT_ROUND},
    {.onnx = "Sin", .kind = E2B_ACT_SIN},
    {.onnx = "Cos", .kind = E2B_ACT_COS},
    {.onnx = "Not", .kind = E2B_ACT_NOT},
};

static const char *const onnx[] = {"Relu", "Clip", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid",
    "HardSwish", "Gelu", "Elu", "Softplus", "Erf", "Exp", "Log", "Sqrt", "Reciprocal", "Abs", "Neg",
    "Floor", "Ceil", "Round", "Sin", "Cos", "Not", NULL};

static enum e2b_status import_gelu(
    const struct e2b_onnx_node *node, struct e2b_activation *params, struct e2b_error *err) {
    const char *form = e2b_attr_string(node, "approximate", "none");
    if (!strcmp(form, "tanh"))
        params->kind = E2B_ACT_GELU_TANH;
    else if (strcmp(form, "none"))
        return e2b_fail(
            err, E2B_INVALID, "Gelu: approximate \"%s\" is neither none nor tanh", form);
    return E2B_OK;
}

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_activation *activation = params;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        if (strcmp(row->onnx, node->type))
            continue;
        activation->kind = row->kind;
        activation->a = row->a ? e2b_attr_float(node, row->a, row->a_default) : 0;
        activation->b = row->b ? e2b_attr_float(node, row->b, row->b_default) : 0;
        return row->kind == E2B_ACT_GELU ? import_gelu(node, activation, err) : E2B_OK;
    }
    return e2b_fail(err, E2B_UNSUPPORTED, "%s is not a known activation", node->type);
}

/* Clip's bounds are inputs from opset 11 on. */
static enum e2b_status take_bound(
    const struct e2b_call *call, int input, float *bound, struct e2b_error *err) {
    if (input >= call->input_count || !call->inputs[input].present)
        return E2B_OK;
    const struct e2b_constant *constant = call->inputs[input].constant;
    if (!constant)
        return e2b_fail(err, E2B_UNSUPPORTED, "Clip: its %s must be known when the model is loaded",
            input == 1 ? "min" : "max");
    if (e2b_shape_count(&constant->shape) != 1)
        return e2b_fail(
            err, E2B_INVALID, "Clip: its %s must be one number", input == 1 ? "min" : "max");
    *bound = (float)e2b_constant_number(constant, 0);
    return E2B_OK;
}

static bool takes_integers(enum e2b_activation_kind kind) {
    return kind == E2B_ACT_RELU || kind == E2B_ACT_CLIP || kind == E2B_ACT_ABS
        || kind == E2B_ACT_NEG || kind == E2B_ACT_NOT;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_activation *params = call->params;
    bool is_clip = params->kind == E2B_ACT_CLIP;
    if (e2b_expect(call, 1, is_clip ? 3 : 1, 1, err) != E2B_OK)
        return err->status;
    enum e2b_dtype dtype = call->inputs[0].tensor.dtype;
    if (!e2b_dtype_is_float(dtype) && !takes_integers(params->kind))
        return e2b_fail(err, E2B_INVALID, "%s: input is %s, it takes floats",
            e2b_activation_name(params->kind), e2b_dtype_name(dtype));
    if (is_clip
        && (take_bound(call, 1, &params->a, err) != E2B_OK
            || take_bound(call, 2, &params->b, err) != E2B_OK))
        return err->status;
    return e2b_set_output_like(call, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    for (int64_t i = 0; i < count; i++)
        out[0][i] = e2b_activation_apply(call->params, in[0][i]);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_activation *params = call->params;
    struct e2b_map map;
    e2b_map_init(&map, call, "FIRST", 0);
    e2b_map_input(&map, call, 0);
    map.activation = *params;
    return e2b_map_emit(call, &map, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_activation = {
    .name = "activation",
    .onnx = onnx,
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_activation),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
