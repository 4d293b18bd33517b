#include "kernels/binary/binary.h"

#include "kernels/common/infer.h"
#include "kernels/common/strided.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    bool is_bool;
} kinds[] = {
#define ROW(name, is_bool) {#name, is_bool},
    E2B_BINARY_TABLE(ROW)
#undef ROW
};

static const struct {
    const char *onnx;
    enum e2b_binary_kind kind;
} rows[] = {{"Add", E2B_BINARY_ADD}, {"Sub", E2B_BINARY_SUB}, {"Mul", E2B_BINARY_MUL},
    {"Div", E2B_BINARY_DIV}, {"Pow", E2B_BINARY_POW}, {"Min", E2B_BINARY_MIN},
    {"Max", E2B_BINARY_MAX}, {"Sum", E2B_BINARY_ADD}, {"Mean", E2B_BINARY_MEAN},
    {"Mod", E2B_BINARY_MOD}, {"PRelu", E2B_BINARY_PRELU}, {"And", E2B_BINARY_AND},
    {"Or", E2B_BINARY_OR}, {"Xor", E2B_BINARY_XOR}, {"Equal", E2B_BINARY_EQUAL},
    {"Greater", E2B_BINARY_GREATER}, {"GreaterOrEqual", E2B_BINARY_GREATER_OR_EQUAL},
    {"Less", E2B_BINARY_LESS}, {"LessOrEqual", E2B_BINARY_LESS_OR_EQUAL}};

static const char *const onnx[] = {"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "Mean",
    "Mod", "PRelu", "And", "Or", "Xor", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
    NULL};

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_binary_params *binary = params;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].onnx, node->type))
            binary->kind = rows[i].kind;
    if (binary->kind == E2B_BINARY_MOD && e2b_attr_int(node, "fmod", 0))
        binary->kind = E2B_BINARY_FMOD;
    if (node->opset < 7 && e2b_attr_find(node, "axis"))
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: attribute axis is of opset 6 and before: convert the model to opset 7 or later",
            node->type);
    return E2B_OK;
}

static bool is_variadic(enum e2b_binary_kind kind) {
    return kind == E2B_BINARY_ADD || kind == E2B_BINARY_MIN || kind == E2B_BINARY_MAX
        || kind == E2B_BINARY_MEAN;
}

static enum e2b_status join(struct e2b_call *call, int input, struct e2b_shape *shape,
    enum e2b_binary_kind kind, struct e2b_error *err) {
    const struct e2b_tensor *first = &call->inputs[0].tensor, *tensor = &call->inputs[input].tensor;
    char left[96], right[96];
    if (!call->inputs[input].present)
        return e2b_fail(err, E2B_INVALID, "%s: input %d is missing", kinds[kind].name, input);
    if (tensor->dtype != first->dtype && kind != E2B_BINARY_POW)
        return e2b_fail(err, E2B_INVALID, "%s: inputs are %s and %s, they must be of one type",
            kinds[kind].name, e2b_dtype_name(first->dtype), e2b_dtype_name(tensor->dtype));
    if (!e2b_shape_broadcast(shape, &tensor->shape, shape))
        return e2b_fail(err, E2B_INVALID, "%s: shapes %s and %s do not broadcast", kinds[kind].name,
            e2b_shape_print(shape, left, sizeof left),
            e2b_shape_print(&tensor->shape, right, sizeof right));
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_binary_params *params = call->params;
    bool variadic = is_variadic(params->kind);
    if (e2b_expect(call, variadic ? 1 : 2, variadic ? E2B_MAX_INPUTS : 2, 1, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    for (int i = 1; i < call->input_count; i++)
        if (join(call, i, &shape, params->kind, err) != E2B_OK)
            return err->status;
    enum e2b_dtype dtype = call->inputs[0].tensor.dtype;
    return e2b_set_output(call, 0, kinds[params->kind].is_bool ? E2B_BOOL : dtype, &shape, err);
}

static double divide(double a, double b, bool integer) {
    if (!integer)
        return a / b;
    return b == 0 ? a : trunc(a / b);
}

static double modulo(double a, double b, bool integer) {
    if (integer && b == 0)
        return 0;
    double rest = fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double apply(enum e2b_binary_kind kind, double a, double b, bool integer) {
    switch (kind) {
    case E2B_BINARY_ADD:
    case E2B_BINARY_MEAN:
        return a + b;
    case E2B_BINARY_SUB:
        return a - b;
    case E2B_BINARY_MUL:
        return a * b;
    case E2B_BINARY_DIV:
        return divide(a, b, integer);
    case E2B_BINARY_POW:
        return pow(a, b);
    case E2B_BINARY_MIN:
        return fmin(a, b);
    case E2B_BINARY_MAX:
        return fmax(a, b);
    case E2B_BINARY_MOD:
        return modulo(a, b, integer);
    case E2B_BINARY_FMOD:
        return integer && b == 0 ? 0 : fmod(a, b);
    case E2B_BINARY_PRELU:
        return a < 0 ? a * b : a;
    case E2B_BINARY_AND:
        return a != 0 && b != 0;
    case E2B_BINARY_OR:
        return a != 0 || b != 0;
    case E2B_BINARY_XOR:
        return (a != 0) != (b != 0);
    case E2B_BINARY_EQUAL:
        return a == b;
    case E2B_BINARY_GREATER:
        return a > b;
    case E2B_BINARY_GREATER_OR_EQUAL:
        return a >= b;
    case E2B_BINARY_LESS:
        return a < b;
    case E2B_BINARY_LESS_OR_EQUAL:
        return a <= b;
    case E2B_BINARY_COUNT:
        break;
    }
    return 0;
}

/* out = in[index], or f(out, in[index]) when an accumulation has begun. */
static void accumulate(
    const struct e2b_call *call, int index, const double *in, double *out, bool begun) {
    const struct e2b_binary_params *params = call->params;
    bool integer = !e2b_dtype_is_float(call->inputs[0].tensor.dtype);
    struct e2b_walk walk;
    e2b_walk_init(&walk, &call->outputs[0].tensor.shape);
    e2b_walk_add_dense(&walk, &call->outputs[0].tensor.shape);
    e2b_walk_add_dense(&walk, &call->inputs[index].tensor.shape);
    struct e2b_cursor cursor = {.walk = &walk};
    int64_t count = e2b_walk_count(&walk);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor)) {
        double value = in[cursor.position[1]];
        double *to = &out[cursor.position[0]];
        *to = begun ? apply(params->kind, *to, value, integer) : value;
    }
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_binary_params *params = call->params;
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    for (int i = 0; i < call->input_count; i++)
        accumulate(call, i, in[i], out[0], i > 0);
    for (int64_t i = 0; i < count; i++) {
        if (params->kind == E2B_BINARY_MEAN)
            out[0][i] /= call->input_count;
        out[0][i] = e2b_activation_apply(&params->epilogue.activation, out[0][i]);
    }
}

static const char *function_of(const struct e2b_call *call) {
    const struct e2b_binary_params *params = call->params;
    bool integer = !e2b_dtype_is_float(call->inputs[0].tensor.dtype);
    if (call->input_count == 1)
        return "FIRST";
    switch (params->kind) {
    case E2B_BINARY_MEAN:
        return "WEIGHTED";
    case E2B_BINARY_DIV:
        return integer ? "DIV_INTEGER" : "DIV";
    case E2B_BINARY_MOD:
        return integer ? "MOD_INTEGER" : "MOD";
    case E2B_BINARY_FMOD:
        return integer ? "FMOD_INTEGER" : "FMOD";
    default:
        return kinds[params->kind].name;
    }
}

/* Input 2 and later are added to what the launches before left in the output. */
static enum e2b_status emit_step(
    const struct e2b_call *call, int last, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_binary_params *params = call->params;
    float share = 1 / (float)call->input_count;
    struct e2b_map map;
    e2b_map_init(&map, call, function_of(call), 0);
    map.p = last <= 1 ? share : 1;
    map.q = share;
    if (last > 1) {
        e2b_walk_add(&map.walk, &call->outputs[0].tensor.shape, call->outputs[0].tensor.stride);
        map.operands[1] = map.operands[0];
    } else {
        e2b_map_input(&map, call, 0);
    }
    if (last > 0)
        e2b_map_input(&map, call, last);
    if (last == call->input_count - 1)
        map.activation = params->epilogue.activation;
    return e2b_map_emit(call, &map, list, err);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    int first = call->input_count > 1 ? 1 : 0;
    for (int last = first; last < call->input_count; last++)
        if (emit_step(call, last, list, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

static double flops(const struct e2b_call *call) {
    return (double)e2b_shape_count(&call->outputs[0].tensor.shape) * (call->input_count - 1);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_binary = {
    .name = "binary",
    .onnx = onnx,
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_binary_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_binary_params, epilogue),
};
