#include "kernels/common/jobs.h"
#include "kernels/common/octets.h"
#include "kernels/common/windows.h"
#include "kernels/conv/variants.h"

#include <stdio.h>

#define JOBS_PER_UNIT 8
#define MAX_TAPS 49

#define MAX_POINTERS                                                                               \
    256 /* to the inputs of a register tile: beyond, they take too long to find                    \
         */

/* The tile's pixels: the fewest that are computed beyond the end of a line, then the most. */
static int tile_rows(const struct e2b_conv_geometry *g) {
    int best = 8;
    for (int rows = 7; rows >= 4; rows--)
        if (e2b_ceil_div(g->ow, rows) * rows < e2b_ceil_div(g->ow, best) * best)
            best = rows;
    return best;
}

static int64_t pointer_count(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    int64_t columns =
        (tile_rows(g) - 1) * params->stride[1] + (g->kw - 1) * params->dilation[1] + 1;
    return g->kh * columns;
}

static const char *refuses(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    if (g->group_c != 1 || g->group_m != 1 || g->group == 1)
        return "not depthwise";
    if (call->traits->channel_align % E2B_OCTET)
        return "channels are not padded to a multiple of 8";
    return e2b_conv_refuses_packed(call);
}

bool e2b_conv_depthwise_cpu_accepts(
    const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = refuses(call, &g);
    if (!call->traits->is_cpu)
        refused = "made for a CPU";
    else if (!refused && pointer_count(call, &g) > MAX_POINTERS)
        refused = "the kernel or its stride is too large";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

bool e2b_conv_depthwise_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = refuses(call, &g);
    if (!refused && g.kh * g.kw > MAX_TAPS)
        refused = "the kernel is too large";
    if (!refused
        && !(e2b_octets_aligned(&call->inputs[E2B_CONV_X].tensor)
            && e2b_octets_aligned(&call->outputs[0].tensor)
            && (!e2b_has_input(call, E2B_CONV_RESIDUAL)
                || e2b_octets_aligned(&call->inputs[E2B_CONV_RESIDUAL].tensor))))
        refused = "pixels are not at multiples of 8 elements";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

int e2b_conv_depthwise_candidates(const struct e2b_call *call) {
    (void)call;
    return e2b_windows_candidates();
}

/* A launch with tensors, weights and bias; NULL when out of memory. */
static struct e2b_launch *begin(const struct e2b_call *call, struct e2b_launch_list *out,
    const struct e2b_source *source, const char *kernel, const char *more) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t padding = e2b_conv_channels_end(call) - g.m;
    struct e2b_launch *launch = e2b_conv_launch(call, out, source, kernel, more);
    int weights = e2b_conv_pack_depthwise(call, out);
    bool has_bias = e2b_has_input(call, E2B_CONV_BIAS);
    int bias =
        e2b_pack_vector(out, has_bias ? call->inputs[E2B_CONV_BIAS].constant : NULL, g.m + padding);
    if (!launch || weights < 0 || bias < 0)
        return NULL;
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    return launch;
}

enum e2b_status e2b_conv_depthwise_cpu_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_conv_params *params = call->params;
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t lines = g.n * g.oh, jobs = (int64_t)JOBS_PER_UNIT * call->traits->compute_units;
    jobs = jobs < 1 ? 1 : jobs > lines ? lines : jobs;
    int64_t end = e2b_conv_channels_end(call);
    char more[128];
    snprintf(more, sizeof more,
        "-DROWS=%d -DLANES=%d -DKERNEL_H=%d -DKERNEL_W=%d -DSTRIDE_W=%d -DDILATION_W=%d",
        tile_rows(&g), e2b_conv_lanes(call), (int)g.kh, (int)g.kw, (int)params->stride[1],
        (int)params->dilation[1]);
    struct e2b_launch *launch =
        begin(call, out, &e2b_source_depthwise_cpu, "conv_depthwise_cpu", more);
    int zeros = e2b_pack_zeros(out, (size_t)end * sizeof(float));
    if (!launch || zeros < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, zeros);
    e2b_launch_jobs(out, launch, call->traits, jobs);
    e2b_conv_add_geometry(call, launch);
    return E2B_OK;
}

enum e2b_status e2b_conv_depthwise_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_conv_params *params = call->params;
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const struct e2b_tensor *x = &call->inputs[E2B_CONV_X].tensor, *y = &call->outputs[0].tensor;
    int row = x->shape.rank == 4 ? 2 : 0, pixel = x->shape.rank - 1;
    const struct e2b_windows windows = {.samples = g.n,
        .channels = e2b_conv_channels_end(call),
        .in = {g.h, g.w},
        .out = {g.oh, g.ow},
        .kernel = {g.kh, g.kw},
        .stride = {params->stride[0], params->stride[1]},
        .dilation = {params->dilation[0], params->dilation[1]},
        .pad = {params->pad[0], params->pad[1]},
        .in_step = {row ? x->stride[row] : 0, x->stride[pixel]},
        .out_step = {row ? y->stride[row] : 0, y->stride[pixel]},
        .weighted = true,
        .merged = call->group_items > 0};
    struct e2b_windows_tile tile = e2b_windows_tile(call->traits, &windows, call->candidate);
    char options[E2B_WINDOWS_OPTIONS];
    e2b_windows_options(call->traits, &windows, &tile, options);
    struct e2b_launch *launch = begin(call, out, &e2b_source_depthwise, "conv_depthwise", options);
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_conv_add_geometry(call, launch);
    e2b_windows_grid(launch, &windows, &tile);
    return E2B_OK;
}
