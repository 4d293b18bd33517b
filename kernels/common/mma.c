#include "kernels/common/mma.h"

#include "kernels/common/operand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct e2b_source e2b_source_mma;

#define MIN_SM 80
#define WARPGROUP_SM 90
#define CHUNK_BYTES 16
#define ALIGN 8                     /* elements: what a thread stores */
#define MIN_LOCAL_BYTES (49 * 1024) /* of the smallest tile that every device gets */
#define COLUMN_BLOCK 32             /* columns that mma.cl's fragments permute */

/* Tiles as mma.cl has them, and the share of the peak that they reach when a device is full of them
 * (measured on an H200, see docs/results). */
struct tile {
    int rows, columns, warps_m, warps_n, chunks, stages;
    int registers;   /* a thread may take, so that groups share a compute unit */
    bool warpgroups; /* by wgmma: fp16 only */
    double efficiency;
    bool guessed; /* that efficiency; never run on a device: a tuning candidate only */
};

static const struct tile tiles[] = {
    {128, 256, 8, 1, 8, 4, 255, true, 2.00, false},
    {128, 128, 8, 1, 8, 4, 255, true, 1.70, false},
    {128, 64, 8, 1, 8, 4, 128, true, 1.20, false},
    {64, 256, 4, 1, 8, 4, 255, true, 1.60, false},
    {64, 128, 4, 1, 8, 4, 168, true, 1.20, false},
    {64, 64, 4, 1, 8, 4, 128, true, 0.80, false},
    {128, 128, 2, 4, 8, 3, 128, false, 1.00, false},
    {128, 128, 2, 4, 8, 3, 168, false, 0.95, false},
    {256, 128, 4, 2, 4, 4, 255, false, 1.05, false},
    {128, 64, 2, 2, 8, 3, 168, false, 0.85, false},
    {64, 128, 2, 4, 8, 3, 128, false, 0.85, false},
    {64, 64, 2, 2, 8, 4, 128, false, 0.65, false},
    {128, 32, 4, 1, 8, 3, 128, false, 0.55, false},
    {32, 64, 2, 2, 8, 4, 128, false, 0.45, false},
    {128, 192, 8, 1, 8, 4, 255, true, 1.90, false},
    {64, 192, 4, 1, 8, 4, 255, true, 1.45, false},
    {128, 96, 8, 1, 8, 4, 128, true, 1.50, true},
    {64, 96, 4, 1, 8, 4, 168, true, 1.05, true},
    {128, 32, 8, 1, 8, 4, 128, true, 0.75, true},
    {64, 32, 4, 1, 8, 4, 128, true, 0.50, true},
    {128, 128, 8, 1, 8, 3, 128, true, 1.75, true},
};
static const int splits[] = {1, 2, 4, 8, 16};
#define TILE_COUNT ((int)(sizeof tiles / sizeof tiles[0]))
#define SPLIT_COUNT ((int)(sizeof splits / sizeof splits[0]))

/* Costs beside the slabs themselves, in slabs of the same tile. */
#define CANDIDATES 16 /* beside the default: what the model of waves finds cheapest */
#define START_SLABS 3.0
#define SPLIT_SLABS 3.0

struct shape {
    int64_t rows, chunks, slabs, row_tiles, column_tiles;
};

static int lanes_of(const struct e2b_call *call) {
    return CHUNK_BYTES / (int)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
}

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static struct shape shape_of(
    const struct e2b_call *call, const struct e2b_mma_problem *problem, const struct tile *tile) {
    struct shape shape = {.rows = problem->samples * problem->out_height * problem->out_width,
        .chunks = ceil_div(problem->channels, lanes_of(call))};
    shape.slabs = ceil_div(shape.chunks * problem->kernel_h * problem->kernel_w, tile->chunks);
    shape.row_tiles = ceil_div(shape.rows, tile->rows);
    shape.column_tiles = ceil_div(problem->outputs_end, tile->columns);
    return shape;
}

static int64_t local_bytes(const struct tile *tile) {
    return (int64_t)(tile->rows + tile->columns) * tile->chunks * CHUNK_BYTES * tile->stages + 1024;
}

static bool all_aligned(const int64_t stride[3]) {
    return stride[0] % ALIGN == 0 && stride[1] % ALIGN == 0 && stride[2] % ALIGN == 0;
}

const char *e2b_mma_refuses(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    if (call->traits->ptx_sm < MIN_SM)
        return "needs PTX of sm_80";
    if (dtype != E2B_F16 && dtype != E2B_F32)
        return "neither fp32 nor fp16";
    if (call->traits->local_bytes < MIN_LOCAL_BYTES)
        return "needs 48 KiB of local memory";
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

static bool fits(
    const struct e2b_call *call, const struct tile *tile, const struct shape *shape, int split) {
    bool can = !tile->warpgroups
        || (call->traits->ptx_sm >= WARPGROUP_SM && call->outputs[0].tensor.dtype == E2B_F16);
    return can && call->traits->local_bytes >= local_bytes(tile)
        && (split == 1 || shape->slabs >= 2 * split);
}

/* Time in units of one slab of one multiply-add a compute unit. */
static double cost(
    const struct e2b_call *call, const struct tile *tile, const struct shape *shape, int split) {
    double units = call->traits->compute_units > 0 ? call->traits->compute_units : 1;
    double groups = (double)(shape->row_tiles * shape->column_tiles * split);
    double waves = groups <= units ? 1 : groups / units + 0.35;
    double depth = (double)ceil_div(shape->slabs, split) + START_SLABS
        + (split > 1 ? SPLIT_SLABS + 0.25 * split : 0);
    return waves * depth * tile->rows * tile->columns * tile->chunks / tile->efficiency;
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
    int count = 0;
    for (const struct tile *tile = tiles; tile < tiles + TILE_COUNT; tile++) {
        struct shape shape = shape_of(call, problem, tile);
        for (int s = 0; s < SPLIT_COUNT; s++)
            if (fits(call, tile, &shape, splits[s]))
                options[count++] =
                    (struct option){tile, splits[s], cost(call, tile, &shape, splits[s])};
    }
    qsort(options, (size_t)count, sizeof *options, compare_options);
    return count;
}

static void choose(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct tile **tile, int *split) {
    struct option options[TILE_COUNT * SPLIT_COUNT];
    int count = list_options(call, problem, options), chosen = call->candidate - 1;
    if (chosen < 0 || chosen >= count)
        for (chosen = 0; options[chosen].tile->guessed; chosen++)
            continue;
    *tile = options[chosen].tile;
    *split = options[chosen].split;
}

struct packed_weights {
    int64_t outputs, channels, taps, stride[3], tile, chunks_a_slab, lanes, chunks, slabs, scale;
};

/* The column whose weights lie in row `row` of a packed tile: see the end of mma.cl. */
static int64_t column_at(int64_t row) {
    int64_t in_block = row % COLUMN_BLOCK, part = in_block / 8, n = in_block % 8;
    return row - in_block + 8 * (n / 2) + 2 * part + n % 2;
}

static double constant_at(const struct e2b_constant *constant, int64_t index) {
    double value;
    size_t bytes = e2b_dtype_bytes(constant->dtype);
    e2b_to_double(constant->dtype, (const char *)constant->data + (size_t)index * bytes, &value, 1);
    return value;
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

/* To [column tile][slab][row of the tile][chunk][lane]. */
static void pack_weights(const struct e2b_packing *packing, void *to) {
    struct packed_weights p;
    memcpy(&p, packing->numbers, sizeof p);
    float scale = scale_of(p.scale);
    enum e2b_dtype dtype = p.lanes == 8 ? E2B_F16 : E2B_F32;
    int64_t chunks = (int64_t)packing->bytes / CHUNK_BYTES;
    for (int64_t i = 0; i < chunks; i++) {
        int64_t row = i / p.chunks_a_slab % p.tile, slab = i / p.chunks_a_slab / p.tile % p.slabs;
        int64_t chunk = slab * p.chunks_a_slab + i % p.chunks_a_slab;
        int64_t output = i / p.chunks_a_slab / p.tile / p.slabs * p.tile + column_at(row);
        int64_t tap = chunk / p.chunks, channel = chunk % p.chunks * p.lanes;
        bool inside = tap < p.taps && output < p.outputs;
        int64_t from = output * p.stride[0] + channel * p.stride[1] + tap * p.stride[2];
        double values[CHUNK_BYTES / sizeof(uint16_t)] = {0};
        for (int64_t lane = 0; inside && lane < p.lanes && channel + lane < p.channels; lane++)
            values[lane] = scale * constant_at(packing->from[0], from + lane * p.stride[1]);
        e2b_from_double(dtype, values, (char *)to + i * CHUNK_BYTES, p.lanes);
    }
}

static int add_weights(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct tile *tile, const struct shape *shape, struct e2b_launch_list *list) {
    const struct packed_weights p = {problem->outputs, problem->channels,
        problem->kernel_h * problem->kernel_w,
        {problem->weight_stride[0], problem->weight_stride[1], problem->weight_stride[2]},
        tile->columns, tile->chunks, lanes_of(call), shape->chunks, shape->slabs,
        scale_bits(problem->weight_scale)};
    struct e2b_packing packing = {.from = {problem->weights},
        .bytes = (size_t)(shape->column_tiles * shape->slabs * tile->columns * tile->chunks)
            * CHUNK_BYTES,
        .pack = pack_weights};
    _Static_assert(sizeof p <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &p, sizeof p);
    snprintf(packing.key, sizeof packing.key,
        "mma %d columns %d chunks %d lanes, %" PRId64 " %" PRId64 " %" PRId64 " x%a", tile->columns,
        tile->chunks, lanes_of(call), p.stride[0], p.stride[1], p.stride[2],
        (double)problem->weight_scale);
    return e2b_launch_list_pack(list, &packing);
}

/* numbers: [0] outputs, [1] scale. */
static void pack_bias(const struct e2b_packing *packing, void *to) {
    memset(to, 0, packing->bytes);
    if (!packing->from[0])
        return;
    /* One number is that of every column. */
    bool single = e2b_shape_count(&packing->from[0]->shape) == 1;
    for (int64_t i = 0; i < packing->numbers[0]; i++)
        ((float *)to)[i] =
            scale_of(packing->numbers[1]) * (float)constant_at(packing->from[0], single ? 0 : i);
}

static int add_bias(const struct e2b_mma_problem *problem, const struct tile *tile,
    const struct shape *shape, struct e2b_launch_list *list) {
    struct e2b_packing packing = {.from = {problem->bias},
        .numbers = {problem->outputs, scale_bits(problem->bias_scale)},
        .bytes = (size_t)(shape->column_tiles * tile->columns) * sizeof(float),
        .pack = pack_bias};
    snprintf(packing.key, sizeof packing.key, "mma bias %" PRId64 " of %zu x%a", problem->outputs,
        packing.bytes, (double)problem->bias_scale);
    return e2b_launch_list_pack(list, &packing);
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
}

static void add_geometry(
    const struct e2b_mma_problem *problem, const struct shape *shape, struct e2b_launch *launch) {
    const int64_t numbers[] = {shape->column_tiles, shape->slabs, shape->rows, problem->out_height,
        problem->out_width, problem->height, problem->width, problem->kernel_h * problem->kernel_w,
        shape->chunks, problem->stride[0], problem->stride[1], problem->dilation[0],
        problem->dilation[1], problem->pad_top, problem->pad_left, problem->outputs_end};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    const int64_t *strides[] = {problem->x_stride, problem->y_stride, problem->r_stride};
    for (int tensor = 0; tensor < 3; tensor++)
        for (int i = 0; i < 3; i++)
            e2b_launch_int(launch, strides[tensor][i]);
    e2b_launch_float(launch, (double)problem->activation.a);
    e2b_launch_float(launch, (double)problem->activation.b);
}

enum e2b_status e2b_mma_emit(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    struct e2b_launch_list *out, struct e2b_error *err) {
    const struct tile *tile;
    int split = 1;
    choose(call, problem, &tile, &split);
    struct shape shape = shape_of(call, problem, tile);
    int64_t most_slabs = ceil_div(shape.slabs, split);
    int slots = most_slabs < tile->stages ? (int)most_slabs : tile->stages;
    struct e2b_launch *launch = e2b_launch_add(out, &e2b_source_mma, "conv_mma",
        "-D%s -DACTIVATION=%d%s -DBM=%d -DBN=%d -DWARPS_M=%d -DWARPS_N=%d -DCHUNKS=%d -DSTAGES=%d "
        "-DSLOTS=%d -DSPLITS=%d -DKERNEL_W=%d%s -cl-nv-maxrregcount=%d%s",
        e2b_dtype_macro(call->outputs[0].tensor.dtype), (int)problem->activation.kind,
        problem->residual_input ? " -DRESIDUAL" : "", tile->rows, tile->columns, tile->warps_m,
        tile->warps_n, tile->chunks, tile->stages, slots, split, (int)problem->kernel_w,
        is_pointwise(problem) ? " -DPOINTWISE" : "", tile->registers,
        tile->warpgroups ? " -DWGMMA -DPTX_TARGET=sm_90a" : "");
    int weights = add_weights(call, problem, tile, &shape, out);
    int bias = add_bias(problem, tile, &shape, out);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_input(launch, 0);
    e2b_launch_output(launch, 0);
    if (problem->residual_input)
        e2b_launch_input(launch, problem->residual_input);
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    if (split > 1)
        add_split(out, launch, tile, &shape, split);
    add_geometry(problem, &shape, launch);
    launch->local_bytes =
        (size_t)((tile->rows + tile->columns) * tile->chunks * slots + 1) * CHUNK_BYTES;
    size_t threads = (size_t)(tile->warps_m * tile->warps_n) * 32;
    e2b_launch_grid(
        launch, (size_t)(shape.row_tiles * shape.column_tiles) * threads, (size_t)split, 1);
    e2b_launch_group(launch, threads, 1, 1);
    account(call, problem, &shape, launch);
    return E2B_OK;
}
