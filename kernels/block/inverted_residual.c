#include "kernels/block/variants.h"

#include "kernels/common/jobs.h"
#include "kernels/common/mma.h"
#include "kernels/common/octets.h"
#include "kernels/common/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_inverted_residual;

#define WARP_ITEMS 32
#define SLAB_CHANNELS 32
#define STEP_CHANNELS 16
#define BLOCK_CHANNELS 8
#define FRAGMENT_BYTES 512
#define COPY_BYTES 16
#define MOST_KERNEL 7
#define MOST_TURNS 16
#define MOST_SUMS 160     /* of a work-item */
#define WORK_REGISTERS 96 /* beside them */
#define UNIT_ITEMS 2048
#define UNIT_QUARTERS 4
#define SLAB_BLOCKS (SLAB_CHANNELS / BLOCK_CHANNELS)
#define SLAB_STEPS (SLAB_CHANNELS / STEP_CHANNELS)

/* Tiles as inverted_residual.cl has them. */
struct tile {
    int columns, strips, pairs, teams;
};

/* Of 32 that were timed, see docs/results, these are the best for one shape and batch or another.
 */
static const struct tile tiles[] = {
    {1, 4, 1, 1},
    {1, 4, 1, 2},
    {1, 2, 1, 4},
    {1, 1, 1, 4},
    {1, 2, 2, 1},
    {1, 4, 2, 1},
    {2, 1, 2, 4},
    {2, 2, 2, 1},
    {2, 4, 2, 1},
    {4, 2, 2, 1},
    {2, 2, 4, 1},
};
#define TILE_COUNT ((int)(sizeof tiles / sizeof tiles[0]))

/* What a call is to the kernel, whatever the tile. */
struct problem {
    struct e2b_conv_geometry g; /* of the block: c and m are narrow */
    const struct e2b_conv_params *depthwise;
    int64_t wide, steps, slabs, outputs;
};

/* A tile of a problem. */
struct cut {
    int64_t warps, column_tiles, line_tiles, turns, local_bytes, copied_bytes, sums;
    int64_t resident, registers; /* groups of a compute unit, and what a work-item may have */
};

static struct problem problem_of(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_shape *x = &call->inputs[E2B_BLOCK_X].tensor.shape;
    const struct e2b_shape *y = &call->outputs[0].tensor.shape;
    bool expands = e2b_has_input(call, E2B_BLOCK_EXPANSION_W);
    struct problem p = {.depthwise = &params->middle, .wide = params->middle.group};
    p.g = (struct e2b_conv_geometry){.n = x->dims[0],
        .c = x->dims[1],
        .h = x->dims[2],
        .w = x->dims[3],
        .m = y->dims[1],
        .oh = y->dims[2],
        .ow = y->dims[3],
        .kh = params->middle.kernel[0],
        .kw = params->middle.kernel[1]};
    p.steps = expands ? e2b_ceil_div(p.g.c, STEP_CHANNELS) : 0;
    p.slabs = e2b_ceil_div(p.wide, SLAB_CHANNELS);
    p.outputs = 2 * e2b_ceil_div(p.g.m, 2 * BLOCK_CHANNELS);
    return p;
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t wide_weights_bytes(const struct problem *p) {
    int64_t bias = SLAB_CHANNELS * (int64_t)sizeof(float);
    return (p->steps * 2 + p->g.kh * p->g.kw) * FRAGMENT_BYTES + (p->steps ? 2 : 1) * bias;
}

static void share_unit(const struct e2b_call *call, const struct tile *tile, struct cut *cut) {
    int64_t items = cut->warps * tile->teams * WARP_ITEMS;
    int64_t by_registers = E2B_UNIT_REGISTERS / (items * (cut->sums + WORK_REGISTERS));
    int64_t by_memory = call->traits->local_bytes / (cut->local_bytes + E2B_GROUP_BYTES);
    cut->resident = least(least(by_registers, by_memory), UNIT_ITEMS / items);
    if (cut->resident > 0)
        cut->registers = least(255, E2B_UNIT_REGISTERS / (items * cut->resident) / 8 * 8);
}

static struct cut cut_of(
    const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    const struct e2b_conv_geometry *g = &p->g;
    int64_t stride_h = p->depthwise->stride[0], stride_w = p->depthwise->stride[1];
    int64_t lines = 2 * tile->pairs * tile->strips, columns = BLOCK_CHANNELS * tile->columns;
    int64_t plane = columns - 1 + e2b_ceil_div(g->kw, stride_w);
    int64_t rows = ((lines - 1) * stride_h + g->kh) * stride_w * plane;
    int64_t row_tiles = e2b_ceil_div(rows, STEP_CHANNELS);
    struct cut cut = {.warps = tile->columns * tile->strips,
        .column_tiles = e2b_ceil_div(g->ow, columns),
        .line_tiles = e2b_ceil_div(g->oh, lines),
        .sums = tile->pairs * p->outputs * 4};
    int64_t wide = row_tiles * STEP_CHANNELS * SLAB_CHANNELS * 2;
    int64_t patch = row_tiles * STEP_CHANNELS * (p->steps * STEP_CHANNELS * 2 + COPY_BYTES);
    int64_t stage = wide_weights_bytes(p) + p->outputs * FRAGMENT_BYTES;
    int64_t added = tile->teams * cut.warps * WARP_ITEMS * cut.sums * (int64_t)sizeof(float);
    cut.turns = e2b_ceil_div(row_tiles, cut.warps);
    cut.copied_bytes = p->slabs * stage + (p->steps ? patch : p->slabs * wide);
    cut.local_bytes =
        (p->steps ? patch : 0) + tile->teams * (2 * stage + (p->steps ? 1 : 2) * wide);
    if (tile->teams > 1 && cut.local_bytes < added)
        cut.local_bytes = added;
    share_unit(call, tile, &cut);
    return cut;
}

static int64_t groups_of(const struct problem *p, const struct cut *cut) {
    return p->g.n * cut->line_tiles * cut->column_tiles;
}

static bool fits(const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    struct cut cut = cut_of(call, p, tile);
    return cut.resident > 0 && cut.turns <= MOST_TURNS && cut.sums <= MOST_SUMS
        && tile->teams <= p->slabs;
}

/* Fitted to the blocks of MobileNet v2 at batch 1 to 128 on an H200, see docs/results. Cycles of a
 * quarter of a compute unit, which runs a warp's instructions one after another. */
#define ROWS_CYCLES 100.0 /* of 16 rows that are expanded, beside their products */
#define PRODUCT_CYCLES 12.0
#define TAP_CYCLES 19.5     /* of a warp's pair of lines */
#define COPY_CYCLES 16.0    /* of what a warp copies at once */
#define WARP_CYCLES 710.0   /* to begin and to end */
#define SLAB_CYCLES 650.0   /* that a slab waits beside its work, where nothing else runs */
#define GROUP_CYCLES 3650.0 /* that a group waits, to begin and to end */
#define OVERLAP_LOST 0.14   /* share of the lesser of work and waiting that adds to the other */
#define CYCLES_A_NS 1.9

/* Cycles of a warp's slab, copies left out. */
static double slab_cycles(const struct problem *p, const struct tile *tile, const struct cut *cut) {
    int64_t turns = p->steps == 0 ? 0 : cut->turns == 1 ? 1 : (cut->turns + 1) / 2 * 2;
    int64_t products = turns * p->steps * SLAB_BLOCKS + tile->pairs * p->outputs * SLAB_STEPS;
    return (double)turns * ROWS_CYCLES + (double)products * PRODUCT_CYCLES
        + (double)(tile->pairs * p->g.kh * p->g.kw) * TAP_CYCLES;
}

static double cost_ns(
    const struct e2b_call *call, const struct problem *p, const struct tile *tile) {
    struct cut cut = cut_of(call, p, tile);
    double groups = (double)groups_of(p, &cut), slab = slab_cycles(p, tile, &cut);
    double group = (double)(cut.warps * p->slabs) * slab
        + (double)(cut.warps * tile->teams) * WARP_CYCLES
        + (double)cut.copied_bytes / (WARP_ITEMS * COPY_BYTES) * COPY_CYCLES;
    double work = groups * group / ((double)e2b_units(call->traits) * UNIT_QUARTERS);
    double alone =
        (double)e2b_ceil_div(p->slabs, tile->teams) * (slab + SLAB_CYCLES) + GROUP_CYCLES;
    double waiting = ceil(groups / ((double)(e2b_units(call->traits) * cut.resident))) * alone;
    double most = work > waiting ? work : waiting, less = work + waiting - most;
    return E2B_BLOCK_LAUNCH_NS + (most + OVERLAP_LOST * less) / CYCLES_A_NS;
}

static const struct tile *choose(const struct e2b_call *call, const struct problem *p) {
    int candidate = 0;
    const struct tile *best = NULL;
    for (const struct tile *tile = tiles; tile < tiles + TILE_COUNT; tile++) {
        if (!fits(call, p, tile))
            continue;
        if (++candidate == call->candidate)
            return tile;
        if (!best || cost_ns(call, p, tile) < cost_ns(call, p, best))
            best = tile;
    }
    return best;
}

static const char *refuses(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_conv_params *depthwise = &params->middle;
    if (call->traits->ptx_sm < E2B_MMA_SM)
        return "needs PTX of sm_80";
    if (!e2b_block_is_depthwise(call))
        return "a full convolution between";
    if (e2b_has_input(call, E2B_BLOCK_SHORTCUT_W))
        return "a shortcut";
    if (depthwise->dilation[0] != 1 || depthwise->dilation[1] != 1
        || depthwise->kernel[0] > MOST_KERNEL || depthwise->kernel[1] > MOST_KERNEL)
        return "dilated, or a kernel larger than 7";
    const char *refused = e2b_block_refuses(call);
    if (refused)
        return refused;
    struct problem p = problem_of(call);
    return choose(call, &p) ? NULL : "no tile fits local memory and registers";
}

bool e2b_block_inverted_residual_accepts(
    const struct e2b_call *call, char *reason, size_t reason_bytes) {
    return e2b_block_takes(refuses(call), reason, reason_bytes);
}

bool e2b_block_inverted_residual_yields(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    return e2b_block_apart_is_faster(call, cost_ns(call, &p, choose(call, &p)));
}

int e2b_block_inverted_residual_candidates(const struct e2b_call *call) {
    struct problem p = problem_of(call);
    int count = 1;
    for (const struct tile *tile = tiles; tile < tiles + TILE_COUNT; tile++)
        count += fits(call, &p, tile);
    return count;
}

/* The channel, of a slab's 32, that place `at` (of 8) of block `block` is: a lane has 8 that lie
 * together, two of each block. */
static int64_t channel_at(int64_t block, int64_t at) {
    return at / 2 * 8 + block * 2 + at % 2;
}

/* The place, of a step's 16, that half `half` of register `reg` of a lane's operand is. */
static int64_t place_of(int64_t lane, int64_t reg, int64_t half) {
    return lane % 4 * 2 + half + reg * 8;
}

struct packed_block {
    int64_t wide, channels, steps, taps, slabs, outputs, block_bytes;
};

static uint16_t half_at(const struct e2b_constant *constant, int64_t index, bool exists) {
    return e2b_half_from_float(exists ? e2b_conv_weight_at(constant, index) : 0);
}

static char *put_bias(char *to, const struct e2b_constant *bias, int64_t first, int64_t channels) {
    for (int64_t i = 0; i < SLAB_CHANNELS; i++, to += sizeof(float)) {
        float value = bias && first + i < channels ? e2b_conv_weight_at(bias, first + i) : 0;
        memcpy(to, &value, sizeof value);
    }
    return to;
}

/* Of a lane's 16 bytes, two blocks of a step's operand. */
static char *put_expansion(
    char *to, const struct e2b_constant *weights, const struct packed_block *p, int64_t first) {
    for (int64_t i = 0; i < p->steps * FRAGMENT_BYTES; i++, to += sizeof(uint16_t)) {
        int64_t half = i % 2, reg = i / 2 % 2, block = i / 4 % 2 + i / 256 % 2 * 2;
        int64_t lane = i / 8 % 32, step = i / 512;
        int64_t m = first + channel_at(block, lane / 4);
        int64_t c = step * STEP_CHANNELS + place_of(lane, reg, half);
        uint16_t value = half_at(weights, m * p->channels + c, m < p->wide && c < p->channels);
        memcpy(to, &value, sizeof value);
    }
    return to;
}

/* Of a lane's 16 bytes, a word of each block's diagonal matrix. */
static char *put_taps(
    char *to, const struct e2b_constant *weights, const struct packed_block *p, int64_t first) {
    for (int64_t i = 0; i < p->taps * FRAGMENT_BYTES / 2; i++, to += sizeof(uint16_t)) {
        int64_t half = i % 2, block = i / 2 % 4, lane = i / 8 % 32, tap = i / 256;
        int64_t m = first + channel_at(block, lane / 4);
        bool is_diagonal = place_of(lane, 0, half) == lane / 4;
        uint16_t value = half_at(weights, m * p->taps + tap, is_diagonal && m < p->wide);
        memcpy(to, &value, sizeof value);
    }
    return to;
}

/* A slab's weights and bias of the expansion, then those of the depthwise convolution. */
static void pack_wide(const struct e2b_packing *packing, void *to) {
    struct packed_block p;
    memcpy(&p, packing->numbers, sizeof p);
    char *at = to;
    for (int64_t first = 0; first < p.slabs * SLAB_CHANNELS; first += SLAB_CHANNELS) {
        if (p.steps > 0) {
            at = put_expansion(at, packing->from[2], &p, first);
            at = put_bias(at, packing->from[3], first, p.wide);
        }
        at = put_taps(at, packing->from[0], &p, first);
        at = put_bias(at, packing->from[1], first, p.wide);
    }
}

/* To [slab][8 outputs][lane][step][register][half]; two times 8 outputs are such that a lane has
 * four that lie together. */
static void pack_projection(const struct e2b_packing *packing, void *to) {
    struct packed_block p;
    memcpy(&p, packing->numbers, sizeof p);
    uint16_t *out = to;
    for (int64_t i = 0; i < (int64_t)(packing->bytes / sizeof *out); i++) {
        int64_t half = i % 2, reg = i / 2 % 2, step = i / 4 % 2, lane = i / 8 % 32;
        int64_t block = i / 256 % p.outputs, slab = i / 256 / p.outputs, n = lane / 4;
        int64_t m = block / 2 * 16 + n / 2 * 4 + block % 2 * 2 + n % 2;
        int64_t place = place_of(lane, 0, half);
        int64_t c = slab * SLAB_CHANNELS + channel_at(step * 2 + reg, place);
        out[i] = half_at(packing->from[0], m * p.wide + c, m < p.channels && c < p.wide);
    }
}

static int add_wide_weights(
    const struct e2b_call *call, const struct problem *p, struct e2b_launch_list *list) {
    const struct packed_block numbers = {.wide = p->wide,
        .channels = p->g.c,
        .steps = p->steps,
        .taps = p->g.kh * p->g.kw,
        .slabs = p->slabs};
    struct e2b_packing packing = {.from = {e2b_block_constant(call, E2B_BLOCK_MIDDLE_W),
                                      e2b_block_constant(call, E2B_BLOCK_MIDDLE_BIAS),
                                      e2b_block_constant(call, E2B_BLOCK_EXPANSION_W),
                                      e2b_block_constant(call, E2B_BLOCK_EXPANSION_BIAS)},
        .bytes = (size_t)(p->slabs * wide_weights_bytes(p)),
        .pack = pack_wide};
    _Static_assert(sizeof numbers <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &numbers, sizeof numbers);
    snprintf(packing.key, sizeof packing.key, "block-wide");
    return e2b_launch_list_pack(list, &packing);
}

static int add_projection(
    const struct e2b_call *call, const struct problem *p, struct e2b_launch_list *list) {
    const struct packed_block numbers = {
        .wide = p->wide, .channels = p->g.m, .slabs = p->slabs, .outputs = p->outputs};
    struct e2b_packing packing = {.from = {e2b_block_constant(call, E2B_BLOCK_PROJECTION_W)},
        .bytes = (size_t)(p->slabs * p->outputs * FRAGMENT_BYTES),
        .pack = pack_projection};
    memcpy(packing.numbers, &numbers, sizeof numbers);
    snprintf(packing.key, sizeof packing.key, "block-projection");
    return e2b_launch_list_pack(list, &packing);
}

static struct e2b_launch *add_launch(const struct e2b_call *call, const struct problem *p,
    const struct tile *tile, const struct cut *cut, struct e2b_launch_list *out) {
    char more[192];
    snprintf(more, sizeof more,
        "-DCOLUMNS=%d -DSTRIPS=%d -DPAIRS=%d -DTEAMS=%d -DSTEPS=%d -DOUT_BLOCKS=%d -DKERNEL=%d,%d "
        "-DSTRIDE=%d,%d -DLOCAL_BYTES=%d -cl-nv-maxrregcount=%d",
        tile->columns, tile->strips, tile->pairs, tile->teams, (int)p->steps, (int)p->outputs,
        (int)p->g.kh, (int)p->g.kw, (int)p->depthwise->stride[0], (int)p->depthwise->stride[1],
        (int)cut->local_bytes, (int)cut->registers);
    return e2b_block_launch(call, out, &e2b_source_inverted_residual, "inverted_residual", more);
}

enum e2b_status e2b_block_inverted_residual_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct problem p = problem_of(call);
    const struct tile *tile = choose(call, &p);
    struct cut cut = cut_of(call, &p, tile);
    struct e2b_launch *launch = add_launch(call, &p, tile, &cut, out);
    const int packed[] = {add_wide_weights(call, &p, out), add_projection(call, &p, out),
        e2b_pack_vector(
            out, e2b_block_constant(call, E2B_BLOCK_PROJECTION_BIAS), p.outputs * BLOCK_CHANNELS)};
    if (!launch || packed[0] < 0 || packed[1] < 0 || packed[2] < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    for (int i = 0; i < 3; i++)
        e2b_launch_packed(launch, packed[i]);
    const int64_t numbers[] = {p.slabs, cut.column_tiles, cut.line_tiles};
    for (int i = 0; i < 3; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_block_add_geometry(call, launch);
    launch->local_bytes = (size_t)cut.local_bytes;
    size_t items = (size_t)(cut.warps * tile->teams * WARP_ITEMS);
    size_t groups = (size_t)groups_of(&p, &cut);
    e2b_launch_grid(launch, groups * items, 1, 1);
    e2b_launch_group(launch, items, 1, 1);
    return E2B_OK;
}
