#include "kernels/common/jobs.h"
#include "kernels/common/octets.h"
#include "kernels/common/unit.h"
#include "kernels/conv/variants.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_patch;

#define WARPGROUP_ITEMS 128
#define TILE_CHANNELS 64 /* of a warpgroup */
#define COLUMNS 8        /* of a patch */
#define STEP_CHANNELS 16
#define MOST_PASS 256 /* pixels that threads copy at once: less than an image and its padding */
#define MOST_STEPS 4  /* of a wide pixel's 128 bytes */
#define CHUNK_BYTES 16
#define WIDE_BYTES 128
#define POOL_SIDE 2  /* of a fused pool's windows */
#define POOL_LINES 4 /* of an image with a pool, a multiple of */
#define PATCH_ALIGN 1024
#define MERGED_LINES 16

/* Patches as patch.cl has them. */
struct tile {
    int lines, warpgroups, registers, ahead;
    double efficiency; /* that full ones reach, in the measure of mma_tile.c, see docs/results */
    bool guessed;      /* that efficiency; never timed on a device: a tuning candidate only */
};

static const struct tile tiles[] = {
    {32, 1, 255, 2, 2.52, false},
    {28, 1, 255, 2, 2.50, false},
    {16, 1, 168, 2, 2.38, false},
    {16, 1, 128, 1, 1.60, false},
    {8, 1, 128, 2, 1.95, false},
    {32, 2, 255, 2, 2.10, true},
    {28, 2, 255, 2, 2.10, true},
    {16, 2, 128, 1, 2.10, true},
    {8, 2, 128, 2, 2.10, false},
};
#define TILE_COUNT ((int)(sizeof tiles / sizeof tiles[0]))

/* What a call is to the kernel, whatever the tile. */
struct problem {
    struct e2b_conv_geometry g;
    const struct e2b_conv_params *params;
    bool narrow, converts, pools; /* converts: the image is of fp32 */
    int64_t plane_steps;          /* narrow: products of a row of taps in each plane */
    int64_t steps, slabs, taps;
    int64_t outputs_end;
};

struct cut {
    int64_t image_lines, wrap, line_tiles, column_tiles, channel_tiles;
    int64_t columns, pitch, rows, patch_bytes, buffers;
    int64_t groups; /* that share the patches */
};

static struct problem problem_of(const struct e2b_call *call) {
    struct problem p = {.params = call->params, .outputs_end = e2b_conv_channels_end(call)};
    e2b_conv_geometry(call, &p.g);
    p.pools = e2b_conv_has_pool(p.params);
    p.converts = call->inputs[E2B_CONV_X].tensor.dtype == E2B_F32;
    p.narrow = p.g.c <= E2B_OCTET && p.params->dilation[1] == 1;
    int64_t stride = p.params->stride[1], planes = stride < p.g.kw ? stride : p.g.kw;
    p.plane_steps = e2b_ceil_div(e2b_ceil_div(p.g.kw, stride), 2);
    if (p.narrow) {
        p.steps = planes * p.plane_steps;
        p.taps = p.slabs = p.g.kh;
        return p;
    }
    int64_t deep = e2b_ceil_div(p.g.c, STEP_CHANNELS), blocks = e2b_ceil_div(deep, MOST_STEPS);
    p.steps = e2b_ceil_div(deep, blocks);
    p.taps = p.g.kh * p.g.kw;
    p.slabs = p.taps * e2b_ceil_div(deep, p.steps);
    return p;
}

static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Groups that a compute unit has room for, with so many buffers each. */
static int64_t resident(
    const struct e2b_call *call, const struct tile *tile, const struct cut *cut, int buffers) {
    int64_t bytes = cut->patch_bytes * buffers + E2B_GROUP_BYTES;
    int64_t room = call->traits->local_bytes / bytes;
    int64_t most = E2B_UNIT_REGISTERS / (tile->warpgroups * WARPGROUP_ITEMS * tile->registers);
    return room < most ? room : most;
}

/* Two buffers where there is a next patch or block to copy, and room for them; 0 where one is not
 * enough. */
static void share_patches(const struct e2b_call *call, const struct problem *p,
    const struct tile *tile, struct cut *cut) {
    int64_t units = e2b_units(call->traits);
    int64_t patches = cut->line_tiles * cut->column_tiles * cut->channel_tiles;
    int64_t at_once = units * resident(call, tile, cut, 2);
    bool whole = p->slabs == p->taps;
    cut->groups = patches;
    cut->buffers = whole && resident(call, tile, cut, 1) ? 1 : 0;
    if (at_once > 0 && (!whole || patches > at_once)) {
        cut->buffers = 2;
        cut->groups = e2b_ceil_div(patches, e2b_ceil_div(patches, at_once));
    }
}

static struct cut cut_of(
    const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    const struct e2b_conv_geometry *g = &p->g;
    int64_t stride_h = p->params->stride[0], stride_w = p->params->stride[1];
    int64_t below = (g->kh - 1) * p->params->dilation[0];
    int64_t across = (g->kw - 1) * p->params->dilation[1], right = across / stride_w;
    struct cut cut = {
        .columns = COLUMNS + (p->narrow ? most(right, 2 * p->plane_steps - 1) : right)};
    cut.pitch = (stride_w <= across ? stride_w : across + 1) * cut.columns;
    cut.rows = cut.pitch * (stride_h * (tile->lines - 1) + below + 1);
    cut.patch_bytes = cut.rows * (p->narrow ? CHUNK_BYTES : WIDE_BYTES);
    cut.patch_bytes = e2b_ceil_div(cut.patch_bytes, PATCH_ALIGN) * PATCH_ALIGN;
    /* Lines that images share the padding of, or whole patches: whichever are fewer. */
    int64_t reach = stride_h * (g->oh - 1) + below + 1 - p->params->pad[0];
    int64_t shared = most(g->oh, e2b_ceil_div(most(g->h + p->params->pad[0], reach), stride_h));
    if (p->pools)
        shared = e2b_ceil_div(shared, POOL_LINES) * POOL_LINES;
    int64_t own = e2b_ceil_div(g->oh, tile->lines) * tile->lines;
    bool alone = own < shared || stride_h * shared <= e2b_ceil_div(MOST_PASS, cut.pitch);
    cut.image_lines = alone ? own : shared;
    cut.wrap = alone ? INT_MAX : stride_h * shared;
    cut.line_tiles = e2b_ceil_div(g->n * cut.image_lines, tile->lines);
    cut.column_tiles = e2b_ceil_div(g->ow, COLUMNS);
    cut.channel_tiles = e2b_ceil_div(p->outputs_end, tile->warpgroups * TILE_CHANNELS);
    share_patches(call, p, tile, &cut);
    return cut;
}

/* What is merged shares its program with many others, and wants many small groups. */
static bool can_be_merged(const struct tile *tile) {
    return tile->warpgroups == 1 && tile->lines <= MERGED_LINES;
}

/* What is converted must be hidden behind products, of a patch before. A graph is made before it is
 * known what is merged: what is accepted then must be accepted later. */
static bool fits(const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    if (call->group_items && !can_be_merged(tile))
        return false;
    if (p->converts && tile->warpgroups > 1)
        return false;
    return cut_of(call, p, tile).buffers > (p->converts ? 1 : 0);
}

/* Fitted to the layers of three networks at batch 1 to 128 on an H200, see docs/results. */
#define START_DEPTH 208.0  /* multiply-adds deep that a patch takes to begin and to end */
#define UNEVEN 0.3         /* patches a compute unit that the last ones take longer by */
#define LATENCY_COST 8192. /* of a multiply-add's depth in a group that waits for its weights */
#define OVERLAP_LOST 0.3   /* share of the lesser of work and waiting that adds to the other */

/* In units of e2b_mma_cost: groups that share a compute unit either keep it busy or all wait. */
static double cost(const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    struct cut cut = cut_of(call, p, tile);
    int64_t units = e2b_units(call->traits);
    int64_t at_once = units * most(1, resident(call, tile, &cut, (int)cut.buffers));
    int64_t patches = cut.line_tiles * cut.column_tiles * cut.channel_tiles;
    double depth = (double)(p->slabs * p->steps * STEP_CHANNELS) + START_DEPTH;
    double columns = (double)tile->lines * COLUMNS, channels = tile->warpgroups * TILE_CHANNELS;
    double work =
        ((double)patches / (double)units + UNEVEN) * columns * channels * depth / tile->efficiency;
    double waiting = (double)e2b_ceil_div(patches, at_once) * depth * LATENCY_COST;
    return work > waiting ? work + OVERLAP_LOST * waiting : waiting + OVERLAP_LOST * work;
}

static const struct tile *choose(const struct e2b_call *call, const struct problem *p) {
    const struct tile *best = NULL;
    int candidate = 0;
    for (const struct tile *tile = tiles; tile < tiles + TILE_COUNT; tile++) {
        if (!fits(call, p, tile))
            continue;
        if (++candidate == call->candidate)
            return tile;
        if (!best || (!tile->guessed && cost(call, p, tile) < cost(call, p, best)))
            best = tile;
    }
    return best;
}

/* An image of fp32 comes number by number. */
static const char *refuses_image(const struct e2b_call *call, const struct problem *p) {
    if (p->converts)
        return !p->narrow || p->g.c > E2B_CONV_PLANAR_CHANNELS
            ? "fp32, and more than 4 channels or columns apart"
            : NULL;
    const struct e2b_tensor *x = &call->inputs[E2B_CONV_X].tensor;
    if (x->stride[1] != 1)
        return "the image is not channels-last";
    return e2b_octets_aligned(x) ? NULL : "pixels are not at multiples of 8 elements";
}

static const char *refuses_pool(const struct problem *p) {
    return p->pools
            && (e2b_conv_pool_side(p->params, 0) != POOL_SIDE
                || e2b_conv_pool_side(p->params, 1) != POOL_SIDE)
        ? "a pool of other windows than 2x2"
        : NULL;
}

/* What mma does too is its own where launches are merged. */
static const char *refuses(const struct e2b_call *call) {
    const struct e2b_conv_params *params = call->params;
    struct problem p = problem_of(call);
    if (call->traits->ptx_sm < E2B_WARPGROUP_SM)
        return "needs PTX of sm_90a";
    if (call->outputs[0].tensor.dtype != E2B_F16)
        return "not fp16";
    if (call->group_items && !p.converts && !p.pools)
        return "is not merged with others";
    if (params->group > 1)
        return "groups";
    const char *refused = e2b_conv_refuses_weights(call);
    if (!refused)
        refused = e2b_conv_refuses_result(call);
    if (!refused)
        refused = refuses_image(call, &p);
    if (!refused)
        refused = refuses_pool(&p);
    if (refused)
        return refused;
    if (!e2b_octets_aligned(&call->outputs[0].tensor)
        || (e2b_has_input(call, E2B_CONV_RESIDUAL)
            && !e2b_octets_aligned(&call->inputs[E2B_CONV_RESIDUAL].tensor)))
        return "pixels are not at multiples of 8 elements";
    if (p.g.kh * p.g.kw == 1)
        return "no pixel is read twice";
    if (p.narrow && p.steps > MOST_STEPS)
        return "the kernel is too wide";
    return choose(call, &p) ? NULL
        : p.converts        ? "fp32, and few patches"
                            : "a patch does not fit local memory";
}

bool e2b_conv_patch_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const char *refused = refuses(call);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

bool e2b_conv_patch_yields(const struct e2b_call *call) {
    char reason[128];
    struct problem p = problem_of(call);
    return e2b_conv_mma_accepts(call, reason, sizeof reason)
        && cost(call, &p, choose(call, &p)) >= e2b_conv_mma_cost(call);
}

/* What a pool takes, in the same units: it begins, and reads all that it writes a quarter of.
 * Patches that pool were that much faster than their cost, see docs/results. */
#define POOL_START 5e6
#define MEMORY_UNITS_A_BYTE 47. /* that comes or goes, at 27 GB/s for each compute unit */
#define POOLED_FASTER 1.2

bool e2b_conv_pools(const struct e2b_call *call) {
    char reason[128];
    if (!e2b_conv_patch_accepts(call, reason, sizeof reason))
        return false;
    struct problem p = problem_of(call);
    struct e2b_conv_params plain = *p.params;
    struct e2b_operand written = call->outputs[0];
    struct e2b_call alone = *call;
    memset(plain.pool, 0, sizeof plain.pool);
    written.tensor.shape.dims[2] = p.g.oh;
    written.tensor.shape.dims[3] = p.g.ow;
    alone.params = &plain;
    alone.outputs = &written;
    double bytes = (double)e2b_shape_count(&written.tensor.shape) * sizeof(uint16_t);
    double pool = POOL_START
        + (1 + 1. / (POOL_SIDE * POOL_SIDE)) * bytes * MEMORY_UNITS_A_BYTE
            / (double)most(1, call->traits->compute_units);
    return !e2b_conv_mma_accepts(&alone, reason, sizeof reason)
        || cost(call, &p, choose(call, &p)) / POOLED_FASTER < e2b_conv_mma_cost(&alone) + pool;
}

int e2b_conv_patch_candidates(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    int count = 1;
    for (const struct tile *tile = tiles; tile < tiles + TILE_COUNT; tile++)
        count += fits(call, &p, tile);
    return count;
}

struct packed_patch {
    int64_t outputs, channels, kernel_h, kernel_w, steps, slabs, taps, plane_steps, stride_w;
};

/* Of output m, at place `deep` (of 16) of a slab's step. */
static float weight_at(const struct e2b_packing *packing, const struct packed_patch *p, int64_t m,
    int64_t slab, int64_t step, int64_t deep) {
    int64_t tap = slab % p->taps, c, y, x;
    if (p->plane_steps) {
        c = deep % E2B_OCTET;
        y = tap;
        x = (step % p->plane_steps * 2 + deep / E2B_OCTET) * p->stride_w + step / p->plane_steps;
    } else {
        c = (slab / p->taps * p->steps + step) * STEP_CHANNELS + deep;
        y = tap / p->kernel_w;
        x = tap % p->kernel_w;
    }
    if (m >= p->outputs || c >= p->channels || x >= p->kernel_w)
        return 0;
    int64_t at = ((m * p->channels + c) * p->kernel_h + y) * p->kernel_w + x;
    return e2b_conv_weight_at(packing->from[0], at);
}

/* The channel, of a warp's 16, that is row `row` of its fragments: when they have been transposed,
 * a thread has four channels that lie together. */
static int64_t channel_at(int64_t row) {
    int64_t half = row / 8, place = row % 8;
    return place / 2 * 4 + half * 2 + place % 2;
}

/* To [64 channels][slab][step][warp][lane][register][half]: fragments of wgmma's A. */
static void pack_weights(const struct e2b_packing *packing, void *to) {
    struct packed_patch p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *out = to;
    int64_t count = (int64_t)(packing->bytes / sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        int64_t half = i % 2, reg = i / 2 % 4, lane = i / 8 % 32, warp = i / 256 % 4;
        int64_t step = i / 1024 % p.steps, slab = i / 1024 / p.steps % p.slabs;
        int64_t tile = i / 1024 / p.steps / p.slabs;
        int64_t m = tile * TILE_CHANNELS + warp * 16 + channel_at(lane / 4 + reg % 2 * 8);
        int64_t deep = lane % 4 * 2 + half + reg / 2 * 8;
        out[i] = e2b_half_from_float(weight_at(packing, &p, m, slab, step, deep));
    }
}

static int add_weights(const struct e2b_call *call, const struct problem *p,
    const struct tile *tile, const struct cut *cut, struct e2b_launch_list *list) {
    const struct packed_patch numbers = {p->g.m, p->g.c, p->g.kh, p->g.kw, p->steps, p->slabs,
        p->taps, p->narrow ? p->plane_steps : 0, p->params->stride[1]};
    int64_t channels = cut->channel_tiles * tile->warpgroups * TILE_CHANNELS;
    struct e2b_packing packing = {.from = {call->inputs[E2B_CONV_W].constant},
        .bytes = (size_t)(channels * p->slabs * p->steps * STEP_CHANNELS) * sizeof(uint16_t),
        .pack = pack_weights};
    _Static_assert(sizeof numbers <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &numbers, sizeof numbers);
    snprintf(packing.key, sizeof packing.key, "conv-patch%s %d steps s%d of %zu",
        p->narrow ? " narrow" : "", (int)p->steps, (int)p->params->stride[1], packing.bytes);
    return e2b_launch_list_pack(list, &packing);
}

static void add_geometry(const struct e2b_call *call, const struct problem *p,
    const struct cut *cut, struct e2b_launch *launch) {
    const struct e2b_conv_geometry *g = &p->g;
    const struct e2b_conv_params *params = p->params;
    int64_t x_end = e2b_ceil_div(g->c, E2B_OCTET) * E2B_OCTET;
    const int64_t numbers[] = {cut->line_tiles * cut->column_tiles * cut->channel_tiles,
        cut->channel_tiles, cut->column_tiles, p->slabs, cut->image_lines, cut->wrap, cut->columns,
        cut->pitch, cut->rows, g->n, g->h, g->w, g->oh, g->ow, p->taps, g->kw, params->stride[0],
        params->dilation[0], params->dilation[1], params->pad[0], params->pad[1], x_end,
        p->outputs_end, call->inputs[E2B_CONV_X].tensor.stride[1]};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_conv_add_layout(call, launch);
}

enum e2b_status e2b_conv_patch_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct problem p = problem_of(call);
    const struct tile *tile = choose(call, &p);
    struct cut cut = cut_of(call, &p, tile);
    char narrow[48] = "", converts[24] = "", more[208];
    if (p.narrow)
        snprintf(narrow, sizeof narrow, " -DNARROW -DPLANE_STEPS=%d", (int)p.plane_steps);
    if (p.converts)
        snprintf(converts, sizeof converts, " -DCHANNELS=%d", (int)p.g.c);
    snprintf(more, sizeof more,
        "-DLINES=%d -DWARPGROUPS=%d -DSTEPS=%d -DSTRIDE_W=%d -DBUFFERS=%d -DAHEAD=%d "
        "-DPATCH_BYTES=%d%s%s%s -cl-nv-maxrregcount=%d -DPTX_TARGET=sm_90a",
        tile->lines, tile->warpgroups, (int)p.steps, (int)p.params->stride[1], (int)cut.buffers,
        tile->ahead, (int)cut.patch_bytes, narrow, converts, p.pools ? " -DPOOL" : "",
        tile->registers);
    struct e2b_launch *launch = e2b_conv_launch(call, out, &e2b_source_patch, "conv_patch", more);
    int weights = add_weights(call, &p, tile, &cut, out);
    bool has_bias = e2b_has_input(call, E2B_CONV_BIAS);
    int bias = e2b_pack_vector(out, has_bias ? call->inputs[E2B_CONV_BIAS].constant : NULL,
        cut.channel_tiles * tile->warpgroups * TILE_CHANNELS);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    add_geometry(call, &p, &cut, launch);
    launch->local_bytes = (size_t)(cut.patch_bytes * cut.buffers);
    size_t threads = (size_t)tile->warpgroups * WARPGROUP_ITEMS;
    e2b_launch_grid(launch, (size_t)cut.groups * threads, 1, 1);
    e2b_launch_group(launch, threads, 1, 1);
    return E2B_OK;
}
