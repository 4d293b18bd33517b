#include "kernels/common/mma.h"

#include "kernels/common/operand.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct e2b_source e2b_source_mma;

#define WARPGROUP_SM 90
#define CHUNK_BYTES 16
#define ALIGN 8                     /* elements: what a thread stores */
#define MIN_LOCAL_BYTES (49 * 1024) /* of the smallest tile that every device gets */
#define MOST_TAPS 60000             /* times taps in a row: mma.cl divides by a multiplication */
#define COLUMNS_BYTES 1024          /* of local memory: a number for each column of a tile */
#define BARRIERS_BYTES 1024         /* of a pipeline */
#define COPYING_WARPS 4
#define NORM_BLOCK 32   /* columns that have a sum */
#define COLUMN_BLOCK 32 /* columns that mma.cl's fragments permute */

/* Tiles as mma.cl has them, and the share of the peak that they reach when a device is full of them
 * (measured on an H200, see docs/results). */
struct tile {
    int rows, columns, warps_m, warps_n, chunks, stages;
    int registers; /* a thread may take, so that groups share a compute unit */
    /* Any; fp16 by wgmma; fp32 by wgmma in two halves, with pixels one step ahead or two; fp16 by
     * wgmma with warps that only copy (pipeline.clh), the same with a column's weights kept. */
    enum { WARPS, WARPGROUPS, HALVES, HALVES_AHEAD, PIPELINE, KEEPING } by;
    double efficiency;
    bool guessed; /* that efficiency, or not timed beside the others: a tuning candidate only */
};

static const struct tile tiles[] = {
    {128, 256, 8, 1, 8, 4, 255, WARPGROUPS, 2.00, false},
    {128, 128, 8, 1, 8, 4, 255, WARPGROUPS, 1.70, false},
    {128, 64, 8, 1, 8, 4, 128, WARPGROUPS, 1.20, false},
    {64, 256, 4, 1, 8, 4, 255, WARPGROUPS, 1.60, false},
    {64, 128, 4, 1, 8, 4, 168, WARPGROUPS, 1.20, false},
    {64, 64, 4, 1, 8, 4, 128, WARPGROUPS, 0.80, false},
    {128, 128, 2, 4, 8, 3, 128, WARPS, 1.00, false},
    {128, 128, 2, 4, 8, 3, 168, WARPS, 0.95, false},
    {256, 128, 4, 2, 4, 4, 255, WARPS, 1.05, false},
    {128, 64, 2, 2, 8, 3, 168, WARPS, 0.85, false},
    {64, 128, 2, 4, 8, 3, 128, WARPS, 0.85, false},
    {64, 64, 2, 2, 8, 4, 128, WARPS, 0.65, false},
    {128, 32, 4, 1, 8, 3, 128, WARPS, 0.55, false},
    {32, 64, 2, 2, 8, 4, 128, WARPS, 0.45, false},
    {128, 192, 8, 1, 8, 4, 255, WARPGROUPS, 1.90, false},
    {64, 192, 4, 1, 8, 4, 255, WARPGROUPS, 1.25, false},
    {128, 96, 8, 1, 8, 4, 128, WARPGROUPS, 1.50, true},
    {64, 96, 4, 1, 8, 4, 168, WARPGROUPS, 1.10, false},
    {128, 32, 8, 1, 8, 4, 128, WARPGROUPS, 0.75, true},
    {64, 32, 4, 1, 8, 4, 128, WARPGROUPS, 0.50, true},
    {128, 128, 8, 1, 8, 3, 128, WARPGROUPS, 1.75, true},
    {128, 256, 8, 1, 8, 3, 255, HALVES, 3.10, false},
    {128, 128, 8, 1, 8, 4, 255, HALVES, 2.55, false},
    {128, 64, 8, 1, 8, 3, 128, HALVES, 1.75, false},
    {64, 256, 4, 1, 8, 3, 255, HALVES, 1.60, false},
    {64, 128, 4, 1, 8, 3, 255, HALVES, 1.30, false},
    {64, 64, 4, 1, 8, 4, 168, HALVES, 1.00, false},
    {128, 192, 8, 1, 8, 4, 255, HALVES, 2.80, true},
    {128, 256, 8, 1, 8, 3, 255, HALVES_AHEAD, 3.30, true},
    {128, 128, 8, 1, 8, 4, 255, HALVES_AHEAD, 3.00, true},
    {128, 64, 8, 1, 8, 3, 255, HALVES_AHEAD, 2.00, true},
    {64, 128, 4, 1, 8, 3, 255, HALVES_AHEAD, 1.70, true},
    {64, 64, 4, 1, 8, 4, 255, HALVES_AHEAD, 1.30, true},
    {128, 256, 8, 1, 8, 4, 168, PIPELINE, 2.80, false},
    {128, 192, 8, 1, 8, 4, 168, PIPELINE, 2.40, false},
    {128, 128, 8, 1, 8, 4, 168, PIPELINE, 2.30, false},
    {128, 256, 8, 1, 8, 4, 168, KEEPING, 2.80, true},
    {128, 192, 8, 1, 8, 4, 168, KEEPING, 2.40, true},
    {128, 128, 8, 1, 8, 4, 168, KEEPING, 2.30, true},
    {128, 64, 8, 1, 8, 4, 168, KEEPING, 1.60, true},
};
/* Tiles of launches that are merged with their neighbours, by groups of 128 of which two share a
 * compute unit: as many stages as half of its local memory has room for. */
#define MERGED_ITEMS 128
static const struct tile merged_tiles[] = {
    {64, 128, 4, 1, 8, 4, 255, WARPGROUPS, 1.00, false},
    {64, 96, 4, 1, 8, 4, 255, WARPGROUPS, 1.00, false},
    {64, 64, 4, 1, 8, 6, 255, WARPGROUPS, 1.00, false},
    {64, 32, 4, 1, 8, 8, 255, WARPGROUPS, 1.00, false},
    {128, 64, 2, 2, 8, 4, 255, WARPS, 0.50, false},
    {64, 64, 2, 2, 8, 6, 255, WARPS, 0.50, false},
    {32, 64, 2, 2, 8, 8, 255, WARPS, 0.50, false},
    {128, 32, 4, 1, 8, 4, 255, WARPS, 0.50, false},
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
/* Multiply-adds while a byte of a tile's sums goes or comes, at 80 GB/s of a compute unit. */
#define UNITS_A_BYTE 16.0

struct shape {
    int64_t rows, chunks, slabs, row_tiles, column_tiles;
};

static bool in_halves(const struct tile *tile) {
    return tile->by == HALVES || tile->by == HALVES_AHEAD;
}

static bool is_pipeline(const struct tile *tile) {
    return tile->by == PIPELINE || tile->by == KEEPING;
}

/* Elements of a chunk. */
static int lanes_of(const struct e2b_call *call, const struct tile *tile) {
    int bytes = (int)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    return (in_halves(tile) ? 2 : 1) * CHUNK_BYTES / bytes;
}

static int64_t units_of(const struct e2b_call *call) {
    return call->traits->compute_units > 0 ? call->traits->compute_units : 1;
}

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static struct shape shape_of(
    const struct e2b_call *call, const struct e2b_mma_problem *problem, const struct tile *tile) {
    struct shape shape = {.rows = problem->samples * problem->out_height * problem->out_width,
        .chunks = ceil_div(problem->channels, lanes_of(call, tile))};
    shape.slabs = ceil_div(shape.chunks * problem->kernel_h * problem->kernel_w, tile->chunks);
    shape.row_tiles = ceil_div(shape.rows, tile->rows);
    shape.column_tiles = ceil_div(problem->outputs_end, tile->columns);
    return shape;
}

/* Halves take weights only, two of them a chunk; where weights are kept there are pixels only. */
static int64_t stage_bytes(const struct tile *tile) {
    int rows = in_halves(tile) ? 2 * tile->columns
        : tile->by == KEEPING  ? tile->rows
                               : tile->rows + tile->columns;
    return (int64_t)rows * tile->chunks * CHUNK_BYTES;
}

/* Of local memory before the stages: bias, and what normalisation needs of each column; for two
 * tiles in a pipeline, its barriers, and weights that are kept. */
static int64_t head_bytes(
    const struct e2b_mma_problem *problem, const struct tile *tile, const struct shape *shape) {
    int64_t bytes =
        COLUMNS_BYTES * (1 + (problem->x_norm.sums_input != 0) + (problem->r_norm.sums_input != 0));
    if (is_pipeline(tile))
        bytes = 2 * bytes + BARRIERS_BYTES;
    return tile->by == KEEPING ? bytes + shape->slabs * tile->columns * tile->chunks * CHUNK_BYTES
                               : bytes;
}

static int64_t local_bytes(
    const struct e2b_mma_problem *problem, const struct tile *tile, const struct shape *shape) {
    return stage_bytes(tile) * tile->stages + head_bytes(problem, tile, shape);
}

static int threads_of(const struct tile *tile) {
    return (tile->warps_m * tile->warps_n + (is_pipeline(tile) ? COPYING_WARPS : 0)) * 32;
}

static bool all_aligned(const int64_t stride[3]) {
    return stride[0] % ALIGN == 0 && stride[1] % ALIGN == 0 && stride[2] % ALIGN == 0;
}

const char *e2b_mma_refuses(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    if (call->traits->ptx_sm < E2B_MMA_SM)
        return "needs PTX of sm_80";
    if (dtype != E2B_F16 && dtype != E2B_F32)
        return "neither fp32 nor fp16";
    if (call->traits->local_bytes < MIN_LOCAL_BYTES)
        return "needs 48 KiB of local memory";
    if (problem->kernel_h * problem->kernel_w * problem->kernel_w > MOST_TAPS)
        return "a kernel too large";
    if (problem->outputs_end % ALIGN || !all_aligned(problem->x_stride)
        || !all_aligned(problem->y_stride)
        || (problem->residual_input && !all_aligned(problem->r_stride)))
        return "rows or channels are not at multiples of 8 elements";
    return NULL;
}

int e2b_mma_candidates(const struct e2b_call *call) {
    (void)call;
    return 1 + CANDIDATES;
}

static bool fits(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct tile *tile, const struct shape *shape, int split) {
    bool can = tile->by == WARPS
        || (call->traits->ptx_sm >= WARPGROUP_SM
            && (call->outputs[0].tensor.dtype == E2B_F16) == !in_halves(tile));
    return can && call->traits->local_bytes >= local_bytes(problem, tile, shape)
        && (tile->by != KEEPING || shape->column_tiles <= units_of(call))
        && (split == 1 || (shape->slabs >= 2 * split && !is_pipeline(tile)));
}

/* What groups that share a tile write of its sums at once, and the last of them then reads. */
static double split_bytes(const struct tile *tile, int split) {
    int read = split == 2 ? 1 : split; /* of two its own is in registers */
    return (double)((1 + read) * tile->rows * tile->columns) * sizeof(float);
}

/* Time in units of one multiply-add a compute unit. */
static double cost(
    const struct e2b_call *call, const struct tile *tile, const struct shape *shape, int split) {
    double units = (double)units_of(call);
    double groups = (double)(shape->row_tiles * shape->column_tiles * split);
    double waves = groups <= units ? 1 : groups / units + 0.35;
    double depth =
        (double)ceil_div(shape->slabs, split) + START_SLABS + (split > 1 ? SPLIT_SLABS : 0);
    double deep = tile->chunks * lanes_of(call, tile);
    double shared = split > 1 ? split_bytes(tile, split) * UNITS_A_BYTE : 0;
    if (is_pipeline(tile)) {
        depth = ceil(groups / units) * ((double)shape->slabs + END_SLABS) + START_SLABS;
        waves = 1;
    }
    return waves * (depth * tile->rows * tile->columns * deep / tile->efficiency + shared);
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

static double merged_cost(
    const struct e2b_call *call, const struct tile *tile, const struct shape *shape, int split) {
    int units = call->traits->compute_units > 0 ? call->traits->compute_units : 1;
    int64_t jobs = shape->row_tiles * shape->column_tiles * split;
    int64_t slabs = ceil_div(shape->slabs, split), under_way = tile->stages - 1;
    double slab_bytes = (double)(tile->rows + tile->columns) * tile->chunks * CHUNK_BYTES;
    double slab_flops = 2.0 * tile->rows * tile->columns * tile->chunks * lanes_of(call, tile)
        * (call->outputs[0].tensor.dtype == E2B_F32 ? F32_SLOWER : 1) / tile->efficiency;
    double slab_ns = slab_bytes / UNIT_BYTES_NS > slab_flops / UNIT_FLOPS_NS
        ? slab_bytes / UNIT_BYTES_NS
        : slab_flops / UNIT_FLOPS_NS;
    double busy = (double)(ceil_div(jobs, units) * slabs) * slab_ns;
    double waiting =
        (double)(ceil_div(jobs, GROUPS_A_UNIT * units) * ceil_div(slabs, under_way)) * LATENCY_NS;
    double tile_bytes = (double)(tile->rows * tile->columns) * sizeof(float);
    double added = split == 1 ? 0
                              : SPLIT_NS + (double)ceil_div(split, SPLITS_AT_ONCE) * LATENCY_NS
            + split * tile_bytes / UNIT_BYTES_NS;
    return BEGIN_NS + (busy > waiting ? busy : waiting) + added;
}

struct option {
    const struct tile *tile;
    int split;
    double cost;
};

static int compare_options(const void *a, const void *b) {
    const struct option *x = a, *y = b;
    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->tile != y->tile ? (x->tile > y->tile) - (x->tile < y->tile) : x->split - y->split;
}

/* All that can run, cheapest first. */
static int list_options(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    struct option options[TILE_COUNT * SPLIT_COUNT]) {
    bool merged = call->group_items == MERGED_ITEMS && call->candidate == 0;
    const struct tile *from = merged ? merged_tiles : tiles;
    int tile_count = merged ? MERGED_TILE_COUNT : TILE_COUNT, count = 0;
    for (const struct tile *tile = from; tile < from + tile_count; tile++) {
        struct shape shape = shape_of(call, problem, tile);
        for (int s = 0; s < SPLIT_COUNT; s++)
            if (fits(call, problem, tile, &shape, splits[s]))
                options[count++] = (struct option){
                    tile, splits[s], (merged ? merged_cost : cost)(call, tile, &shape, splits[s])};
    }
    qsort(options, (size_t)count, sizeof *options, compare_options);
    return count;
}

static struct option choose(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    struct option options[TILE_COUNT * SPLIT_COUNT];
    int count = list_options(call, problem, options), chosen = call->candidate - 1;
    if (chosen < 0 || chosen >= count)
        for (chosen = 0; options[chosen].tile->guessed; chosen++)
            continue;
    return options[chosen];
}

double e2b_mma_cost(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    struct e2b_call untuned = *call;
    untuned.candidate = 0;
    struct option chosen = choose(&untuned, problem);
    bool gathers = problem->kernel_h * problem->kernel_w > 1 && is_pipeline(chosen.tile);
    return chosen.cost * (gathers && chosen.tile->columns <= FEW_COLUMNS ? FEW_COLUMNS_SLOWER : 1);
}

/* Of all columns, by tiles: a float each. */
static size_t columns_bytes(const struct tile *tile, const struct shape *shape) {
    return (size_t)(shape->column_tiles * tile->columns) * sizeof(float);
}

#define UNIT_REGISTERS 65536
#define GROUP_BYTES 1024 /* of local memory that a driver takes for each */
#define MOST_STAGES 10

/* Slabs under way hide what memory takes to answer: as many as the groups that come to a compute
 * unit at once have room for. */
static struct tile deepened(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct tile *tile, int split) {
    struct tile deep = *tile;
    struct shape shape = shape_of(call, problem, tile);
    int64_t groups = ceil_div(shape.row_tiles * shape.column_tiles * split, units_of(call));
    int64_t most = UNIT_REGISTERS / (threads_of(tile) * tile->registers);
    groups = groups < most ? groups : most;
    if ((tile->by != WARPGROUPS && !is_pipeline(tile)) || call->group_items || groups < 1)
        return deep;
    int64_t room =
        call->traits->local_bytes / groups - head_bytes(problem, tile, &shape) - GROUP_BYTES;
    int64_t stages = room / stage_bytes(tile);
    stages = stages < MOST_STAGES ? stages : MOST_STAGES;
    deep.stages = stages > tile->stages ? (int)stages : tile->stages;
    return deep;
}

struct packed_weights {
    int64_t outputs, channels, taps, stride[3], tile, chunks_a_slab, lanes, chunks, slabs, scale;
};

/* The column whose weights lie in row `row` of a packed tile: see the end of mma.cl. */
static int64_t column_at(int64_t row) {
    int64_t in_block = row % COLUMN_BLOCK, part = in_block / 8, n = in_block % 8;
    return row - in_block + 8 * (n / 2) + 2 * part + n % 2;
}

static inline double constant_at(const struct e2b_constant *constant, int64_t index) {
    double value;
    if (constant->dtype == E2B_F32)
        return (double)((const float *)constant->data)[index];
    size_t bytes = e2b_dtype_bytes(constant->dtype);
    e2b_to_double(constant->dtype, (const char *)constant->data + (size_t)index * bytes, &value, 1);
    return value;
}

/* What a channel's weights are multiplied with, where the channel is normalised. */
static inline double channel_scale(const struct e2b_packing *packing, int64_t channel) {
    return packing->from[1] ? constant_at(packing->from[1], channel) : 1;
}

static float scale_of(int64_t bits) {
    int32_t low = (int32_t)bits;
    float scale;
    memcpy(&scale, &low, sizeof scale);
    return scale;
}

static int64_t scale_bits(float scale) {
    int32_t bits;
    memcpy(&bits, &scale, sizeof bits);
    return bits;
}

/* A row's chunks lie as stages have them: permuted against bank conflicts, see mma.cl. */
static int64_t permuted(int64_t row, int64_t chunk, int64_t chunks) {
    return chunk ^ (chunks == 8 ? row & 7 : row >> 1 & 3);
}

/* To [column tile][slab][row of the tile][chunk, permuted][lane]. */
static void pack_weights(const struct e2b_packing *packing, void *to) {
    struct packed_weights p;
    memcpy(&p, packing->numbers, sizeof p);
    float scale = scale_of(p.scale);
    enum e2b_dtype dtype = p.lanes == 8 ? E2B_F16 : E2B_F32;
    int64_t chunks = (int64_t)packing->bytes / CHUNK_BYTES;
    for (int64_t i = 0; i < chunks; i++) {
        int64_t row = i / p.chunks_a_slab % p.tile, slab = i / p.chunks_a_slab / p.tile % p.slabs;
        int64_t chunk =
            slab * p.chunks_a_slab + permuted(row, i % p.chunks_a_slab, p.chunks_a_slab);
        int64_t output = i / p.chunks_a_slab / p.tile / p.slabs * p.tile + column_at(row);
        int64_t tap = chunk / p.chunks, channel = chunk % p.chunks * p.lanes;
        bool inside = tap < p.taps && output < p.outputs;
        int64_t from = output * p.stride[0] + channel * p.stride[1] + tap * p.stride[2];
        double values[CHUNK_BYTES / sizeof(uint16_t)] = {0};
        for (int64_t lane = 0; inside && lane < p.lanes && channel + lane < p.channels; lane++)
            values[lane] = (double)scale * channel_scale(packing, channel + lane)
                * constant_at(packing->from[0], from + lane * p.stride[1]);
        e2b_from_double(dtype, values, (char *)to + i * CHUNK_BYTES, p.lanes);
    }
}

#define STEP_CHUNKS 4 /* of warpgroup_halves.clh: two products deep */
#define STEP_CHUNK_LANES 8
#define STEP_LANES (STEP_CHUNKS * STEP_CHUNK_LANES)
#define TOP_EXPONENT 14

static void read_weights(
    const struct e2b_constant *from, int64_t at, int64_t stride, int64_t count, double *values) {
    if (stride == 1 && count > 0)
        e2b_to_double(from->dtype,
            (const char *)from->data + (size_t)at * e2b_dtype_bytes(from->dtype), values, count);
    for (int64_t i = 0; i < count && stride != 1; i++)
        values[i] = constant_at(from, at + i * stride);
}

/* A column's weights of a step, 0 beyond the ends, without their scale. */
static void gather_step(const struct e2b_packing *packing, const struct packed_weights *p,
    int64_t output, int64_t step, double values[STEP_LANES]) {
    memset(values, 0, STEP_LANES * sizeof *values);
    for (int64_t i = 0; i < STEP_CHUNKS && output < p->outputs; i++) {
        int64_t chunk = step * STEP_CHUNKS + i, tap = chunk / p->chunks;
        int64_t channel = (chunk - tap * p->chunks) * p->lanes;
        int64_t at = output * p->stride[0] + channel * p->stride[1] + tap * p->stride[2];
        int64_t left = tap < p->taps ? p->channels - channel : 0;
        read_weights(packing->from[0], at, p->stride[1], left < p->lanes ? left : p->lanes,
            values + i * p->lanes);
        for (int64_t lane = 0; packing->from[1] && lane < p->lanes && lane < left; lane++)
            values[i * p->lanes + lane] *= channel_scale(packing, channel + lane);
    }
}

/* Of the power of two that the largest of a column begins with; 0 for none. */
static int column_exponent(
    const struct e2b_packing *packing, const struct packed_weights *p, int64_t output) {
    double most = 0, values[STEP_LANES];
    int exponent;
    for (int64_t step = 0; step * STEP_CHUNKS < p->slabs * p->chunks_a_slab; step++) {
        gather_step(packing, p, output, step, values);
        for (int i = 0; i < STEP_LANES; i++)
            most = fmax(most, fabs(values[i]));
    }
    most *= fabs((double)scale_of(p->scale));
    frexp(most, &exponent);
    return isfinite(most) && most > FLT_MIN ? exponent - 1 : 0;
}

/* Where the fragments of a warp have channels, see warpgroup_halves.clh. */
static void pack_step(const double values[STEP_LANES], double scale, int64_t row, uint16_t *to) {
    for (int i = 0; i < STEP_LANES; i++) {
        int piece = i / 8, chunk = i % 8 / 2, lane = piece * 2 + i % 2;
        float value = (float)(values[chunk * 8 + lane] * scale);
        uint16_t high = e2b_half_from_float(value);
        to[permuted(row, piece, 2 * STEP_CHUNKS) * 8 + i % 8] = high;
        to[permuted(row, piece + STEP_CHUNKS, 2 * STEP_CHUNKS) * 8 + i % 8] =
            e2b_half_from_float(value - e2b_float_from_half(high));
    }
}

/* To [column tile][slab][step][row of the tile][piece, permuted], then each column's power of two.
 */
static void pack_halves(const struct e2b_packing *packing, void *to) {
    struct packed_weights p;
    memcpy(&p, packing->numbers, sizeof p);
    int64_t steps = p.slabs * p.chunks_a_slab / STEP_CHUNKS, step_bytes = 4 * STEP_LANES;
    int64_t columns = (int64_t)packing->bytes / (steps * step_bytes + (int64_t)sizeof(float));
    float *scales = (float *)((char *)to + columns * steps * step_bytes);
    for (int64_t i = 0; i < columns; i++) {
        int64_t first = i / p.tile * p.tile, row = i % p.tile, output = first + column_at(row);
        int exponent = column_exponent(packing, &p, output);
        scales[output] = ldexpf(1, exponent);
        for (int64_t step = 0; step < steps; step++) {
            double values[STEP_LANES];
            gather_step(packing, &p, output, step, values);
            pack_step(values, ldexp(scale_of(p.scale), TOP_EXPONENT - exponent), row,
                (uint16_t *)to + (first * steps + step * p.tile + row) * 2 * STEP_LANES);
        }
    }
}

static int add_weights(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct tile *tile, const struct shape *shape, struct e2b_launch_list *list) {
    int lanes = lanes_of(call, tile);
    const struct packed_weights p = {problem->outputs, problem->channels,
        problem->kernel_h * problem->kernel_w,
        {problem->weight_stride[0], problem->weight_stride[1], problem->weight_stride[2]},
        tile->columns, tile->chunks, lanes, shape->chunks, shape->slabs,
        scale_bits(problem->weight_scale)};
    int64_t columns = shape->column_tiles * tile->columns;
    struct e2b_packing packing = {.from = {problem->weights, problem->x_norm.scale},
        .bytes = (size_t)(columns * shape->slabs * tile->chunks) * CHUNK_BYTES,
        .pack = pack_weights};
    if (in_halves(tile)) {
        packing.bytes = 2 * packing.bytes + (size_t)columns * sizeof(float);
        packing.pack = pack_halves;
    }
    _Static_assert(sizeof p <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &p, sizeof p);
    snprintf(packing.key, sizeof packing.key,
        "mma%s %d columns %d chunks %d lanes, %" PRId64 " %" PRId64 " %" PRId64 " x%a",
        in_halves(tile) ? " halves" : "", tile->columns, tile->chunks, lanes, p.stride[0],
        p.stride[1], p.stride[2], (double)problem->weight_scale);
    return e2b_launch_list_pack(list, &packing);
}

/* A number for each column: the sum over channels of weights times from[1], of from[0] if there is
 * one, plus from[2], scaled, and from[3]. */
struct packed_columns {
    int64_t outputs, channels, stride[2], weight_scale, scale, rounded;
};

#define COLUMNS_AT_ONCE 64 /* of rows of weights that are far apart in memory */

static void add_weights_of(const struct e2b_packing *packing, const struct packed_columns *p,
    int64_t first, int64_t count, double sums[COLUMNS_AT_ONCE]) {
    enum e2b_dtype dtype = p->rounded ? E2B_F16 : E2B_F32;
    for (int64_t k = 0; packing->from[0] && k < p->channels; k++) {
        double weights[COLUMNS_AT_ONCE];
        float stored[COLUMNS_AT_ONCE];
        double each = (double)scale_of(p->weight_scale) * channel_scale(packing, k);
        read_weights(packing->from[0], first * p->stride[0] + k * p->stride[1], p->stride[0], count,
            weights);
        for (int64_t i = 0; i < count; i++)
            weights[i] *= each;
        e2b_from_double(dtype, weights, stored, count);
        e2b_to_double(dtype, stored, weights, count);
        for (int64_t i = 0; i < count; i++)
            sums[i] += weights[i];
    }
}

static double column_constant(const struct e2b_constant *constant, int64_t column) {
    if (!constant)
        return 0;
    /* One number is that of every column. */
    return constant_at(constant, e2b_shape_count(&constant->shape) == 1 ? 0 : column);
}

static void pack_columns(const struct e2b_packing *packing, void *to) {
    struct packed_columns p;
    memcpy(&p, packing->numbers, sizeof p);
    memset(to, 0, packing->bytes);
    for (int64_t first = 0; first < p.outputs; first += COLUMNS_AT_ONCE) {
        double sums[COLUMNS_AT_ONCE] = {0};
        int64_t left = p.outputs - first, count = left < COLUMNS_AT_ONCE ? left : COLUMNS_AT_ONCE;
        add_weights_of(packing, &p, first, count, sums);
        for (int64_t i = 0; i < count; i++)
            ((float *)to)[first + i] = (float)(sums[i]
                + (double)scale_of(p.scale) * column_constant(packing->from[2], first + i)
                + column_constant(packing->from[3], first + i));
    }
}

/* from[0..3] as above; `rounded` to fp16 as they are multiplied. */
static int add_columns(const struct e2b_mma_problem *problem,
    const struct e2b_constant *const from[4], float scale, bool rounded, size_t bytes,
    struct e2b_launch_list *list) {
    const struct packed_columns p = {problem->outputs, problem->channels,
        {problem->weight_stride[0], problem->weight_stride[1]}, scale_bits(problem->weight_scale),
        scale_bits(scale), rounded};
    struct e2b_packing packing = {
        .from = {from[0], from[1], from[2], from[3]}, .bytes = bytes, .pack = pack_columns};
    _Static_assert(sizeof p <= sizeof packing.numbers, "numbers hold what is packed");
    memcpy(packing.numbers, &p, sizeof p);
    snprintf(packing.key, sizeof packing.key, "mma columns %" PRId64 " of %zu x%a%s",
        problem->outputs, bytes, (double)scale, rounded ? " rounded" : "");
    if (from[0]) {
        size_t used = strlen(packing.key);
        snprintf(packing.key + used, sizeof packing.key - used, " %" PRId64 " %" PRId64 " x%a",
            p.stride[0], p.stride[1], (double)problem->weight_scale);
    }
    return e2b_launch_list_pack(list, &packing);
}

/* The shift of a normalised input, by the weights, and that of the residual are part of the bias.
 */
static int add_bias(
    const struct e2b_mma_problem *problem, size_t bytes, struct e2b_launch_list *list) {
    const struct e2b_constant *from[] = {problem->x_norm.sums_input ? problem->weights : NULL,
        problem->x_norm.shift, problem->bias, problem->r_norm.shift};
    return add_columns(problem, from, problem->bias_scale, false, bytes, list);
}

/* A norm's arguments: sums, a number for each column, and how to read them. */
static enum e2b_status add_norm(const struct e2b_mma_problem *problem,
    const struct e2b_mma_norm *norm, const struct e2b_constant *const from[4], bool rounded,
    size_t bytes, struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    if (!norm->sums_input)
        return E2B_OK;
    int columns = add_columns(problem, from, 1, rounded, bytes, list);
    if (columns < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_input(launch, norm->sums_input);
    e2b_launch_packed(launch, columns);
    e2b_launch_int(launch, norm->row);
    e2b_launch_float(launch, (double)norm->epsilon);
    return E2B_OK;
}

/* A normalised input's mean is taken off the products, so the sum of its weights is needed. */
static enum e2b_status add_norms(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    size_t bytes, struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    const struct e2b_constant *x[] = {problem->weights, problem->x_norm.scale, NULL, NULL};
    const struct e2b_constant *r[] = {NULL, NULL, problem->r_norm.scale, NULL};
    bool rounded = call->outputs[0].tensor.dtype == E2B_F16;
    if (add_norm(problem, &problem->x_norm, x, rounded, bytes, list, launch, err) != E2B_OK
        || add_norm(problem, &problem->r_norm, r, false, bytes, list, launch, err) != E2B_OK)
        return err->status;
    if (problem->tells_sums)
        e2b_launch_output(launch, 1);
    return E2B_OK;
}

static void describe_norms(const struct e2b_mma_problem *problem, char *options, size_t capacity) {
    char x[24] = "", r[24] = "";
    if (problem->x_norm.sums_input)
        snprintf(x, sizeof x, " -DX_NORM=%d", (int)(problem->x_norm.columns / NORM_BLOCK));
    if (problem->r_norm.sums_input)
        snprintf(r, sizeof r, " -DR_NORM=%d", (int)(problem->r_norm.columns / NORM_BLOCK));
    snprintf(options, capacity, "%s%s%s", x, r, problem->tells_sums ? " -DROW_SUMS" : "");
}

static bool is_pointwise(const struct e2b_mma_problem *problem) {
    return problem->kernel_h * problem->kernel_w == 1 && problem->stride[0] == 1
        && problem->stride[1] == 1 && problem->pad_top == 0 && problem->pad_left == 0
        && problem->out_height == problem->height && problem->out_width == problem->width;
}

/* Work and least traffic, for reports. */
static void account(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct shape *shape, struct e2b_launch *launch) {
    double bytes = (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    double taps = (double)(problem->kernel_h * problem->kernel_w);
    launch->flops =
        2.0 * (double)shape->rows * (double)problem->outputs * (double)problem->channels * taps;
    launch->bytes = bytes
        * ((double)(problem->samples * problem->height * problem->width * problem->channels)
            + (double)(problem->outputs * problem->channels) * taps
            + (double)(shape->rows * problem->outputs) * (problem->residual_input ? 2 : 1));
}

static void add_split(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct tile *tile, const struct shape *shape, int split) {
    size_t tile_count = (size_t)(shape->row_tiles * shape->column_tiles);
    int partial = list->scratch_count++, arrived = list->scratch_count++;
    list->scratch[partial] = (struct e2b_scratch){
        .bytes = tile_count * (size_t)(split * tile->rows * tile->columns) * sizeof(float)};
    list->scratch[arrived] =
        (struct e2b_scratch){.bytes = tile_count * sizeof(uint32_t), .persistent = true};
    e2b_launch_scratch(launch, partial);
    e2b_launch_scratch(launch, arrived);
    e2b_launch_int(launch, split);
}

static void add_geometry(
    const struct e2b_mma_problem *problem, const struct shape *shape, struct e2b_launch *launch) {
    const int64_t numbers[] = {shape->column_tiles, shape->slabs, shape->rows, problem->out_height,
        problem->out_width, problem->height, problem->width, problem->kernel_h * problem->kernel_w,
        problem->kernel_w, shape->chunks, problem->stride[0], problem->stride[1],
        problem->dilation[0], problem->dilation[1], problem->pad_top, problem->pad_left,
        problem->outputs_end};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    const int64_t *strides[] = {problem->x_stride, problem->y_stride, problem->r_stride};
    for (int tensor = 0; tensor < 3; tensor++)
        for (int i = 0; i < 3; i++)
            e2b_launch_int(launch, strides[tensor][i]);
    e2b_launch_float(launch, (double)problem->activation.a);
    e2b_launch_float(launch, (double)problem->activation.b);
}

static void describe_way(const struct tile *tile, const struct shape *shape,
    const struct e2b_mma_problem *problem, char *options, size_t capacity) {
    char halves[32] = "", left[32] = "", kept[32] = "";
    int rest = (int)(problem->channels % STEP_CHUNK_LANES);
    if (in_halves(tile))
        snprintf(halves, sizeof halves, " -DHALVES=%d", tile->by == HALVES_AHEAD ? 2 : 1);
    if (in_halves(tile) && rest)
        snprintf(left, sizeof left, " -DCHANNELS_LEFT=%d", rest);
    if (tile->by == KEEPING)
        snprintf(kept, sizeof kept, " -DKEPT=%d", (int)shape->slabs);
    snprintf(options, capacity, "%s%s%s%s%s",
        tile->by == WARPS ? "" : " -DWGMMA -DPTX_TARGET=sm_90a", halves, left,
        is_pipeline(tile) ? " -DPIPELINE" : "", kept);
}

/* One for each part of a tile; in a pipeline as many as run at once, where weights are kept as many
 * for each column of tiles. */
static void add_groups(const struct e2b_call *call, const struct tile *tile,
    const struct shape *shape, int split, struct e2b_launch *launch) {
    int64_t groups = shape->row_tiles * shape->column_tiles;
    if (is_pipeline(tile) && groups > units_of(call))
        groups = units_of(call);
    if (tile->by == KEEPING)
        groups -= groups % shape->column_tiles;
    size_t threads = (size_t)threads_of(tile);
    e2b_launch_grid(launch, (size_t)groups * threads, (size_t)split, 1);
    e2b_launch_group(launch, threads, 1, 1);
}

/* Elements between neighbouring pixels, if those of all rows and samples are as far apart; else 0.
 */
static int64_t even_stride(const int64_t stride[3], int64_t height, int64_t width) {
    if (height * width == 1)
        return stride[0];
    bool rows = height == 1 || stride[1] == width * stride[2];
    return rows && stride[0] == height * width * stride[2] ? stride[2] : 0;
}

/* All pixels in one column, if their windows are themselves and they lie evenly: so a kernel need
 * not divide to find them. */
static bool as_matrix(const struct e2b_mma_problem *problem, struct e2b_mma_problem *matrix) {
    int64_t height = problem->height, width = problem->width;
    int64_t x = even_stride(problem->x_stride, height, width);
    int64_t y = even_stride(problem->y_stride, height, width);
    int64_t r = problem->residual_input ? even_stride(problem->r_stride, height, width) : 1;
    *matrix = *problem;
    if (!is_pointwise(problem) || !x || !y || !r)
        return false;
    matrix->samples *= height * width;
    matrix->height = matrix->width = matrix->out_height = matrix->out_width = 1;
    matrix->x_stride[0] = x;
    matrix->y_stride[0] = y;
    matrix->r_stride[0] = r;
    return true;
}

enum e2b_status e2b_mma_emit(const struct e2b_call *call, const struct e2b_mma_problem *given,
    struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_mma_problem column, *problem = &column;
    bool matrix = as_matrix(given, &column);
    struct option chosen = choose(call, problem);
    int split = chosen.split;
    struct tile deep = deepened(call, problem, chosen.tile, split), *tile = &deep;
    struct shape shape = shape_of(call, problem, tile);
    int64_t most_slabs = ceil_div(shape.slabs, split);
    int slots = most_slabs < tile->stages && !is_pipeline(tile) ? (int)most_slabs : tile->stages;
    char way[128], norms[48];
    describe_way(tile, &shape, problem, way, sizeof way);
    describe_norms(problem, norms, sizeof norms);
    struct e2b_launch *launch = e2b_launch_add(out, &e2b_source_mma, "conv_mma",
        "-D%s -DACTIVATION=%d%s -DBM=%d -DBN=%d -DWARPS_M=%d -DWARPS_N=%d -DCHUNKS=%d -DSTAGES=%d "
        "-DLOCAL_SLOTS=%d%s%s%s -cl-nv-maxrregcount=%d%s",
        e2b_dtype_macro(call->outputs[0].tensor.dtype), (int)problem->activation.kind,
        problem->residual_input ? " -DRESIDUAL" : "", tile->rows, tile->columns, tile->warps_m,
        tile->warps_n, tile->chunks, tile->stages, slots, split > 1 ? " -DSPLIT" : "",
        matrix                      ? " -DPOINTWISE -DMATRIX"
            : is_pointwise(problem) ? " -DPOINTWISE"
                                    : "",
        norms, tile->registers, way);
    size_t columns = columns_bytes(tile, &shape);
    int weights = add_weights(call, problem, tile, &shape, out);
    int bias = add_bias(problem, columns, out);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_input(launch, 0);
    e2b_launch_output(launch, 0);
    if (problem->residual_input)
        e2b_launch_input(launch, problem->residual_input);
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    if (add_norms(call, problem, columns, out, launch, err) != E2B_OK)
        return err->status;
    if (split > 1)
        add_split(out, launch, tile, &shape, split);
    add_geometry(problem, &shape, launch);
    launch->local_bytes = (size_t)(head_bytes(problem, tile, &shape) + stage_bytes(tile) * slots);
    add_groups(call, tile, &shape, split, launch);
    account(call, problem, &shape, launch);
    return E2B_OK;
}
