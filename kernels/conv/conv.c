#include "kernels/conv/conv.h"

#include "kernels/common/mma.h"
#include "kernels/conv/variants.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define MAX_ELEMENTS INT64_C(0x7fffffff)

/* An attribute of one number (1-D) or two (2-D) a spatial side; sides is 2 for pads. Copied so that
 * the last dimension is index 1 of each pair. */
static enum e2b_status read_pairs(const struct e2b_onnx_node *node, const char *name, int sides,
    int64_t low, int64_t *to, struct e2b_conv_params *params, struct e2b_error *err) {
    int64_t numbers[4] = {0};
    int count = e2b_attr_ints(node, name, numbers, 4);
    if (count < 0)
        return E2B_OK;
    int rank = count / sides;
    if (count % sides || rank < 1 || rank > 2 || (params->rank && params->rank != rank))
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s of \"%s\" has %d numbers: only 1-D and 2-D images are supported, with all "
            "attributes of one rank",
            name, node->name, count);
    params->rank = rank;
    for (int i = 0; i < count; i++) {
        if (numbers[i] < low || numbers[i] > INT16_MAX)
            return e2b_fail(err, E2B_UNSUPPORTED, "%s of \"%s\": %" PRId64 " is outside %d..%d",
                name, node->name, numbers[i], (int)low, INT16_MAX);
        to[i / rank * 2 + 2 - rank + i % rank] = numbers[i];
    }
    return E2B_OK;
}

static enum e2b_status read_auto_pad(
    const struct e2b_onnx_node *node, struct e2b_conv_params *params, struct e2b_error *err) {
    static const char *const names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    const char *name = e2b_attr_string(node, "auto_pad", names[0]);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i])) {
            params->auto_pad = (enum e2b_auto_pad)i;
            return E2B_OK;
        }
    return e2b_fail(err, E2B_INVALID,
        "auto_pad of \"%s\" is \"%s\": expected NOTSET, SAME_UPPER, SAME_LOWER or VALID",
        node->name, name);
}

static enum e2b_status import(const struct e2b_onnx_node *node, void *to, struct e2b_error *err) {
    struct e2b_conv_params *params = to;
    for (int i = 0; i < 2; i++)
        params->stride[i] = params->dilation[i] = 1;
    params->group = e2b_attr_int(node, "group", 1);
    if (params->group < 1)
        return e2b_fail(err, E2B_INVALID, "group of \"%s\" is %" PRId64 ": it must be 1 or more",
            node->name, params->group);
    if (read_pairs(node, "kernel_shape", 1, 1, params->kernel, params, err) != E2B_OK
        || read_pairs(node, "strides", 1, 1, params->stride, params, err) != E2B_OK
        || read_pairs(node, "dilations", 1, 1, params->dilation, params, err) != E2B_OK
        || read_pairs(node, "pads", 2, 0, params->pad, params, err) != E2B_OK)
        return err->status;
    return read_auto_pad(node, params, err);
}

static enum e2b_status check_ranks(const struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_conv_params *params = call->params;
    if (call->input_count < 2 || !e2b_has_input(call, E2B_CONV_X)
        || !e2b_has_input(call, E2B_CONV_W))
        return e2b_fail(err, E2B_INVALID, "\"%s\" lacks its input or weights", call->name);
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    const struct e2b_shape *w = &call->inputs[E2B_CONV_W].tensor.shape;
    if (x->rank < 3 || x->rank > 4)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "\"%s\": input of rank %d, only rank 3 (1-D) and 4 (2-D) are supported", call->name,
            x->rank);
    if (w->rank != x->rank || (params->rank && params->rank != x->rank - 2))
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": weights of rank %d and %d-D attributes do not go with an input of rank %d",
            call->name, w->rank, (int)params->rank, x->rank);
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] < 1 || w->dims[i] < 1 || x->dims[i] > MAX_ELEMENTS
            || w->dims[i] > MAX_ELEMENTS)
            return e2b_fail(
                err, E2B_INVALID, "\"%s\": an input or weight dimension is empty", call->name);
    return E2B_OK;
}

static enum e2b_status check_channels(const struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_conv_params *params = call->params;
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    const struct e2b_shape *w = &call->inputs[E2B_CONV_W].tensor.shape;
    if (x->dims[1] % params->group || w->dims[0] % params->group
        || w->dims[1] != x->dims[1] / params->group)
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": %" PRId64 " input channels and weights %" PRId64 "x%" PRId64
            " do not go with group %" PRId64,
            call->name, x->dims[1], w->dims[0], w->dims[1], params->group);
    if (e2b_has_input(call, E2B_CONV_BIAS)
        && e2b_shape_count(&call->inputs[E2B_CONV_BIAS].tensor.shape) != w->dims[0])
        return e2b_fail(err, E2B_INVALID, "\"%s\": the bias must have %" PRId64 " numbers",
            call->name, w->dims[0]);
    for (int i = 0; i < 3; i++)
        if (e2b_has_input(call, i) && !e2b_dtype_is_float(call->inputs[i].tensor.dtype))
            return e2b_fail(err, E2B_UNSUPPORTED, "\"%s\": %s operands are not supported",
                call->name, e2b_dtype_name(call->inputs[i].tensor.dtype));
    return E2B_OK;
}

static int64_t kernel_extent(const struct e2b_conv_params *params, int axis) {
    return (params->kernel[axis] - 1) * params->dilation[axis] + 1;
}

static void set_auto_pad(struct e2b_conv_params *params, int axis, int64_t size) {
    int64_t *begin = &params->pad[axis], *end = &params->pad[axis + 2];
    if (params->auto_pad == E2B_PAD_EXPLICIT)
        return;
    *begin = *end = 0;
    if (params->auto_pad == E2B_PAD_VALID)
        return;
    int64_t stride = params->stride[axis];
    int64_t out = (size + stride - 1) / stride;
    int64_t total = (out - 1) * stride + kernel_extent(params, axis) - size;
    if (total <= 0)
        return;
    *begin = params->auto_pad == E2B_PAD_SAME_UPPER ? total / 2 : total - total / 2;
    *end = total - *begin;
}

int64_t e2b_conv_pool_side(const struct e2b_conv_params *params, int axis) {
    return params->pool[axis] > 0 ? params->pool[axis] : 1;
}

/* axis: 0 rows, 1 columns. */
static enum e2b_status infer_axis(
    const struct e2b_call *call, int axis, int64_t *out, struct e2b_error *err) {
    struct e2b_conv_params *params = call->params;
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    int dim = x->rank - 2 + axis;
    int64_t size = x->dims[dim], kernel = call->inputs[E2B_CONV_W].tensor.shape.dims[dim];
    if (params->kernel[axis] && params->kernel[axis] != kernel)
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": kernel_shape says %" PRId64 ", the weights have %" PRId64, call->name,
            params->kernel[axis], kernel);
    params->kernel[axis] = kernel;
    set_auto_pad(params, axis, size);
    int64_t padded = size + params->pad[axis] + params->pad[axis + 2];
    int64_t room = padded - kernel_extent(params, axis);
    if (room < 0)
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": a kernel that spans %" PRId64 " does not fit an input of %" PRId64
            " with its padding",
            call->name, kernel_extent(params, axis), padded);
    *out = (room / params->stride[axis] + 1) / e2b_conv_pool_side(params, axis);
    if (*out == 0)
        return e2b_fail(err, E2B_INVALID, "\"%s\": a pool of %" PRId64 " has no whole window",
            call->name, e2b_conv_pool_side(params, axis));
    return E2B_OK;
}

bool e2b_conv_has_pool(const struct e2b_conv_params *params) {
    return e2b_conv_pool_side(params, 0) * e2b_conv_pool_side(params, 1) > 1;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_conv_params *params = call->params;
    if (check_ranks(call, err) != E2B_OK || check_channels(call, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *x = &call->inputs[E2B_CONV_X].tensor;
    struct e2b_tensor *y = &call->outputs[0].tensor;
    y->dtype = x->dtype;
    y->shape = (struct e2b_shape){.rank = x->shape.rank,
        .dims = {x->shape.dims[0], call->inputs[E2B_CONV_W].tensor.shape.dims[0]}};
    params->kernel[0] = x->shape.rank == 3 ? 1 : params->kernel[0];
    double count = (double)y->shape.dims[0] * (double)y->shape.dims[1];
    for (int axis = 4 - x->shape.rank; axis < 2; axis++) {
        int64_t *out = &y->shape.dims[x->shape.rank - 2 + axis];
        if (infer_axis(call, axis, out, err) != E2B_OK)
            return err->status;
        count *= (double)*out;
    }
    if (count > (double)MAX_ELEMENTS)
        return e2b_fail(err, E2B_TOO_LARGE, "\"%s\": an output of %.3g elements, at most %.3g fit",
            call->name, count, (double)MAX_ELEMENTS);
    bool has_residual = e2b_has_input(call, E2B_CONV_RESIDUAL);
    if (has_residual && e2b_conv_has_pool(params))
        return e2b_fail(
            err, E2B_UNSUPPORTED, "\"%s\": a residual and a pool cannot be fused both", call->name);
    if (has_residual && !e2b_shape_equal(&call->inputs[E2B_CONV_RESIDUAL].tensor.shape, &y->shape))
        return e2b_fail(
            err, E2B_INVALID, "\"%s\": the residual must have the output's shape", call->name);
    return E2B_OK;
}

void e2b_conv_geometry(const struct e2b_call *call, struct e2b_conv_geometry *out) {
    const struct e2b_conv_params *params = call->params;
    const struct e2b_shape *x = &call->inputs[E2B_CONV_X].tensor.shape;
    const struct e2b_shape *y = &call->outputs[0].tensor.shape;
    bool flat = x->rank == 3;
    *out = (struct e2b_conv_geometry){
        .n = x->dims[0],
        .c = x->dims[1],
        .h = flat ? 1 : x->dims[2],
        .w = x->dims[x->rank - 1],
        .m = y->dims[1],
        .oh = (flat ? 1 : y->dims[2]) * e2b_conv_pool_side(params, 0),
        .ow = y->dims[y->rank - 1] * e2b_conv_pool_side(params, 1),
        .kh = params->kernel[0],
        .kw = params->kernel[1],
        .group = params->group,
        .group_c = x->dims[1] / params->group,
        .group_m = y->dims[1] / params->group,
    };
}

static double flops(const struct e2b_call *call) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    return 2.0 * (double)(g.n * g.oh * g.ow) * (double)(g.m * g.group_c) * (double)(g.kh * g.kw);
}

static const char *const onnx[] = {"Conv", NULL};

static const struct e2b_variant variants[] = {
    {"depthwise_cpu", e2b_conv_depthwise_cpu_accepts, NULL, e2b_conv_depthwise_cpu_emit},
    {"lines_cpu", e2b_conv_lines_accepts, NULL, e2b_conv_lines_emit},
    {"winograd_cpu", e2b_conv_winograd_accepts, NULL, e2b_conv_winograd_emit},
    {"panel_cpu", e2b_conv_panel_accepts, e2b_conv_panel_candidates, e2b_conv_panel_emit},
    {"depthwise", e2b_conv_depthwise_accepts, e2b_conv_depthwise_candidates,
        e2b_conv_depthwise_emit},
    {"patch", e2b_conv_patch_accepts, e2b_conv_patch_candidates, e2b_conv_patch_emit},
    {"mma", e2b_conv_mma_accepts, e2b_mma_candidates, e2b_conv_mma_emit},
    {"tile_local", e2b_conv_tile_accepts, NULL, e2b_conv_tile_emit},
    {"direct", e2b_conv_direct_accepts, NULL, e2b_conv_direct_emit},
    {0},
};

static bool yields(const struct e2b_variant *variant, const struct e2b_call *call) {
    return variant->emit == e2b_conv_patch_emit && e2b_conv_patch_yields(call);
}

const struct e2b_op e2b_op_conv = {
    .name = "conv",
    .onnx = onnx,
    .layout = E2B_LAYOUT_IMAGE,
    .planar_channels = E2B_CONV_PLANAR_CHANNELS,
    .params_bytes = sizeof(struct e2b_conv_params),
    .import = import,
    .infer = infer,
    .reference = e2b_conv_reference,
    .variants = variants,
    .yields = yields,
    .flops = flops,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_conv_params, epilogue),
    .bias_input = E2B_CONV_BIAS,
    .residual_input = E2B_CONV_RESIDUAL,
};
