#include "kernels/common/jobs.h"
#include "kernels/common/unit.h"
#include "kernels/conv/variants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define POINTS 36       /* products of a tile and a channel pair */
#define SIDE 4          /* pixels of an output tile */
#define STEPS 4         /* channels, as in winograd_cpu.cl */
#define MIN_CHANNELS 16 /* in and out: with fewer the transforms cost more than they save */
/* Multiply-adds in the time that a weight takes to come from memory: a network's weights do not
 * stay in caches from run to run. */
#define WEIGHT_COST 14
#define GAIN 0.7 /* transforms and worse use of caches take the rest */
#define JOBS_PER_UNIT 4
#define MIN_BLOCK 24 /* tiles, for the fetch of a weight */
#define DEFAULT_L2_BYTES (256 * 1024)

extern const struct e2b_source e2b_source_winograd_cpu;

struct blocks {
    int64_t lanes, rows, subs, span, v_tile, tile_blocks, panel_blocks, panels, group_floats;
};

static int64_t tile_count(const struct e2b_conv_geometry *g) {
    return g->n * e2b_ceil_div(g->oh, SIDE) * e2b_ceil_div(g->ow, SIDE);
}

/* Relative time, for one channel pair, of `uses` multiplications with each of `weights` weights. */
static double time_of(int64_t weights, int64_t uses) {
    return (double)weights * (double)(uses + WEIGHT_COST);
}

static const char *refuses(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_conv_params *params = call->params;
    if (!call->traits->is_cpu)
        return "made for a CPU";
    if (g->kh != 3 || g->kw != 3 || params->stride[0] != 1 || params->stride[1] != 1
        || params->dilation[0] != 1 || params->dilation[1] != 1 || g->group > 1)
        return "only 3x3 kernels without stride, dilation and groups";
    if (call->traits->channel_align % 8)
        return "channels are not padded to a multiple of 8";
    if (g->c < MIN_CHANNELS || g->m < MIN_CHANNELS)
        return "fewer than 16 channels";
    if (time_of(POINTS, tile_count(g)) >= time_of(9, g->n * g->oh * g->ow) * GAIN)
        return "more time to fetch weights than products save";
    return e2b_conv_refuses_packed(call);
}

bool e2b_conv_winograd_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const char *refused = refuses(call, &g);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

/* Tiles of a register tile: of the most even cuts the largest. A register tile is taken to cost one
 * product more than it has, for the loads of weights. */
static int64_t tile_rows(int64_t tiles, int64_t most) {
    int64_t best = most, least = 0;
    for (int64_t rows = most; rows >= most - 2; rows--) {
        int64_t cost = e2b_ceil_div(tiles, rows) * (2 * rows + 1);
        if (least == 0 || cost < least) {
            best = rows;
            least = cost;
        }
    }
    return best;
}

/* Input tiles of a block take half the L2 cache, but more if they are fewer than MIN_BLOCK; sums of
 * the panels that are done together take a quarter. Each compute unit gets several jobs. */
static struct blocks cut(const struct e2b_call *call, const struct e2b_conv_geometry *g) {
    const struct e2b_traits *traits = call->traits;
    struct blocks b = {.lanes = traits->channel_align % 16 ? 8 : 16};
    int64_t tiles = tile_count(g), l2 = traits->l2_bytes > 0 ? traits->l2_bytes : DEFAULT_L2_BYTES;
    int64_t wanted = JOBS_PER_UNIT * e2b_units(traits);
    int64_t point_bytes = POINTS * (int64_t)sizeof(float);
    b.rows = tile_rows(tiles, b.lanes == 16 ? 8 : 6);
    b.v_tile = (e2b_ceil_div(g->c, b.lanes) + 1) * b.lanes; /* no power of two: caches alias */
    int64_t block = l2 / 2 / (point_bytes * b.v_tile);
    block = block < MIN_BLOCK ? MIN_BLOCK : block;
    b.subs = e2b_ceil_div(block < tiles ? block : tiles, b.rows);
    b.panels = e2b_ceil_div(e2b_conv_channels_end(call), 2 * b.lanes);
    while (b.subs > 1 && e2b_ceil_div(tiles, b.subs * b.rows) * b.panels < wanted)
        b.subs--;
    b.tile_blocks = e2b_ceil_div(tiles, b.subs * b.rows);
    b.tile_blocks = b.tile_blocks > wanted ? wanted : b.tile_blocks;
    b.panel_blocks = e2b_ceil_div(wanted, b.tile_blocks);
    b.panel_blocks = b.panel_blocks > b.panels ? b.panels : b.panel_blocks;
    b.span = l2 / 4 / (point_bytes * b.subs * b.rows * 2 * b.lanes);
    b.span = b.span < 1 ? 1 : b.span;
    b.group_floats = POINTS * b.subs * b.rows * (b.v_tile + 2 * b.lanes * b.span);
    return b;
}

/* G g G' of a 3x3 kernel. */
static void transform_weights(const float g[9], float to[POINTS]) {
    static const float matrix[6][3] = {{0.25f, 0, 0}, {-1 / 6.0f, -1 / 6.0f, -1 / 6.0f},
        {-1 / 6.0f, 1 / 6.0f, -1 / 6.0f}, {1 / 24.0f, 1 / 12.0f, 1 / 6.0f},
        {1 / 24.0f, -1 / 12.0f, 1 / 6.0f}, {0, 0, 1}};
    float half[6][3];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 3; j++)
            half[i][j] = matrix[i][0] * g[j] + matrix[i][1] * g[3 + j] + matrix[i][2] * g[6 + j];
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++)
            to[i * 6 + j] =
                half[i][0] * matrix[j][0] + half[i][1] * matrix[j][1] + half[i][2] * matrix[j][2];
}

/* numbers: [0] output channels, [1] input channels, [2] columns of a panel, [3] input channels with
 * pads. To [panel][point][c][column]. */
static void pack_winograd(const struct e2b_packing *packing, void *to) {
    const int64_t *n = packing->numbers;
    float *out = to, point[POINTS], g[9];
    memset(to, 0, packing->bytes);
    for (int64_t first = 0; first < n[0]; first += n[2], out += POINTS * n[3] * n[2])
        for (int64_t c = 0; c < n[1]; c++)
            for (int64_t j = 0; j < n[2] && first + j < n[0]; j++) {
                for (int k = 0; k < 9; k++)
                    g[k] = e2b_conv_weight_at(packing->from[0], ((first + j) * n[1] + c) * 9 + k);
                transform_weights(g, point);
                for (int k = 0; k < POINTS; k++)
                    out[(k * n[3] + c) * n[2] + j] = point[k];
            }
}

static int pack_weights(const struct e2b_call *call, const struct e2b_conv_geometry *g,
    const struct blocks *b, struct e2b_launch_list *list) {
    int64_t channels = e2b_ceil_div(g->c, STEPS) * STEPS;
    struct e2b_packing packing = {.from = {call->inputs[E2B_CONV_W].constant},
        .numbers = {g->m, g->c, 2 * b->lanes, channels},
        .bytes = (size_t)(b->panels * POINTS * channels * 2 * b->lanes) * sizeof(float),
        .pack = pack_winograd};
    snprintf(packing.key, sizeof packing.key, "conv-winograd%" PRId64 " p%" PRId64, 2 * b->lanes,
        b->panels);
    return e2b_launch_list_pack(list, &packing);
}

enum e2b_status e2b_conv_winograd_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    struct blocks b = cut(call, &g);
    int64_t jobs = b.tile_blocks * b.panel_blocks;
    int64_t groups = e2b_job_groups(call->traits, jobs);
    char more[64];
    snprintf(more, sizeof more, "-DROWS=%d -DLANES=%d%s", (int)b.rows, (int)b.lanes,
        call->traits->prefetch ? " -DPREFETCH" : "");
    int scratch = out->scratch_count++;
    out->scratch[scratch] =
        (struct e2b_scratch){.bytes = (size_t)(groups * b.group_floats) * sizeof(float)};
    struct e2b_launch *launch =
        e2b_conv_launch(call, out, &e2b_source_winograd_cpu, "conv_winograd_cpu", more);
    int weights = pack_weights(call, &g, &b, out);
    int bias = e2b_conv_pack_bias(call, out, 2 * b.lanes * b.panels);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a convolution's launch");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    e2b_launch_scratch(launch, scratch);
    e2b_launch_jobs(out, launch, call->traits, jobs);
    const int64_t numbers[] = {
        b.group_floats, b.v_tile, b.subs, b.span, b.panel_blocks, b.tile_blocks};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_conv_add_geometry(call, launch);
    return E2B_OK;
}
