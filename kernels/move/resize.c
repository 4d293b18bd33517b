#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/move/move.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_resize;

/* Where an output coordinate reads: two neighbours, the second with the weight. */
struct tap {
    int32_t low, high;
    float weight;
};

static int find(const char *text, const char *const *names) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(text, names[i]))
            return i;
    return -1;
}

static enum e2b_status import_modes(
    const struct e2b_onnx_node *node, struct e2b_resize_params *resize, struct e2b_error *err) {
    static const char *const coordinates[] = {
        "half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", NULL};
    static const char *const rounds[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    bool old = resize->input_opset < 11;
    resize->coordinate = find(
        e2b_attr_string(node, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel"),
        coordinates);
    resize->round =
        find(e2b_attr_string(node, "nearest_mode", old ? "floor" : "round_prefer_floor"), rounds);
    if (resize->coordinate < 0 || resize->round < 0)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: coordinate_transformation_mode \"%s\" with nearest_mode \"%s\" is not supported",
            node->type, e2b_attr_string(node, "coordinate_transformation_mode", ""),
            e2b_attr_string(node, "nearest_mode", ""));
    return E2B_OK;
}

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_resize_params *resize = params;
    const char *mode = e2b_attr_string(node, "mode", "nearest");
    bool upsample = !strcmp(node->type, "Upsample");
    resize->linear = !strcmp(mode, "linear") || !strcmp(mode, "bilinear");
    if (!resize->linear && strcmp(mode, "nearest"))
        return e2b_fail(err, E2B_UNSUPPORTED, "%s: mode \"%s\" is neither nearest nor linear",
            node->type, mode);
    if (e2b_attr_int(node, "antialias", 0) || e2b_attr_find(node, "axes")
        || strcmp(e2b_attr_string(node, "keep_aspect_ratio_policy", "stretch"), "stretch"))
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: antialias, axes and keep_aspect_ratio_policy are not supported", node->type);
    resize->input_opset = upsample ? 9 : node->opset < 11 ? 10 : 11;
    const struct e2b_attr *scales = e2b_attr_find(node, "scales");
    if (scales && scales->kind == E2B_ATTR_FLOATS && scales->count <= 4) {
        resize->listed = (int32_t)scales->count;
        memcpy(resize->given, scales->floats, scales->count * sizeof scales->floats[0]);
    }
    return import_modes(node, resize, err);
}

/* Scales of all dimensions, or sizes; exactly one is given. */
static enum e2b_status take_sizes(const struct e2b_call *call, double *scales, int64_t *sizes,
    bool *has_sizes, struct e2b_error *err) {
    const struct e2b_resize_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    int scale_input = params->input_opset < 11 ? 1 : 2, count = params->listed;
    for (int i = 0; i < count; i++)
        scales[i] = (double)params->given[i];
    *has_sizes = false;
    bool has_scales = e2b_has_input(call, scale_input)
        && e2b_shape_count(&call->inputs[scale_input].tensor.shape) > 0;
    if (has_scales) {
        const struct e2b_constant *constant = call->inputs[scale_input].constant;
        if (!constant)
            return e2b_fail(
                err, E2B_UNSUPPORTED, "resize: scales must be known when the model is loaded");
        int64_t elements = e2b_shape_count(&constant->shape);
        count = elements > 4 ? 5 : (int)elements;
        for (int i = 0; i < count && i < 4; i++)
            scales[i] = e2b_constant_number(constant, i);
    } else if (e2b_has_input(call, 3)) {
        *has_sizes = true;
        if (e2b_expect_ints(call, 3, sizes, 4, &count, err) != E2B_OK)
            return err->status;
    }
    if (count != in->rank)
        return e2b_fail(err, E2B_INVALID, "resize: %d scales or sizes for an input of rank %d",
            count, in->rank);
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_resize_params *params = call->params;
    double scales[4] = {1, 1, 1, 1};
    int64_t sizes[4];
    bool has_sizes;
    if (e2b_expect(call, 1, 4, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 3, 4, err) != E2B_OK
        || take_sizes(call, scales, sizes, &has_sizes, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    if (!e2b_dtype_is_float(call->inputs[0].tensor.dtype))
        return e2b_fail(err, E2B_UNSUPPORTED, "resize: it takes floats");
    params->scale[0] = params->scale[1] = 1;
    for (int i = 0; i < shape.rank; i++) {
        int64_t in = shape.dims[i];
        double length = has_sizes ? (double)sizes[i] : floor((double)in * scales[i]);
        if (in < 1 || !(length >= 1) || length > (double)E2B_MAX_ELEMENTS)
            return e2b_fail(err, E2B_INVALID, "resize: dimension %d of %lld would become %g", i,
                (long long)in, length);
        shape.dims[i] = (int64_t)length;
        if (i < 2 && shape.dims[i] != in)
            return e2b_fail(err, E2B_UNSUPPORTED,
                "resize: only height and width can be resized, not dimension %d", i);
        if (i >= 2)
            params->scale[i - shape.rank + 2] =
                (float)(has_sizes ? length / (double)in : scales[i]);
    }
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static double source_of(int coordinate, double scale, int64_t in, int64_t out, int64_t x) {
    switch (coordinate) {
    case E2B_RESIZE_ALIGN_CORNERS:
        return out == 1 ? 0 : (double)x * (double)(in - 1) / (double)(out - 1);
    case E2B_RESIZE_ASYMMETRIC:
        return (double)x / scale;
    case E2B_RESIZE_PYTORCH_HALF_PIXEL:
        if (out == 1)
            return 0;
        break;
    default:
        break;
    }
    return ((double)x + 0.5) / scale - 0.5;
}

static double nearest_of(int mode, double x) {
    switch (mode) {
    case E2B_ROUND_PREFER_FLOOR:
        return ceil(x - 0.5);
    case E2B_ROUND_PREFER_CEIL:
        return floor(x + 0.5);
    case E2B_ROUND_FLOOR:
        return floor(x);
    default:
        return ceil(x);
    }
}

static int32_t clamp(double x, int64_t length) {
    return x < 0 ? 0 : x > (double)(length - 1) ? (int32_t)(length - 1) : (int32_t)x;
}

/* numbers: [0] linear, [1] coordinate, [2] round, [3] in, [4] out, [5] the bits of the scale */
static struct tap tap_of(const int64_t *numbers, int64_t i) {
    uint32_t bits = (uint32_t)numbers[5];
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    double x = source_of((int)numbers[1], (double)scale, numbers[3], numbers[4], i);
    double low = numbers[0] ? floor(x) : nearest_of((int)numbers[2], x);
    struct tap tap = {.low = clamp(low, numbers[3])};
    tap.high = numbers[0] ? clamp(low + 1, numbers[3]) : tap.low;
    tap.weight = numbers[0] ? (float)(x - low) : 0;
    return tap;
}

static void pack_taps(const struct e2b_packing *packing, void *to) {
    struct tap *taps = to;
    for (int64_t i = 0; i < packing->numbers[4]; i++)
        taps[i] = tap_of(packing->numbers, i);
}

/* The table of one dimension: 0 height, 1 width. */
static struct e2b_packing taps_of(const struct e2b_call *call, int dim) {
    const struct e2b_resize_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    const struct e2b_shape *out = &call->outputs[0].tensor.shape;
    int at = in->rank - 2 + dim;
    int64_t from = at < 2 ? 1 : in->dims[at], to = at < 2 ? 1 : out->dims[at];
    uint32_t bits;
    memcpy(&bits, &params->scale[dim], sizeof bits);
    struct e2b_packing packing = {
        .numbers = {params->linear, params->coordinate, params->round, from, to, bits},
        .bytes = (size_t)to * sizeof(struct tap),
        .pack = pack_taps};
    snprintf(packing.key, sizeof packing.key, "resize %d %d %d %lld %lld %08x", (int)params->linear,
        (int)params->coordinate, (int)params->round, (long long)from, (long long)to,
        (unsigned)bits);
    return packing;
}

static double mix(double a, double b, float weight) {
    return a + (b - a) * (double)weight;
}

static void resize_plane(const struct e2b_packing *rows, const struct e2b_packing *columns,
    const double *in, double *out) {
    int64_t height = rows->numbers[4], width = columns->numbers[4], in_width = columns->numbers[3];
    for (int64_t y = 0; y < height; y++) {
        struct tap row = tap_of(rows->numbers, y);
        const double *low = in + row.low * in_width, *high = in + row.high * in_width;
        for (int64_t x = 0; x < width; x++) {
            struct tap tap = tap_of(columns->numbers, x);
            out[y * width + x] = mix(mix(low[tap.low], low[tap.high], tap.weight),
                mix(high[tap.low], high[tap.high], tap.weight), row.weight);
        }
    }
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    struct e2b_packing rows = taps_of(call, 0), columns = taps_of(call, 1);
    const struct e2b_shape *shape = &call->inputs[0].tensor.shape;
    int64_t from = rows.numbers[3] * columns.numbers[3], to = rows.numbers[4] * columns.numbers[4];
    for (int64_t i = 0; i < shape->dims[0] * shape->dims[1]; i++)
        resize_plane(&rows, &columns, in[0] + i * from, out[0] + i * to);
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->inputs[0].tensor.layout != E2B_CHANNELS_LAST
        || call->outputs[0].tensor.layout != E2B_CHANNELS_LAST || call->inputs[0].constant) {
        snprintf(reason, reason_bytes, "images must be channels-last");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static int vector_width(const struct e2b_call *call, int64_t lanes) {
    int width = call->traits->is_cpu ? 16 : 4;
    while (width > 1 && (lanes % width || width == 2))
        width /= 2;
    return width;
}

static void add_strides(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    int last = tensor->shape.rank - 1;
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, last == 3 ? tensor->stride[2] : 0);
    e2b_launch_int(launch, tensor->stride[last]);
}

static bool add_taps(
    const struct e2b_call *call, int dim, struct e2b_launch_list *list, struct e2b_launch *launch) {
    struct e2b_packing packing = taps_of(call, dim);
    int index = e2b_launch_list_pack(list, &packing);
    if (index >= 0)
        e2b_launch_packed(launch, index);
    return index >= 0;
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_resize_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    int64_t count = e2b_shape_count(&out->shape), channels = out->shape.dims[1];
    int64_t lanes = channels + e2b_pad_lanes(out, call->traits);
    int last = out->shape.rank - 1, width = vector_width(call, lanes);
    if (count == 0)
        return E2B_OK;
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_resize, "resize", "-D%s -DV=%d%s",
        e2b_dtype_macro(out->dtype), width, params->linear ? " -DLINEAR" : "");
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = (params->linear ? 8.0 : 1.0) * (double)count;
    launch->bytes =
        (double)(count + e2b_shape_count(&in->shape)) * (double)e2b_dtype_bytes(out->dtype);
    int64_t chunks = lanes / width, total = count / channels * chunks;
    int64_t per_item = call->traits->is_cpu ? (chunks < 64 ? 64 / chunks * chunks : chunks) : 1;
    e2b_launch_input(launch, 0);
    add_strides(launch, in);
    e2b_launch_output(launch, 0);
    add_strides(launch, out);
    if (!add_taps(call, 0, list, launch) || !add_taps(call, 1, list, launch))
        return e2b_fail_memory(err, "packed coordinates");
    e2b_launch_int(launch, last == 3 ? out->shape.dims[2] : 1);
    e2b_launch_int(launch, out->shape.dims[last]);
    e2b_launch_int(launch, chunks);
    e2b_launch_int(launch, total);
    e2b_launch_int(launch, per_item);
    e2b_launch_line(launch, call->traits, (total + per_item - 1) / per_item);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "channels", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_resize = {
    .name = "resize",
    .onnx = (const char *const[]){"Resize", "Upsample", NULL},
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_resize_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
