#include "kernels/common/jobs.h"
#include "kernels/conv/variants.h"

#include <stdio.h>

#define SMALL_CHANNELS 4 /* up to here the channel loop is unrolled whole */
#define MAX_ROWS 14      /* of a register tile, as in rows.clh */
#define MAX_VECTORS 4
#define MAX_BLOCK 16 /* tiles, as in panel.cl */
#define DEFAULT_L2_BYTES (256 * 1024)

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

/* Candidate 1 takes panels of at most 2 vectors. */
int e2b_conv_panel_candidates(const struct e2b_call *call) {
    (void)call;
    return 2;
}

static int64_t l2_bytes(const struct e2b_call *call) {
    return call->traits->l2_bytes > 0 ? call->traits->l2_bytes : DEFAULT_L2_BYTES;
}

static int64_t vector_registers(const struct e2b_call *call) {
    return call->traits->vector_bytes < 64 ? 16 : 32;
}

/* Panels as wide as registers allow, since that takes the fewest loads a multiplication, unless a
 * panel's weights would not stay in the L2 cache; all of about the same width. */
static struct e2b_conv_panels cut_panels(
    const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    int64_t last_group = e2b_conv_channels_end(call) - (g->m - g->group_m);
    struct e2b_conv_panels panels = {
        .lanes = call->traits->vector_bytes < 64 || g->group_m <= 8 ? 8 : 16};
    int64_t vectors = e2b_ceil_div(last_group, panels.lanes);
    int64_t vector_bytes = g->kh * g->kw * g->group_c * panels.lanes * (int64_t)sizeof(float);
    int64_t most = call->candidate ? 2 : vector_registers(call) < 32 ? 3 : MAX_VECTORS;
    while (most > 2 && most * vector_bytes > l2_bytes(call) / 4 * 3)
        most--;
    panels.count = e2b_ceil_div(vectors, most);
    panels.vectors = e2b_ceil_div(vectors, panels.count);
    panels.wide = vectors - panels.count * (panels.vectors - 1);
    return panels;
}

/* One register holds a pixel's value, and one each of a row of weights. A core is taken to do two
 * multiplications or one load a cycle. */
int64_t e2b_conv_tile_cost(
    const struct e2b_call *call, int64_t pixels, int64_t vectors, int64_t *tile_rows) {
    int64_t most = (vector_registers(call) - 1 - vectors) / vectors, best = 1, least = 0;
    most = most > MAX_ROWS ? MAX_ROWS : most;
    for (int64_t rows = most; rows >= 1; rows--) {
        int64_t multiply = rows * vectors, load = 2 * (rows + vectors);
        int64_t cost = e2b_ceil_div(pixels, rows) * (multiply > load ? multiply : load);
        if (least == 0 || cost < least) {
            best = rows;
            least = cost;
        }
    }
    *tile_rows = best;
    return least;
}

int64_t e2b_conv_tile_rows(const struct e2b_call *call, int64_t pixels, int64_t vectors) {
    int64_t rows;
    e2b_conv_tile_cost(call, pixels, vectors, &rows);
    return rows;
}

/* Whether no tap of any pixel lies outside the image. */
static bool stays_inside(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    return params->pad[0] == 0 && params->pad[1] == 0
        && (g->oh - 1) * params->stride[0] + (g->kh - 1) * params->dilation[0] < g->h
        && (g->ow - 1) * params->stride[1] + (g->kw - 1) * params->dilation[1] < g->w;
}

static bool is_dense(const struct e2b_tensor *tensor) {
    const int64_t *dims = tensor->shape.dims, *stride = tensor->stride;
    int last = tensor->shape.rank - 1;
    for (int i = last; i > 2; i--)
        if (stride[i - 1] != dims[i] * stride[i])
            return false;
    return dims[0] == 1 || stride[0] == dims[2] * stride[2];
}

/* Whether output pixel i is made of input pixel i alone, at one distance after the other. */
static bool is_linear(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    return g->kh == 1 && g->kw == 1 && params->stride[0] == 1 && params->stride[1] == 1
        && g->oh == g->h && g->ow == g->w && params->pad[0] == 0 && params->pad[1] == 0
        && is_dense(&call->inputs[E2B_CONV_X].tensor) && is_dense(&call->outputs[0].tensor)
        && (!e2b_has_input(call, E2B_CONV_RESIDUAL)
            || is_dense(&call->inputs[E2B_CONV_RESIDUAL].tensor));
}

static struct e2b_launch *add_launch(const struct e2b_call *call, struct e2b_launch_list *out,
    const struct e2b_conv_geometry *g, const struct e2b_conv_panels *panels, int64_t rows) {
    char channels[32] = "", more[128];
    if (g->group_c <= SMALL_CHANNELS)
        snprintf(channels, sizeof channels, " -DCHANNELS=%d", (int)g->group_c);
    snprintf(more, sizeof more, "-DROWS=%d -DLANES=%d -DVECTORS=%d%s%s%s%s", (int)rows,
        (int)panels->lanes, (int)panels->vectors, panels->wide < panels->count ? " -DNARROW" : "",
        call->traits->prefetch ? " -DPREFETCH" : "",
        is_linear(call, g)          ? " -DLINEAR"
            : stays_inside(call, g) ? " -DINSIDE"
                                    : "",
        channels);
    return e2b_conv_launch(call, out, &e2b_source_panel, "conv_panel", more);
}

enum e2b_status e2b_conv_panel_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    struct e2b_conv_panels panels = cut_panels(call, &g);
    int64_t vectors = e2b_conv_panel_vectors(&panels), pixels = g.n * g.oh * g.ow;
    int64_t rows = e2b_conv_tile_rows(call, pixels, panels.vectors);
    int64_t tiles = e2b_ceil_div(pixels, rows), size = (int64_t)sizeof(float);
    int64_t tile_bytes = e2b_ceil_div(g.n * g.h * g.w * g.c * size, tiles);
    struct e2b_jobs jobs = e2b_jobs_cut(call->traits, tiles, tile_bytes, g.group * panels.count,
        g.kh * g.kw * g.group_c * panels.vectors * panels.lanes * size, 1);
    int64_t block = l2_bytes(call) / 4 / tile_bytes;
    block = block < 1 ? 1 : block > MAX_BLOCK ? MAX_BLOCK : block;
    struct e2b_launch *launch = add_launch(call, out, &g, &panels, rows);
    int weights = e2b_conv_pack_panels(call, out, &panels);
    int bias = e2b_conv_pack_bias(call, out, vectors * panels.lanes);
    int zeros = e2b_pack_zeros(out, (size_t)g.group_c * sizeof(float));
    if (!launch || weights < 0 || bias < 0 || zeros < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    e2b_launch_packed(launch, zeros);
    e2b_launch_jobs(out, launch, call->traits, jobs.panel_blocks * jobs.tile_blocks);
    const int64_t numbers[] = {
        panels.count, panels.wide, vectors, jobs.panel_blocks, jobs.tile_blocks, block};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_conv_add_geometry(call, launch);
    return E2B_OK;
}
