#include "kernels/common/octets.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/common/windows.h"
#include "kernels/pool/variants.h"

#include <stdio.h>

extern const struct e2b_source e2b_source_pool_tiles;

#define MAX_KERNEL 5 /* of a window that is unrolled */

bool e2b_pool_tiles_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const struct e2b_pool_params *pool = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    const char *refused = call->traits->is_cpu                         ? "made for a GPU"
        : in->shape.rank != 4                                          ? "only for images"
        : pool->kernel[0] > MAX_KERNEL || pool->kernel[1] > MAX_KERNEL ? "the window is too large"
        : pool->dilation[0] != 1 || pool->dilation[1] != 1             ? "dilated"
        : in->layout != E2B_CHANNELS_LAST || out->layout != E2B_CHANNELS_LAST
            || call->inputs[0].constant
        ? "images must be channels-last"
        : call->traits->channel_align % E2B_OCTET ? "channels are not padded to a multiple of 8"
        : !e2b_octets_aligned(in) || !e2b_octets_aligned(out)
        ? "pixels are not at multiples of 8 elements"
        : NULL;
    if (!refused)
        return e2b_accepts_strided(call, reason, reason_bytes);
    snprintf(reason, reason_bytes, "%s", refused);
    return false;
}

int e2b_pool_tiles_candidates(const struct e2b_call *call) {
    (void)call;
    return e2b_windows_candidates();
}

static void add_image(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    e2b_launch_int(launch, tensor->shape.dims[2]);
    e2b_launch_int(launch, tensor->shape.dims[3]);
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, tensor->stride[2]);
    e2b_launch_int(launch, tensor->stride[3]);
}

enum e2b_status e2b_pool_tiles_emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_pool_params *pool = call->params;
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    const int64_t *dims = out->shape.dims;
    int64_t channels = dims[1] + e2b_pad_lanes(out, call->traits);
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    const struct e2b_windows windows = {.samples = dims[0],
        .channels = channels,
        .in = {in->shape.dims[2], in->shape.dims[3]},
        .out = {dims[2], dims[3]},
        .kernel = {pool->kernel[0], pool->kernel[1]},
        .stride = {pool->stride[0], pool->stride[1]},
        .dilation = {1, 1},
        .pad = {pool->pad[0], pool->pad[1]},
        .merged = call->group_items > 0,
        .in_step = {in->stride[2], in->stride[3]},
        .out_step = {out->stride[2], out->stride[3]}};
    if (e2b_shape_count(&out->shape) == 0)
        return E2B_OK;
    struct e2b_windows_tile tile = e2b_windows_tile(call->traits, &windows, call->candidate);
    char options[E2B_WINDOWS_OPTIONS];
    e2b_windows_options(call->traits, &windows, &tile, options);
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_pool_tiles, "pool_tiles", "-D%s -D%s %s",
            e2b_dtype_macro(out->dtype), pool->average ? "AVERAGE" : "MAXIMUM", options);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    e2b_pool_count_work(call, launch);
    e2b_launch_input(launch, 0);
    add_image(launch, in);
    e2b_launch_output(launch, 0);
    add_image(launch, out);
    const int64_t numbers[] = {channels, windows.samples, pool->pad[0], pool->pad[1], pool->pad[2],
        pool->pad[3], pool->include_pad};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_windows_grid(launch, &windows, &tile);
    return E2B_OK;
}
