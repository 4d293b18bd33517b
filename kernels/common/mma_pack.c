#include "kernels/common/mma_pack.h"

#include "kernels/common/operand.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_BLOCK 32 /* columns that mma.cl's fragments permute */

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
    int64_t chunks = (int64_t)packing->bytes / E2B_MMA_CHUNK_BYTES;
    for (int64_t i = 0; i < chunks; i++) {
        int64_t row = i / p.chunks_a_slab % p.tile, slab = i / p.chunks_a_slab / p.tile % p.slabs;
        int64_t chunk =
            slab * p.chunks_a_slab + permuted(row, i % p.chunks_a_slab, p.chunks_a_slab);
        int64_t output = i / p.chunks_a_slab / p.tile / p.slabs * p.tile + column_at(row);
        int64_t tap = chunk / p.chunks, channel = chunk % p.chunks * p.lanes;
        bool inside = tap < p.taps && output < p.outputs;
        int64_t from = output * p.stride[0] + channel * p.stride[1] + tap * p.stride[2];
        double values[E2B_MMA_CHUNK_BYTES / sizeof(uint16_t)] = {0};
        for (int64_t lane = 0; inside && lane < p.lanes && channel + lane < p.channels; lane++)
            values[lane] = (double)scale * channel_scale(packing, channel + lane)
                * constant_at(packing->from[0], from + lane * p.stride[1]);
        e2b_from_double(dtype, values, (char *)to + i * E2B_MMA_CHUNK_BYTES, p.lanes);
    }
}

#define STEP_CHUNKS 4 /* of warpgroup_halves.clh: two products deep */
#define STEP_LANES (STEP_CHUNKS * E2B_MMA_HALVES_LANES)
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

int e2b_mma_add_weights(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape,
    struct e2b_launch_list *list) {
    int lanes = e2b_mma_lanes(call, tile);
    const struct packed_weights p = {problem->outputs, problem->channels,
        problem->kernel_h * problem->kernel_w,
        {problem->weight_stride[0], problem->weight_stride[1], problem->weight_stride[2]},
        tile->columns, tile->chunks, lanes, shape->chunks, shape->slabs,
        scale_bits(problem->weight_scale)};
    int64_t columns = shape->column_tiles * tile->columns;
    struct e2b_packing packing = {.from = {problem->weights, problem->x_norm.scale},
        .bytes = (size_t)(columns * shape->slabs * tile->chunks) * E2B_MMA_CHUNK_BYTES,
        .pack = pack_weights};
    if (e2b_mma_in_halves(tile)) {
        packing.bytes = 2 * packing.bytes + (size_t)columns * sizeof(float);
        packing.pack = pack_halves;
    }
    _Static_assert(sizeof p <= sizeof packing.numbers, "numbers hold the packing's shape");
    memcpy(packing.numbers, &p, sizeof p);
    snprintf(packing.key, sizeof packing.key,
        "mma%s %d columns %d chunks %d lanes, %" PRId64 " %" PRId64 " %" PRId64 " x%a",
        e2b_mma_in_halves(tile) ? " halves" : "", tile->columns, tile->chunks, lanes, p.stride[0],
        p.stride[1], p.stride[2], (double)problem->weight_scale);
    return e2b_launch_list_pack(list, &packing);
}

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

int e2b_mma_add_columns(const struct e2b_mma_problem *problem,
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
