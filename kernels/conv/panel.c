#include "kernels/common/jobs.h"
#include "kernels/conv/variants.h"

#include <stdio.h>

#define SMALL_CHANNELS 4 /* up to here the channel loop is unrolled whole */

/* Wide vectors are the default where the device has them and a panel of them is not mostly padding;
 * candidate 1 is the other width. */
static int vector_lanes(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    if (call->traits->vector_bytes < 64)
        return 8;
    bool wide = g->group_m > 16;
    return wide == (call->candidate == 0) ? 16 : 8;
}

/* Devices with wide vectors have 32 of them; sides of images are often multiples of 7. */
static int tile_rows(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    int64_t rows = call->traits->vector_bytes < 64 ? 6 : 7, pixels = g->n * g->oh * g->ow;
    return (int)(pixels < rows ? pixels : rows);
}

bool e2b_conv_panel_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = e2b_conv_refuses_packed(call);
    if (!call->traits->is_cpu)
        refused = "made for a CPU";
    else if (!refused && g.group > 1 && g.group_m < 4)
        refused = "groups of fewer than 4 output channels";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

int e2b_conv_panel_candidates(const struct e2b_call *call) {
    return call->traits->vector_bytes >= 64 ? 2 : 1;
}

/* Whether no tap of any pixel lies outside the image. */
static bool stays_inside(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    return params->pad[0] == 0 && params->pad[1] == 0
        && (g->oh - 1) * params->stride[0] + (g->kh - 1) * params->dilation[0] < g->h
        && (g->ow - 1) * params->stride[1] + (g->kw - 1) * params->dilation[1] < g->w;
}

enum e2b_status e2b_conv_panel_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t columns = 2 * vector_lanes(call, &g);
    int64_t last_group = e2b_conv_channels_end(call) - (g.m - g.group_m);
    int64_t group_panels = e2b_ceil_div(last_group, columns);
    int rows = tile_rows(call, &g);
    struct e2b_jobs jobs = e2b_jobs_cut(call->traits, e2b_ceil_div(g.n * g.oh * g.ow, rows),
        g.group * group_panels, g.kh * g.kw * g.group_c * columns * (int64_t)sizeof(float), 1);
    char channels[32] = "";
    if (g.group_c <= SMALL_CHANNELS)
        snprintf(channels, sizeof channels, " -DCHANNELS=%d", (int)g.group_c);
    char more[96];
    snprintf(more, sizeof more, "-DROWS=%d -DLANES=%d%s%s", rows, (int)columns / 2,
        stays_inside(call, &g) ? " -DINSIDE" : "", channels);
    struct e2b_launch *launch = e2b_conv_launch(call, out, &e2b_source_panel, "conv_panel", more);
    int weights = e2b_conv_pack_panels(call, out, columns, group_panels);
    int bias = e2b_conv_pack_bias(call, out, columns, group_panels);
    int zeros = e2b_pack_zeros(out, (size_t)g.group_c * sizeof(float));
    if (!launch || weights < 0 || bias < 0 || zeros < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    e2b_launch_packed(launch, zeros);
    e2b_launch_int(launch, group_panels);
    e2b_launch_int(launch, jobs.panel_blocks);
    e2b_launch_int(launch, jobs.tile_blocks);
    e2b_conv_add_geometry(call, launch);
    e2b_launch_grid(launch, (size_t)(jobs.panel_blocks * jobs.tile_blocks), 1, 1);
    e2b_launch_group(launch, 1, 1, 1);
    return E2B_OK;
}
