#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/move/move.h"

#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_pad;

#define KERNEL_RANK 6

enum input { DATA, PADS, VALUE, AXES };

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
    struct e2b_pad_params *pad = params;
    const char *mode = e2b_attr_string(node, "mode", "constant");
    for (pad->mode = 0; pad->mode < 4 && strcmp(mode, modes[pad->mode]); pad->mode++)
        ;
    if (pad->mode == 4)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "Pad: mode \"%s\" is none of constant, reflect, edge and wrap", mode);
    if (node->opset >= 11)
        return E2B_OK;
    const char *name = node->opset < 2 ? "paddings" : "pads";
    int count = e2b_attr_ints(node, name, pad->given, 2 * E2B_MAX_RANK);
    if (count < 0 || count > 2 * E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID,
            "Pad: attribute %s is missing or has more than %d numbers", name, 2 * E2B_MAX_RANK);
    pad->listed = count;
    pad->value = e2b_attr_float(node, "value", 0);
    return E2B_OK;
}

/* Numbers to add before (first half) and after each listed axis. */
static enum e2b_status take_pads(
    struct e2b_call *call, int64_t *pads, int64_t *axes, int *count, struct e2b_error *err) {
    struct e2b_pad_params *params = call->params;
    int rank = call->inputs[DATA].tensor.shape.rank, listed = params->listed, axis_count = rank;
    memcpy(pads, params->given, sizeof params->given);
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    if (e2b_has_input(call, PADS)
        && e2b_expect_ints(call, PADS, pads, 2 * E2B_MAX_RANK, &listed, err) != E2B_OK)
        return err->status;
    if (e2b_has_input(call, AXES)
        && e2b_expect_ints(call, AXES, axes, E2B_MAX_RANK, &axis_count, err) != E2B_OK)
        return err->status;
    if (listed != 2 * axis_count)
        return e2b_fail(err, E2B_INVALID, "Pad: %d pads for %d dimensions, two are needed for each",
            listed, axis_count);
    *count = axis_count;
    return E2B_OK;
}

static enum e2b_status take_value(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_pad_params *params = call->params;
    if (!e2b_has_input(call, VALUE))
        return E2B_OK;
    const struct e2b_constant *value = call->inputs[VALUE].constant;
    if (!value || e2b_shape_count(&value->shape) != 1)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "Pad: the value to pad with must be one number, known when the model is loaded");
    params->value = (float)e2b_constant_number(value, 0);
    return E2B_OK;
}

static enum e2b_status pad_dim(const struct e2b_pad_params *params, int axis, int64_t before,
    int64_t after, int64_t *dim, struct e2b_error *err) {
    int64_t most = params->mode == E2B_PAD_REFLECT ? *dim - 1 : *dim;
    bool limited = params->mode == E2B_PAD_REFLECT || params->mode == E2B_PAD_WRAP;
    if (before < -*dim || after < -*dim || before > E2B_MAX_ELEMENTS || after > E2B_MAX_ELEMENTS
        || *dim + before + after < 0 || (limited && (before > most || after > most)))
        return e2b_fail(err, E2B_INVALID,
            "Pad: %lld before and %lld after are impossible for dimension %d of length %lld",
            (long long)before, (long long)after, axis, (long long)*dim);
    if (*dim == 0 && params->mode != E2B_PAD_CONSTANT && before + after > 0)
        return e2b_fail(err, E2B_INVALID, "Pad: dimension %d is empty", axis);
    *dim += before + after;
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_pad_params *params = call->params;
    int64_t pads[2 * E2B_MAX_RANK], axes[E2B_MAX_RANK];
    int count = 0;
    if (e2b_expect(call, 1, 4, 1, err) != E2B_OK
        || take_pads(call, pads, axes, &count, err) != E2B_OK || take_value(call, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[DATA].tensor.shape;
    memset(params->before, 0, sizeof params->before);
    for (int i = 0; i < count; i++) {
        int axis;
        if (e2b_expect_axis(call, axes[i], shape.rank, &axis, err) != E2B_OK
            || pad_dim(params, axis, pads[i], pads[count + i], &shape.dims[axis], err) != E2B_OK)
            return err->status;
        params->before[axis] = pads[i];
    }
    return e2b_set_output(call, 0, call->inputs[DATA].tensor.dtype, &shape, err);
}

/* Which input index an output index shows; outside 0..length - 1: the value. */
static int64_t source_of(int mode, int64_t index, int64_t length) {
    if (mode == E2B_PAD_EDGE)
        return index < 0 ? 0 : index >= length ? length - 1 : index;
    if (mode == E2B_PAD_REFLECT)
        return index < 0 ? -index : index >= length ? 2 * length - 2 - index : index;
    if (mode == E2B_PAD_WRAP)
        return index < 0 ? index + length : index >= length ? index - length : index;
    return index;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_pad_params *params = call->params;
    struct e2b_tensor from = call->inputs[DATA].tensor;
    const struct e2b_shape *shape = &call->outputs[0].tensor.shape;
    from.layout = E2B_ROW_MAJOR;
    e2b_tensor_set_dense(&from, 1);
    int64_t count = e2b_shape_count(shape);
    for (int64_t i = 0; i < count; i++) {
        int64_t rest = i, position = 0;
        bool inside = true;
        for (int k = shape->rank - 1; k >= 0; k--) {
            int64_t length = from.shape.dims[k];
            int64_t index =
                source_of(params->mode, rest % shape->dims[k] - params->before[k], length);
            rest /= shape->dims[k];
            inside &= index >= 0 && index < length;
            position += index * from.stride[k];
        }
        out[0][i] = inside ? in[DATA][position] : (double)params->value;
    }
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    int rank = call->outputs[0].tensor.shape.rank;
    if (rank > KERNEL_RANK) {
        snprintf(reason, reason_bytes, "rank %d, the kernel takes at most %d", rank, KERNEL_RANK);
        return false;
    }
    if (!e2b_dtype_is_float(call->inputs[DATA].tensor.dtype)) {
        snprintf(reason, reason_bytes, "the kernel takes floats");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

/* Dimensions by the output's stride, densest first, that with pad lanes before all. */
static int order_dims(const struct e2b_tensor *out, int64_t lanes, int *order) {
    int rank = out->shape.rank;
    for (int i = 0; i < rank; i++) {
        int at = i;
        bool first = lanes && i == 1;
        while (at > 0 && !(lanes && order[at - 1] == 1)
            && (first || out->stride[order[at - 1]] > out->stride[i])) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    return rank;
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_pad_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[DATA].tensor, *out = &call->outputs[0].tensor;
    int64_t stride[E2B_MAX_RANK], lanes = e2b_pad_lanes(out, call->traits);
    int order[E2B_MAX_RANK], rank = order_dims(out, lanes, order);
    int64_t count = e2b_shape_count(&out->shape);
    if (count == 0)
        return E2B_OK;
    struct e2b_launch *launch = e2b_launch_add(
        list, &e2b_source_pad, "pad", "-D%s -DMODE=%d", e2b_dtype_macro(out->dtype), params->mode);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    e2b_operand_strides(&call->inputs[DATA], stride);
    launch->flops = (double)count;
    launch->bytes = 2.0 * (double)count * (double)e2b_dtype_bytes(out->dtype);
    int64_t inner = (rank ? out->shape.dims[order[0]] : 1) + lanes;
    int64_t total = count / (inner - lanes) * inner;
    int64_t per_item = call->traits->is_cpu ? (inner < 256 ? 256 / inner * inner : inner) : 1;
    if (e2b_launch_operand(list, launch, call, DATA, out->dtype, err) != E2B_OK)
        return err->status;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, total);
    e2b_launch_int(launch, per_item);
    e2b_launch_int(launch, inner);
    e2b_launch_float(launch, (double)params->value);
    for (int i = 0; i < KERNEL_RANK; i++) {
        bool real = i < rank;
        int dim = real ? order[i] : 0;
        e2b_launch_int(launch, real ? out->shape.dims[dim] : 1);
        e2b_launch_int(launch, real ? in->shape.dims[dim] : 1);
        e2b_launch_int(launch, real ? params->before[dim] : 0);
        e2b_launch_int(launch, real ? out->stride[dim] : 0);
        e2b_launch_int(launch, real ? stride[dim] : 0);
    }
    e2b_launch_line(launch, call->traits, (total + per_item - 1) / per_item);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "any", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_pad = {
    .name = "pad",
    .onnx = (const char *const[]){"Pad", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_pad_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
