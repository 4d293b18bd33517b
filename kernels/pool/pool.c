#include "kernels/pool/pool.h"

#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/pool/variants.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_pool;

#define MAX_WINDOW (1 << 20) /* of any number that describes a window */

static const char *const onnx[] = {
    "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", NULL};

/* Reads one number a spatial dimension to `to`, whose last entry is that of W. */
static enum e2b_status take(const struct e2b_onnx_node *node, const char *name, int rank,
    int64_t low, int64_t *to, struct e2b_error *err) {
    int64_t values[2];
    int count = e2b_attr_ints(node, name, values, 2);
    if (count < 0)
        return E2B_OK;
    if (count != rank)
        return e2b_fail(err, E2B_INVALID, "%s: %s has %d numbers, kernel_shape has %d", node->type,
            name, count, rank);
    for (int i = 0; i < rank; i++) {
        if (values[i] < low || values[i] > MAX_WINDOW)
            return e2b_fail(err, E2B_INVALID, "%s: %s %" PRId64 " is outside %" PRId64 "..%d",
                node->type, name, values[i], low, MAX_WINDOW);
        to[2 - rank + i] = values[i];
    }
    return E2B_OK;
}

static enum e2b_status take_pads(
    const struct e2b_onnx_node *node, struct e2b_pool_params *pool, struct e2b_error *err) {
    int64_t values[4];
    int rank = pool->rank, count = e2b_attr_ints(node, "pads", values, 4);
    if (count < 0)
        return E2B_OK;
    if (count != 2 * rank)
        return e2b_fail(err, E2B_INVALID, "%s: pads has %d numbers, it must have %d", node->type,
            count, 2 * rank);
    for (int i = 0; i < count; i++) {
        if (values[i] < 0 || values[i] > MAX_WINDOW)
            return e2b_fail(err, E2B_INVALID, "%s: pad %" PRId64 " is outside 0..%d", node->type,
                values[i], MAX_WINDOW);
        pool->pad[i / rank * 2 + 2 - rank + i % rank] = values[i];
    }
    return E2B_OK;
}

static enum e2b_status take_auto_pad(
    const struct e2b_onnx_node *node, struct e2b_pool_params *pool, struct e2b_error *err) {
    static const char *const names[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    const char *name = e2b_attr_string(node, "auto_pad", "NOTSET");
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]))
            continue;
        pool->auto_pad = (enum e2b_auto_pad)i;
        return E2B_OK;
    }
    return e2b_fail(err, E2B_INVALID,
        "%s: auto_pad \"%s\" is none of NOTSET, SAME_UPPER, SAME_LOWER and VALID", node->type,
        name);
}

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_pool_params *pool = params;
    pool->average = strstr(node->type, "Average") != NULL;
    pool->global = !strncmp(node->type, "Global", 6);
    for (int i = 0; i < 2; i++)
        pool->kernel[i] = pool->stride[i] = pool->dilation[i] = 1;
    if (pool->global)
        return E2B_OK;
    int64_t ignored[2];
    pool->rank = e2b_attr_ints(node, "kernel_shape", ignored, 2);
    if (pool->rank != 1 && pool->rank != 2)
        return e2b_fail(err, E2B_UNSUPPORTED,
            "%s: kernel_shape must have 1 or 2 numbers, pooling is over W or H and W", node->type);
    pool->ceil_mode = e2b_attr_int(node, "ceil_mode", 0) != 0;
    pool->include_pad = e2b_attr_int(node, "count_include_pad", 0) != 0;
    if (take(node, "kernel_shape", pool->rank, 1, pool->kernel, err) != E2B_OK
        || take(node, "strides", pool->rank, 1, pool->stride, err) != E2B_OK
        || take(node, "dilations", pool->rank, 1, pool->dilation, err) != E2B_OK
        || take_auto_pad(node, pool, err) != E2B_OK)
        return err->status;
    return pool->auto_pad == E2B_PAD_EXPLICIT ? take_pads(node, pool, err) : E2B_OK;
}

/* Length of one output dimension; fills in automatic padding. */
static enum e2b_status place_windows(
    struct e2b_pool_params *pool, int dim, int64_t in, int64_t *out, struct e2b_error *err) {
    int64_t span = (pool->kernel[dim] - 1) * pool->dilation[dim] + 1, stride = pool->stride[dim];
    int64_t *before = &pool->pad[dim], *after = &pool->pad[2 + dim];
    if (pool->auto_pad == E2B_PAD_SAME_UPPER || pool->auto_pad == E2B_PAD_SAME_LOWER) {
        int64_t needed = ((in + stride - 1) / stride - 1) * stride + span - in;
        needed = needed < 0 ? 0 : needed;
        *before = pool->auto_pad == E2B_PAD_SAME_UPPER ? needed / 2 : needed - needed / 2;
        *after = needed - *before;
    }
    if (*before >= span || *after >= span || in + *before + *after < span)
        return e2b_fail(err, E2B_INVALID,
            "pool: a window of %" PRId64 " does not fit a length of %" PRId64 " padded by %" PRId64
            " and %" PRId64 " (a pad must be shorter than the window)",
            span, in, *before, *after);
    int64_t room = in + *before + *after - span;
    *out = room / stride + 1;
    if (pool->ceil_mode && room % stride && *out * stride < in + *before)
        (*out)++;
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_pool_params *pool = call->params;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 3, 4, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    int spatial = in->shape.rank - 2;
    if (!e2b_dtype_is_float(in->dtype))
        return e2b_fail(
            err, E2B_UNSUPPORTED, "pool: input is %s, it takes floats", e2b_dtype_name(in->dtype));
    if (!pool->global && pool->rank != spatial)
        return e2b_fail(err, E2B_INVALID,
            "pool: kernel_shape has %d numbers, the input has rank %d", (int)pool->rank,
            in->shape.rank);
    struct e2b_shape shape = in->shape;
    for (int i = 0; i < spatial; i++) {
        int dim = 2 - spatial + i;
        if (shape.dims[2 + i] < 1)
            return e2b_fail(err, E2B_INVALID, "pool: the input has no pixels");
        if (pool->global)
            pool->kernel[dim] = shape.dims[2 + i];
        if (place_windows(pool, dim, shape.dims[2 + i], &shape.dims[2 + i], err) != E2B_OK)
            return err->status;
    }
    return e2b_set_output(call, 0, in->dtype, &shape, err);
}

/* Sizes and strides with W as the last of three, whatever the rank. */
struct image {
    int64_t n, c, h, w, stride_n, stride_c, stride_h, stride_w;
};

static struct image image_of(const struct e2b_tensor *tensor, const int64_t *stride) {
    const int64_t *dims = tensor->shape.dims;
    bool flat = tensor->shape.rank == 3;
    return (struct image){dims[0], dims[1], flat ? 1 : dims[2], dims[flat ? 2 : 3], stride[0],
        stride[1], flat ? 0 : stride[2], stride[flat ? 2 : 3]};
}

static double pool_window(const struct e2b_pool_params *pool, const struct image *image,
    const double *plane, int64_t top, int64_t left) {
    double sum = 0, best = -INFINITY;
    int64_t inside = 0, padded = 0;
    for (int64_t i = 0; i < pool->kernel[0]; i++) {
        for (int64_t j = 0; j < pool->kernel[1]; j++) {
            int64_t y = top + i * pool->dilation[0], x = left + j * pool->dilation[1];
            padded += y < image->h + pool->pad[2] && x < image->w + pool->pad[3];
            if (y < 0 || x < 0 || y >= image->h || x >= image->w)
                continue;
            double value = plane[y * image->w + x];
            inside++;
            sum += value;
            best = fmax(best, value);
        }
    }
    return !pool->average ? best : sum / (double)(pool->include_pad ? padded : inside);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_pool_params *pool = call->params;
    struct image from = image_of(&call->inputs[0].tensor, call->inputs[0].tensor.stride);
    struct image to = image_of(&call->outputs[0].tensor, call->outputs[0].tensor.stride);
    double *result = out[0];
    for (int64_t plane = 0; plane < to.n * to.c; plane++)
        for (int64_t y = 0; y < to.h; y++)
            for (int64_t x = 0; x < to.w; x++)
                *result++ = pool_window(pool, &from, in[0] + plane * from.h * from.w,
                    y * pool->stride[0] - pool->pad[0], x * pool->stride[1] - pool->pad[1]);
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->inputs[0].tensor.layout != E2B_CHANNELS_LAST
        || call->outputs[0].tensor.layout != E2B_CHANNELS_LAST || call->inputs[0].constant) {
        snprintf(reason, reason_bytes, "images must be channels-last");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

/* The widest vector that divides the channels with their pad lanes. */
static int vector_width(const struct e2b_call *call) {
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    int64_t channels = out->shape.dims[1] + e2b_pad_lanes(out, call->traits);
    int width = call->traits->is_cpu ? 16 : 4;
    while (width > 1 && (channels % width || width == 2))
        width /= 2;
    return width;
}

static double flops(const struct e2b_call *call) {
    const struct e2b_pool_params *pool = call->params;
    return (double)e2b_shape_count(&call->outputs[0].tensor.shape) * (double)pool->kernel[0]
        * (double)pool->kernel[1];
}

static double bytes(const struct e2b_call *call) {
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    return (double)(e2b_shape_count(&in->shape) + e2b_shape_count(&out->shape))
        * (double)e2b_dtype_bytes(in->dtype);
}

void e2b_pool_count_work(const struct e2b_call *call, struct e2b_launch *launch) {
    launch->flops = flops(call);
    launch->bytes = bytes(call);
}

static void add_image(struct e2b_launch *launch, const struct image *image) {
    e2b_launch_int(launch, image->h);
    e2b_launch_int(launch, image->w);
    e2b_launch_int(launch, image->stride_n);
    e2b_launch_int(launch, image->stride_h);
    e2b_launch_int(launch, image->stride_w);
}

static struct e2b_launch *add_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const char *kernel, int width, struct image *to) {
    const struct e2b_pool_params *pool = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    struct image from = image_of(in, in->stride);
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_pool, kernel, "-D%s -DV=%d -D%s",
        e2b_dtype_macro(out->dtype), width, pool->average ? "AVERAGE" : "MAXIMUM");
    if (!launch)
        return NULL;
    *to = image_of(out, out->stride);
    e2b_pool_count_work(call, launch);
    e2b_launch_input(launch, 0);
    add_image(launch, &from);
    e2b_launch_output(launch, 0);
    add_image(launch, to);
    return launch;
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_pool_params *pool = call->params;
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    struct image to;
    int width = vector_width(call);
    if (e2b_shape_count(&out->shape) == 0)
        return E2B_OK;
    struct e2b_launch *launch = add_launch(call, list, "pool_window", width, &to);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    int64_t chunks = (to.c + e2b_pad_lanes(out, call->traits)) / width;
    int64_t total = to.n * to.h * to.w * chunks;
    int64_t per_item = call->traits->is_cpu ? (chunks < 64 ? 64 / chunks * chunks : chunks) : 1;
    for (int i = 0; i < 2; i++) {
        e2b_launch_int(launch, pool->kernel[i]);
        e2b_launch_int(launch, pool->stride[i]);
        e2b_launch_int(launch, pool->dilation[i]);
        e2b_launch_int(launch, pool->pad[i]);
        e2b_launch_int(launch, pool->pad[2 + i]);
    }
    e2b_launch_int(launch, pool->include_pad);
    e2b_launch_int(launch, chunks);
    e2b_launch_int(launch, total);
    e2b_launch_int(launch, per_item);
    e2b_launch_line(launch, call->traits, (total + per_item - 1) / per_item);
    return E2B_OK;
}

/* 32 vectors of channels by 4 shares of the pixels. */
#define GROUP_LANES 32
#define GROUP_SHARES 4
#define GROUP (GROUP_LANES * GROUP_SHARES)

static int64_t group_bytes(const struct e2b_call *call) {
    return GROUP * vector_width(call) * (int64_t)sizeof(float);
}

static bool accepts_group(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const struct e2b_pool_params *pool = call->params;
    const char *why = !pool->global                     ? "only for global pooling"
        : call->traits->is_cpu                          ? "needs local memory"
        : call->traits->max_group < GROUP               ? "needs groups of 128"
        : pool->kernel[0] * pool->kernel[1] < 16        ? "few pixels: pool_window does it"
        : call->traits->local_bytes < group_bytes(call) ? "needs 8 KiB of local memory"
                                                        : NULL;
    if (why) {
        snprintf(reason, reason_bytes, "%s", why);
        return false;
    }
    return accepts(call, reason, reason_bytes);
}

static enum e2b_status emit_group(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    struct image to;
    int width = vector_width(call);
    if (e2b_shape_count(&out->shape) == 0)
        return E2B_OK;
    struct e2b_launch *launch = add_launch(call, list, "pool_global", width, &to);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    int64_t chunks = (to.c + e2b_pad_lanes(out, call->traits)) / width;
    e2b_launch_int(launch, chunks);
    launch->local_bytes = (size_t)group_bytes(call);
    e2b_launch_grid(launch, (size_t)chunks, GROUP_SHARES, (size_t)to.n);
    e2b_launch_group(launch, GROUP_LANES, GROUP_SHARES, 1);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "global_group", .accepts = accepts_group, .emit = emit_group},
    {.name = "tiles",
        .accepts = e2b_pool_tiles_accepts,
        .emit = e2b_pool_tiles_emit,
        .candidates = e2b_pool_tiles_candidates},
    {.name = "window", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_pool = {
    .name = "pool",
    .onnx = onnx,
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_pool_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
