#include "kernels/conv/variants.h"

#include <stdio.h>

#define TILE 64  /* pixels and channels of a group's tile, as in conv.cl */
#define GROUP 16 /* work-items a side */
#define LOCAL_BYTES (16 * (2 * TILE + 1) * 4)

bool e2b_conv_tile_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = e2b_conv_refuses_packed(call);
    if (g.group > 1 && g.group_m < GROUP)
        refused = "groups of fewer than 16 output channels";
    else if (call->traits->max_group < GROUP * GROUP || call->traits->local_bytes < LOCAL_BYTES)
        refused = "needs groups of 256 work-items and 9 KiB of local memory";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

enum e2b_status e2b_conv_tile_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t last_group = e2b_conv_channels_end(call) - (g.m - g.group_m);
    int64_t group_panels = (last_group + TILE - 1) / TILE;
    int64_t tiles = (g.n * g.oh * g.ow + TILE - 1) / TILE;
    struct e2b_launch *launch = e2b_conv_launch(call, out, &e2b_source_conv, "conv_tile", "-DTILE");
    const struct e2b_conv_panels panels = {TILE, 1, group_panels, group_panels};
    int weights = e2b_conv_pack_panels(call, out, &panels);
    int bias = e2b_conv_pack_bias(call, out, TILE * group_panels);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    e2b_launch_int(launch, group_panels);
    e2b_conv_add_geometry(call, launch);
    e2b_launch_grid(launch, (size_t)(g.group * group_panels * GROUP), (size_t)tiles * GROUP, 1);
    e2b_launch_group(launch, GROUP, GROUP, 1);
    return E2B_OK;
}
