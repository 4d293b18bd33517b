#include "kernels/common/mma_tile.h"

#include "kernels/common/jobs.h"
#include "kernels/common/unit.h"

#include <math.h>
#include <stdlib.h>

#define COLUMNS_BYTES 1024  /* of local memory: a number for each column of a tile */
#define BARRIERS_BYTES 1024 /* of a pipeline */
#define COPYING_WARPS 4

static const struct e2b_mma_tile tiles[] = {
    {128, 256, 8, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 2.00, false},
    {128, 128, 8, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.70, false},
    {128, 64, 8, 1, 8, 4, 1, 128, E2B_MMA_WARPGROUPS, 1.20, false},
    {64, 256, 4, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.60, false},
    {64, 128, 4, 1, 8, 4, 1, 168, E2B_MMA_WARPGROUPS, 1.20, false},
    {64, 64, 4, 1, 8, 4, 1, 128, E2B_MMA_WARPGROUPS, 0.80, false},
    {128, 128, 2, 4, 8, 3, 1, 128, E2B_MMA_WARPS, 1.00, false},
    {128, 128, 2, 4, 8, 3, 1, 168, E2B_MMA_WARPS, 0.95, false},
    {256, 128, 4, 2, 4, 4, 1, 255, E2B_MMA_WARPS, 1.05, false},
    {128, 64, 2, 2, 8, 3, 1, 168, E2B_MMA_WARPS, 0.85, false},
    {64, 128, 2, 4, 8, 3, 1, 128, E2B_MMA_WARPS, 0.85, false},
    {64, 64, 2, 2, 8, 4, 1, 128, E2B_MMA_WARPS, 0.65, false},
    {128, 32, 4, 1, 8, 3, 1, 128, E2B_MMA_WARPS, 0.55, false},
    {32, 64, 2, 2, 8, 4, 1, 128, E2B_MMA_WARPS, 0.45, false},
    {128, 192, 8, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.90, false},
    {64, 192, 4, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.25, false},
    {128, 96, 8, 1, 8, 4, 1, 128, E2B_MMA_WARPGROUPS, 1.50, true},
    {64, 96, 4, 1, 8, 4, 1, 168, E2B_MMA_WARPGROUPS, 1.10, false},
    {128, 32, 8, 1, 8, 4, 1, 128, E2B_MMA_WARPGROUPS, 0.75, true},
    {64, 32, 4, 1, 8, 4, 1, 128, E2B_MMA_WARPGROUPS, 0.45, true},
    {128, 128, 8, 1, 8, 3, 1, 128, E2B_MMA_WARPGROUPS, 1.75, true},
    {128, 256, 8, 1, 8, 3, 1, 255, E2B_MMA_HALVES, 3.10, false},
    {128, 128, 8, 1, 8, 4, 1, 255, E2B_MMA_HALVES, 2.55, false},
    {128, 64, 8, 1, 8, 3, 1, 128, E2B_MMA_HALVES, 1.75, false},
    {64, 256, 4, 1, 8, 3, 1, 255, E2B_MMA_HALVES, 1.60, false},
    {64, 128, 4, 1, 8, 3, 1, 255, E2B_MMA_HALVES, 1.30, false},
    {64, 64, 4, 1, 8, 4, 1, 168, E2B_MMA_HALVES, 1.00, false},
    {128, 192, 8, 1, 8, 4, 1, 255, E2B_MMA_HALVES, 2.80, true},
    {128, 256, 8, 1, 8, 3, 1, 255, E2B_MMA_HALVES_AHEAD, 3.30, true},
    {128, 128, 8, 1, 8, 4, 1, 255, E2B_MMA_HALVES_AHEAD, 3.00, true},
    {128, 64, 8, 1, 8, 3, 1, 255, E2B_MMA_HALVES_AHEAD, 2.00, true},
    {64, 128, 4, 1, 8, 3, 1, 255, E2B_MMA_HALVES_AHEAD, 1.70, true},
    {64, 64, 4, 1, 8, 4, 1, 255, E2B_MMA_HALVES_AHEAD, 1.30, true},
    {128, 256, 8, 1, 8, 4, 1, 168, E2B_MMA_PIPELINE, 2.80, false},
    {128, 192, 8, 1, 8, 4, 1, 168, E2B_MMA_PIPELINE, 2.40, false},
    {128, 128, 8, 1, 8, 4, 1, 168, E2B_MMA_PIPELINE, 2.30, false},
    {128, 256, 8, 1, 8, 4, 1, 168, E2B_MMA_KEEPING, 2.80, true},
    {128, 192, 8, 1, 8, 4, 1, 168, E2B_MMA_KEEPING, 2.40, true},
    {128, 128, 8, 1, 8, 4, 1, 168, E2B_MMA_KEEPING, 2.30, true},
    {128, 64, 8, 1, 8, 4, 1, 168, E2B_MMA_KEEPING, 1.60, true},
    {64, 64, 4, 1, 8, 3, 2, 128, E2B_MMA_WARPGROUPS, 0.80, false},
    {64, 64, 4, 1, 8, 3, 4, 128, E2B_MMA_WARPGROUPS, 0.80, false},
    {64, 32, 4, 1, 8, 3, 2, 128, E2B_MMA_WARPGROUPS, 0.45, false},
    {64, 32, 4, 1, 8, 4, 4, 128, E2B_MMA_WARPGROUPS, 0.45, false},
    {64, 128, 4, 1, 8, 4, 2, 168, E2B_MMA_WARPGROUPS, 1.20, false},
    {128, 64, 8, 1, 8, 4, 2, 128, E2B_MMA_WARPGROUPS, 1.20, false},
    {128, 128, 8, 1, 8, 3, 2, 128, E2B_MMA_WARPGROUPS, 1.70, false},
};
/* Tiles of launches that are merged with their neighbours, by groups of 128 of which two share a
 * compute unit: as many stages as half of its local memory has room for. */
#define MERGED_ITEMS 128
static const struct e2b_mma_tile merged_tiles[] = {
    {64, 128, 4, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.00, false},
    {64, 96, 4, 1, 8, 4, 1, 255, E2B_MMA_WARPGROUPS, 1.00, false},
    {64, 64, 4, 1, 8, 6, 1, 255, E2B_MMA_WARPGROUPS, 1.00, false},
    {64, 32, 4, 1, 8, 8, 1, 255, E2B_MMA_WARPGROUPS, 1.00, false},
    {128, 64, 2, 2, 8, 4, 1, 255, E2B_MMA_WARPS, 0.50, false},
    {64, 64, 2, 2, 8, 6, 1, 255, E2B_MMA_WARPS, 0.50, false},
    {32, 64, 2, 2, 8, 8, 1, 255, E2B_MMA_WARPS, 0.50, false},
    {128, 32, 4, 1, 8, 4, 1, 255, E2B_MMA_WARPS, 0.50, false},
};
#define MERGED_TILE_COUNT ((int)(sizeof merged_tiles / sizeof merged_tiles[0]))

static const int splits[] = {1, 2, 4, 8, 16};
#define TILE_COUNT ((int)(sizeof tiles / sizeof tiles[0]))
#define SPLIT_COUNT ((int)(sizeof splits / sizeof splits[0]))

/* Costs beside the slabs themselves, in slabs of the same tile. */
#define CANDIDATES 16 /* beside the default: what the model of waves finds cheapest */
#define START_SLABS 3.0
#define SPLIT_SLABS 3.0
#define END_SLABS 3.5 /* of each of a group's tiles in a pipeline */
/* A pipeline of windows by few columns waits for the warps that gather pixels: against patches
 * (kernels/conv/patch.c), which it was timed beside, it counts so many times. */
#define FEW_COLUMNS 128
#define FEW_COLUMNS_SLOWER 1.3
/* Multiply-adds while a byte of a tile's sums goes or comes, at 80 GB/s of a compute unit; and 128
 * bytes a cycle where teams meet. */
#define UNITS_A_BYTE 16.0
#define UNITS_A_LOCAL_BYTE 5.7
/* Of a slab's time alone, what it takes beside another one that its unit multiplies: fitted to
 * layers of ResNet-50 on an H200 (docs/results/gpu-inner-2026-11-29.md). */
#define BESIDE_4_WARPS 0.65
#define BESIDE_8_WARPS 0.75
/* No tile with teams was timed alone, only networks that take some: they are taken where that is
 * expected to be so many times as fast. */
#define TEAMS_GAIN 1.1

bool e2b_mma_in_halves(const struct e2b_mma_tile *tile) {
    return tile->by == E2B_MMA_HALVES || tile->by == E2B_MMA_HALVES_AHEAD;
}

bool e2b_mma_is_pipeline(const struct e2b_mma_tile *tile) {
    return tile->by == E2B_MMA_PIPELINE || tile->by == E2B_MMA_KEEPING;
}

int e2b_mma_lanes(const struct e2b_call *call, const struct e2b_mma_tile *tile) {
    int bytes = (int)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    return (e2b_mma_in_halves(tile) ? 2 : 1) * E2B_MMA_CHUNK_BYTES / bytes;
}

struct e2b_mma_shape e2b_mma_shape_of(const struct e2b_call *call,
    const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile) {
    struct e2b_mma_shape shape = {
        .rows = problem->samples * problem->out_height * problem->out_width,
        .chunks = e2b_ceil_div(problem->channels, e2b_mma_lanes(call, tile))};
    shape.slabs = e2b_ceil_div(shape.chunks * problem->kernel_h * problem->kernel_w, tile->chunks);
    shape.row_tiles = e2b_ceil_div(shape.rows, tile->rows);
    shape.column_tiles = e2b_ceil_div(problem->outputs_end, tile->columns);
    return shape;
}

int64_t e2b_mma_stage_bytes(const struct e2b_mma_tile *tile) {
    int rows = e2b_mma_in_halves(tile) ? 2 * tile->columns
        : tile->by == E2B_MMA_KEEPING  ? tile->rows
                                       : tile->rows + tile->columns;
    return (int64_t)rows * tile->chunks * E2B_MMA_CHUNK_BYTES;
}

int64_t e2b_mma_head_bytes(const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape) {
    int64_t bytes =
        COLUMNS_BYTES * (1 + (problem->x_norm.sums_input != 0) + (problem->r_norm.sums_input != 0));
    if (e2b_mma_is_pipeline(tile))
        bytes = 2 * bytes + BARRIERS_BYTES;
    return tile->by == E2B_MMA_KEEPING
        ? bytes + shape->slabs * tile->columns * tile->chunks * E2B_MMA_CHUNK_BYTES
        : bytes;
}

static int64_t local_bytes(const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape) {
    return e2b_mma_stage_bytes(tile) * tile->stages * tile->teams
        + e2b_mma_head_bytes(problem, tile, shape);
}

int e2b_mma_threads(const struct e2b_mma_tile *tile) {
    int copying = e2b_mma_is_pipeline(tile) ? COPYING_WARPS : 0;
    return (tile->warps_m * tile->warps_n * tile->teams + copying) * 32;
}

int e2b_mma_candidates(const struct e2b_call *call) {
    (void)call;
    return 1 + CANDIDATES;
}

/* Of a part of the inner dimension. Sums of a team lie where two of its stages were. */
#define LEAST_SLABS 2

static bool fits(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape, int split) {
    int parts = split * tile->teams;
    bool can = tile->by == E2B_MMA_WARPS
        || (call->traits->ptx_sm >= E2B_WARPGROUP_SM
            && (call->outputs[0].tensor.dtype == E2B_F16) == !e2b_mma_in_halves(tile));
    return can && call->traits->local_bytes >= local_bytes(problem, tile, shape)
        && (tile->by != E2B_MMA_KEEPING || shape->column_tiles <= e2b_units(call->traits))
        && (split == 1 || !e2b_mma_is_pipeline(tile))
        && (parts == 1 || shape->slabs >= LEAST_SLABS * parts);
}

/* What groups that share a tile write of its sums at once, and the last of them then reads. */
static double split_bytes(const struct e2b_mma_tile *tile, int split) {
    int read = split == 2 ? 1 : split; /* of two its own is in registers */
    return (double)((1 + read) * tile->rows * tile->columns) * sizeof(float);
}

/* Of groups of warpgroups, where registers and stages leave room for two. */
static bool share_units(const struct e2b_call *call, const struct e2b_mma_tile *tile) {
    return tile->by == E2B_MMA_WARPGROUPS
        && 2 * e2b_mma_threads(tile) * tile->registers <= E2B_UNIT_REGISTERS
        && 2 * tile->teams * tile->stages * e2b_mma_stage_bytes(tile) <= call->traits->local_bytes;
}

/* So many slabs at once, in times of one alone. */
static double beside(const struct e2b_mma_tile *tile, double slabs) {
    double each = tile->warps_m * tile->warps_n > 4 ? BESIDE_8_WARPS : BESIDE_4_WARPS;
    return 1 + (slabs - 1) * each;
}

/* Time in units of one multiply-add a compute unit. */
static double cost(const struct e2b_call *call, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape, int split) {
    double groups =
        (double)(shape->row_tiles * shape->column_tiles * split) / (double)e2b_units(call->traits);
    double slab = (double)(tile->rows * tile->columns * tile->chunks * e2b_mma_lanes(call, tile))
        / tile->efficiency;
    if (e2b_mma_is_pipeline(tile))
        return slab * (ceil(groups) * ((double)shape->slabs + END_SLABS) + START_SLABS);
    double waves = groups <= 1 ? 1 : groups + 0.35, at_once = 1;
    if (share_units(call, tile)) {
        at_once = fmin(waves, ceil(fmax(groups, 1)));
        waves = 1;
    }
    double start = START_SLABS + (split > 1 ? SPLIT_SLABS : 0);
    double slabs = (double)e2b_ceil_div(shape->slabs, split * tile->teams);
    double depth = start * beside(tile, at_once) + slabs * beside(tile, at_once * tile->teams);
    double shared = split > 1 ? split_bytes(tile, split) * UNITS_A_BYTE * beside(tile, at_once) : 0;
    double one_way = (double)((tile->teams - 1) * tile->rows * tile->columns) * sizeof(float);
    return waves * (tile->teams > 1 ? TEAMS_GAIN : 1)
        * (slab * depth + shared + 2 * one_way * UNITS_A_LOCAL_BYTE);
}

/* What a stage of a merged launch takes, in ns, as measured on an H200 where it could be: groups
 * find their inputs in the cache that all share, and are few. */
#define BEGIN_NS 2500.0      /* to wait for the stage before, and to tell the next */
#define LATENCY_NS 800.0     /* of that cache, when it is busy */
#define UNIT_BYTES_NS 80.0   /* that it gives a compute unit */
#define UNIT_FLOPS_NS 4000.0 /* of a compute unit in fp16 by warpgroups */
#define SPLIT_NS 1500.0      /* until the last of a tile's groups knows that it is the last */
#define SPLITS_AT_ONCE 2
#define GROUPS_A_UNIT 2
#define F32_SLOWER 6.0

static double merged_cost(const struct e2b_call *call, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape, int split) {
    int64_t units = e2b_units(call->traits);
    int64_t jobs = shape->row_tiles * shape->column_tiles * split;
    int64_t slabs = e2b_ceil_div(shape->slabs, split), under_way = tile->stages - 1;
    double slab_bytes = (double)(tile->rows + tile->columns) * tile->chunks * E2B_MMA_CHUNK_BYTES;
    double slab_flops = 2.0 * tile->rows * tile->columns * tile->chunks * e2b_mma_lanes(call, tile)
        * (call->outputs[0].tensor.dtype == E2B_F32 ? F32_SLOWER : 1) / tile->efficiency;
    double slab_ns = slab_bytes / UNIT_BYTES_NS > slab_flops / UNIT_FLOPS_NS
        ? slab_bytes / UNIT_BYTES_NS
        : slab_flops / UNIT_FLOPS_NS;
    double busy = (double)(e2b_ceil_div(jobs, units) * slabs) * slab_ns;
    double waiting =
        (double)(e2b_ceil_div(jobs, GROUPS_A_UNIT * units) * e2b_ceil_div(slabs, under_way))
        * LATENCY_NS;
    double tile_bytes = (double)(tile->rows * tile->columns) * sizeof(float);
    double added = split == 1 ? 0
                              : SPLIT_NS + (double)e2b_ceil_div(split, SPLITS_AT_ONCE) * LATENCY_NS
            + split * tile_bytes / UNIT_BYTES_NS;
    return BEGIN_NS + (busy > waiting ? busy : waiting) + added;
}

static int compare_options(const void *a, const void *b) {
    const struct e2b_mma_choice *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->tile != y->tile ? (x->tile > y->tile) - (x->tile < y->tile) : x->split - y->split;
}

/* All that can run, cheapest first. */
static int list_options(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    struct e2b_mma_choice options[TILE_COUNT * SPLIT_COUNT]) {
    bool merged = call->group_items == MERGED_ITEMS && call->candidate == 0;
    const struct e2b_mma_tile *from = merged ? merged_tiles : tiles;
    int tile_count = merged ? MERGED_TILE_COUNT : TILE_COUNT, count = 0;
    for (const struct e2b_mma_tile *tile = from; tile < from + tile_count; tile++) {
        struct e2b_mma_shape shape = e2b_mma_shape_of(call, problem, tile);
        for (int s = 0; s < SPLIT_COUNT; s++)
            if (fits(call, problem, tile, &shape, splits[s]))
                options[count++] = (struct e2b_mma_choice){
                    tile, splits[s], (merged ? merged_cost : cost)(call, tile, &shape, splits[s])};
    }
    qsort(options, (size_t)count, sizeof *options, compare_options);
    return count;
}

struct e2b_mma_choice e2b_mma_choose(
    const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    struct e2b_mma_choice options[TILE_COUNT * SPLIT_COUNT];
    int count = list_options(call, problem, options), chosen = call->candidate - 1;
    if (chosen < 0 || chosen >= count)
        for (chosen = 0; options[chosen].tile->guessed; chosen++)
            continue;
    return options[chosen];
}

double e2b_mma_cost(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    struct e2b_call untuned = *call;
    untuned.candidate = 0;
    struct e2b_mma_choice chosen = e2b_mma_choose(&untuned, problem);
    bool gathers = problem->kernel_h * problem->kernel_w > 1 && e2b_mma_is_pipeline(chosen.tile);
    return chosen.cost * (gathers && chosen.tile->columns <= FEW_COLUMNS ? FEW_COLUMNS_SLOWER : 1);
}

#define MOST_STAGES 10

struct e2b_mma_tile e2b_mma_deepened(const struct e2b_call *call,
    const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile, int split) {
    struct e2b_mma_tile deep = *tile;
    struct e2b_mma_shape shape = e2b_mma_shape_of(call, problem, tile);
    int64_t groups =
        e2b_ceil_div(shape.row_tiles * shape.column_tiles * split, e2b_units(call->traits));
    int64_t most = E2B_UNIT_REGISTERS / (e2b_mma_threads(tile) * tile->registers);
    groups = groups < most ? groups : most;
    if ((tile->by != E2B_MMA_WARPGROUPS && !e2b_mma_is_pipeline(tile)) || call->group_items
        || groups < 1)
        return deep;
    int64_t room = call->traits->local_bytes / groups - e2b_mma_head_bytes(problem, tile, &shape)
        - E2B_GROUP_BYTES;
    int64_t stages = room / (e2b_mma_stage_bytes(tile) * tile->teams);
    stages = stages < MOST_STAGES ? stages : MOST_STAGES;
    deep.stages = stages > tile->stages ? (int)stages : tile->stages;
    return deep;
}
