#include "kernels/common/octets.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/pool/variants.h"

#include <stdio.h>

extern const struct e2b_source e2b_source_pool_line;

#define MAX_KERNEL 5 /* of a window that is unrolled */

bool e2b_pool_line_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
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

int e2b_pool_line_candidates(const struct e2b_call *call) {
    (void)call;
    return 1 + e2b_octets_runs();
}

static void add_image(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    e2b_launch_int(launch, tensor->shape.dims[2]);
    e2b_launch_int(launch, tensor->shape.dims[3]);
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, tensor->stride[2]);
    e2b_launch_int(launch, tensor->stride[3]);
}

enum e2b_status e2b_pool_line_emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_pool_params *pool = call->params;
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    const int64_t *dims = out->shape.dims;
    int64_t channels = dims[1] + e2b_pad_lanes(out, call->traits);
    const struct e2b_octet_windows windows = {.octets = channels / E2B_OCTET,
        .width = dims[3],
        .lines = dims[0] * dims[2],
        .kernel = pool->kernel[1],
        .stride = pool->stride[1],
        .dilation = 1};
    if (e2b_shape_count(&out->shape) == 0)
        return E2B_OK;
    int run = e2b_octets_run(call->traits, &windows, call->candidate);
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_pool_line, "pool_line",
        "-D%s -D%s -DPIXELS=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_W=%d%s",
        e2b_dtype_macro(out->dtype), pool->average ? "AVERAGE" : "MAXIMUM", run,
        (int)pool->kernel[0], (int)pool->kernel[1], (int)pool->stride[1],
        e2b_octets_option(call->traits));
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    e2b_pool_count_work(call, launch);
    e2b_launch_input(launch, 0);
    add_image(launch, &call->inputs[0].tensor);
    e2b_launch_output(launch, 0);
    add_image(launch, out);
    const int64_t numbers[] = {channels, windows.lines, pool->stride[0], pool->pad[0], pool->pad[1],
        pool->pad[2], pool->pad[3], pool->include_pad};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_octets_grid(launch, &windows, run);
    return E2B_OK;
}
