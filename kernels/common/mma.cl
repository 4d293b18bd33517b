/* Implicit GEMM on tensor cores, needs PTX of sm_80. Rows are output pixels, columns output channels,
 * and the inner dimension runs over taps and channels in chunks of 16 bytes, so that a chunk never
 * crosses a tap. A stage holds a slab of CHUNKS chunks of BM rows and BN columns; STAGES of them
 * are under way by cp.async. fp16 is multiplied as it is; each fp32 is split into two tf32 parts, of
 * whose four products the three large ones are taken (Ootomo and Yokota 2022).
 *
 * WGMMA          by warpgroups: WARPS_M is BM / 16, WARPS_N 1, CHUNKS 8, STAGES from 3
 * HALVES         1 or 2, with it, for fp32: by two fp16 parts in place of tf32, see
 *                warpgroup_halves.clh; a chunk is 8 channels, the last of a pixel CHANNELS_LEFT
 * PIPELINE       with it, for fp16: groups go through many tiles, and WARPS_M warps multiply what others
 *                copy, see pipeline.clh
 * KEPT           in a pipeline: a group's tiles are of one column of tiles, whose weights, so many slabs,
 *                lie in local memory before the stages; these are of pixels alone
 * BM, BN         tile of a work-group, WARPS_M x WARPS_N warps
 * TEAMS          so many times these warps share a tile's inner dimension, each team with stages of its own,
 *                and meet at the end: latencies of one team pass while others multiply
 * CHUNKS         4 or 8; rows of a stage are 64 or 128 bytes, their chunks permuted against bank
 *                conflicts
 * POINTWISE      1 x 1, stride 1, no padding
 * MATRIX         with it: pixels lie evenly, as those of so many samples of one pixel
 * LOCAL_SLOTS    stages that are used at all: fewer than STAGES where there are fewer slabs
 * SPLIT          several groups share a tile's inner dimension; the last one to finish adds up
 * X_NORM, R_NORM the input or the residual is normalised (kernels/gemm/gemm.h), by sums of so many
 *                blocks of a row: the input's scale is part of the weights, whose sums tell what its mean
 *                would have added, and every shift is part of the bias
 * ROW_SUMS       sums of what is written, for others to normalise by
 * RESIDUAL, ACTIVATION, T_F16 or T_F32 as everywhere */

#include "kernels/common/tensor_core.clh"

#if defined(T_F16) || defined(HALVES)
#define LANES 8 /* elements of a chunk */
#else
#define LANES 4
#endif

#ifndef TEAMS
#define TEAMS 1
#endif
#define TEAM_THREADS (WARPS_M * WARPS_N * 32)
#ifdef PIPELINE
#define FIRST_COPIER TEAM_THREADS
#define COPIERS 128
#define THREADS (FIRST_COPIER + COPIERS)
#define HEADS 2 /* that alternate */
#define BARRIERS_BYTES 1024
#else
#define THREADS (TEAMS * TEAM_THREADS)
#define FIRST_COPIER 0
#define COPIERS TEAM_THREADS
#define HEADS 1
#define BARRIERS_BYTES 0
#endif
#define TILES_M (BM / WARPS_M / 16) /* of a warp: 16 x 8 each */
#define TILES_N (BN / WARPS_N / 8)
#define QUADS (TILES_M * TILES_N) /* of sums that a thread has */
#define ROW_BYTES (CHUNKS * 16)
#ifdef HALVES
#define A_BYTES 0 /* they go to registers: a thread has chunks of two rows of its warp's fragments */
#define B_BYTES (2 * BN * ROW_BYTES)
#define CHUNKS_A_PASS 4
#define ROWS_A_PASS 8
#define PASSES_A 2
#define FIRST_ROW(thread) ((thread) / 32 * 16 + (thread) % 32 / 4)
#define COLUMN_SCALES(from) vload8(0, from)
#else
#define A_BYTES (BM * ROW_BYTES)
#define B_BYTES (BN * ROW_BYTES)
#define CHUNKS_A_PASS CHUNKS
#define ROWS_A_PASS (COPIERS / CHUNKS)
#define PASSES_A (BM / ROWS_A_PASS)
#define FIRST_ROW(thread) ((thread) / CHUNKS)
#define COLUMN_SCALES(from) 1.0f
#endif
#ifdef KEPT
#define KEPT_BYTES (KEPT * B_BYTES)
#define STAGE_BYTES A_BYTES
#define WEIGHTS_AT(stages, slab, stage) ((stages) - KEPT_BYTES + (slab) * B_BYTES)
#else
#define KEPT_BYTES 0
#define STAGE_BYTES (A_BYTES + B_BYTES)
#define WEIGHTS_AT(stages, slab, stage) ((stage) + A_BYTES)
#endif
#define PIECE (16 / (int)sizeof(T)) /* elements that one copy moves */
#define COPIES_B (B_BYTES / 16 / COPIERS)
#define STEPS (CHUNKS / 2) /* of 32 bytes: one mma deep */
/* Of local memory before the stages: bias, and what a norm has for each column. */
#define COLUMNS_BYTES 1024
#ifdef X_NORM
#define X_NORM_COLUMNS COLUMNS_BYTES
#else
#define X_NORM_COLUMNS 0
#endif
#ifdef R_NORM
#define R_NORM_COLUMNS (X_NORM_COLUMNS + COLUMNS_BYTES)
#else
#define R_NORM_COLUMNS X_NORM_COLUMNS
#endif
#define HEAD_BYTES (R_NORM_COLUMNS + COLUMNS_BYTES)
#define BARRIERS_AT (HEADS * HEAD_BYTES)
#define STAGES_AT (BARRIERS_AT + BARRIERS_BYTES + KEPT_BYTES)
#define TEAM_BYTES (STAGE_BYTES * LOCAL_SLOTS)
#define BAND 16 /* rows of tiles */

/* A number that all of a warp have: told so, compilers keep it and what follows once a warp. */
static inline uint same_in_warp(uint x) {
    asm volatile("shfl.sync.idx.b32 %0, %0, 0, 31, 0xffffffff;" : "+r"(x));
    return x;
}

/* MEET_TEAM: until all of a team have come here. */
#if TEAMS > 1
#define TEAM_OF(warp) ((warp) / (WARPS_M * WARPS_N))
#define MEET_TEAM(fences)                                                                          \
    asm volatile("bar.sync %0, %1;"                                                                \
                 :                                                                                 \
                 : "r"((uint)get_local_id(0) / TEAM_THREADS + 1), "n"(TEAM_THREADS)                \
                 : "memory")
#else
#define TEAM_OF(warp) 0u
#define MEET_TEAM(fences) barrier(fences)
#endif

static inline uint swizzled(uint row, uint chunk) {
#if CHUNKS == 8
    return row * ROW_BYTES + ((chunk ^ (row & 7)) << 4);
#else
    return row * ROW_BYTES + ((chunk ^ ((row >> 1) & 3)) << 4);
#endif
}

static inline void wait_for_oldest(void) {
    asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
}

/* What numbers that are not negative are divided by: inverse is 2^32 / by, cut off to 32 bits. A group's
 * first copies wait for some divisions in a row. */
struct divisor {
    int by;
    uint inverse;
};

static inline int quotient(int a, struct divisor b) {
    uint q = mul_hi((uint)a, b.inverse);
    return (int)(q + ((uint)a - q * (uint)b.by >= (uint)b.by));
}

/* Where a tensor's pixels lie. */
struct strides {
    int sample, row, pixel;
};

static inline int locate(
    int pixel, struct divisor out_height, struct divisor out_width, struct strides by) {
#ifdef MATRIX
    return pixel * by.sample;
#else
    int line = quotient(pixel, out_width), column = pixel - line * out_width.by;
    int sample = quotient(line, out_height), row = line - sample * out_height.by;
    return sample * by.sample + row * by.row + column * by.pixel;
#endif
}

#include "kernels/common/mma_source.clh"

#ifdef HALVES
#include "kernels/common/warpgroup_halves.clh"
#else
static inline void copy_pixels(struct source *from, uint to) {
    int at[PASSES_A];
    bool inside[PASSES_A];
    find_chunks(from, at, inside);
    to += swizzled(from->row, from->chunk_at); /* which repeats itself every 8 rows */
#pragma unroll
    for (int i = 0; i < PASSES_A; i++)
        copy_chunk_if(inside[i], to + i * ROWS_A_PASS * ROW_BYTES, from->x + at[i]);
}

/* Slabs that are copied before the first is multiplied. Where a stage is left for a product that goes
 * on while the next one begins, tensor cores never wait; in a chain, memory is what they wait for, and
 * among teams each other. */
#if defined(WGMMA) && !defined(CHAIN) && TEAMS == 1
#define PRODUCTS_OVERLAP
#define AHEAD (STAGES - 2)
#else
#define AHEAD (STAGES - 1)
#endif

/* In a chain weights wait for nobody, and there may be time to bring all of them near. Elsewhere each
 * slab's go with its pixels, so that the first product need not wait for those of the others. */
static inline void start_weights(struct source *from, int slabs, uint stages, uint thread) {
#ifdef CHAIN
#pragma unroll 1
    for (int s = 0; s < AHEAD && s < slabs; s++)
        copy_weights(from, stages + s * STAGE_BYTES, thread);
    __global const T *lines = from->weights - thread * PIECE;
    for (int i = (int)thread; i < (slabs - AHEAD) * (B_BYTES / LINE_BYTES); i += COPIERS)
        prefetch_line(lines + i * (LINE_BYTES / (int)sizeof(T)));
#endif
}

static inline void start_slabs(struct source *from, int slabs, uint stages, uint thread) {
#pragma unroll 1
    for (int s = 0; s < AHEAD; s++) {
#ifndef CHAIN
        if (s < slabs)
            copy_weights(from, stages + s * STAGE_BYTES, thread);
#endif
        if (s < slabs)
            copy_pixels(from, stages + s * STAGE_BYTES);
        commit();
    }
}

static inline void copy_slab(struct source *from, uint to, uint thread) {
    copy_weights(from, to, thread);
    copy_pixels(from, to);
}

#ifdef WGMMA
#include "kernels/common/warpgroup.clh"
#else
#include "kernels/common/warps.clh"
#endif
#endif

#include "kernels/common/mma_finish.clh"

#if TEAMS > 1
#include "kernels/common/mma_teams.clh"
#define ADD_TEAMS                                                                                  \
    if (!add_teams(sum, (__local float4 *)memory + STAGES_AT / 16, team, thread))                  \
    return
#else
#define ADD_TEAMS
#endif

#ifdef RESIDUAL
#define TENSORS                                                                                    \
    __global const T *x, uint x_at, __global T *y, uint y_at, __global const T *residual,          \
        uint residual_at
#else
#define TENSORS __global const T *x, uint x_at, __global T *y, uint y_at
#define residual y
#define residual_at y_at
#endif

#ifdef SPLIT
#include "kernels/common/mma_splits.clh"
#define SHARED_TILE                                                                                \
    __global float *partial, uint partial_at, __global uint *arrived, uint arrived_at, int splits,
#define ADD_SPLITS                                                                                 \
    __global float4 *sums = (__global float4 *)(partial + partial_at);                             \
    if (!add_splits(sum, sums + (size_t)tile * splits * QUADS * TEAM_THREADS,                      \
            arrived + arrived_at + tile, (__local uint *)memory + STAGES_AT / 4, split, splits,    \
            thread))                                                                               \
    return
#else
#define SHARED_TILE
#define ADD_SPLITS
#define splits 1
#endif

/* Neighbouring groups go through BAND rows of tiles column by column. */
struct place {
    int row_tile, column_tile;
};

static inline struct place find_place(
    int tile, int column_tiles, int pixels, uint band_inverse, uint last_band_inverse) {
#ifdef KEPT
    int row_tile = quotient(tile, (struct divisor){column_tiles, band_inverse});
    return (struct place){row_tile, tile - row_tile * column_tiles};
#else
    int band = quotient(tile, (struct divisor){BAND * column_tiles, band_inverse});
    int in_band = tile - band * BAND * column_tiles;
    int rows_left = (pixels + BM - 1) / BM - band * BAND;
    struct divisor rows = {rows_left, last_band_inverse};
    if (rows_left >= BAND)
        rows = (struct divisor){BAND, 1u << 28};
    int column_tile = quotient(in_band, rows);
    return (struct place){band * BAND + in_band - column_tile * rows.by, column_tile};
#endif
}

#define FIND_PLACE find_place(tile, column_tiles, pixels, band_inverse, last_band_inverse)
#define POINT_TO(place)                                                                            \
    point_to(&from, (place).row_tile * BM + (int)from.row,                                         \
        weights + ((size_t)(place).column_tile * slabs + first_slab) * (B_BYTES / sizeof(T))       \
            + FIRST_PIECE,                                                                         \
        first_slab * CHUNKS + (int)(copier % CHUNKS_A_PASS))
#define COPY_COLUMNS(column_tile)                                                                  \
    for (uint i = copier; i < BN / 4; i += COPIERS) {                                              \
        uint to = local_at + HEAD * HEAD_BYTES + i * 16;                                           \
        int column = (column_tile)*BN + (int)i * 4;                                                \
        copy_chunk(to, bias + column, 16);                                                         \
        COPY_X_COLUMNS(to, column);                                                                \
        COPY_R_COLUMNS(to, column);                                                                \
    }

#ifdef PIPELINE
#define FIRST_PIECE 0
/* A group's tiles by their number. With KEPT there is a group for each column, or several. */
#define EACH_TILE                                                                                  \
    uint number = 0;                                                                               \
    for (int tile = get_group_id(0); tile < (pixels + BM - 1) / BM * column_tiles;                 \
         tile += get_num_groups(0), number++)
#define HEAD (number % HEADS)
#define HEAD_PARITY (number / HEADS & 1)
#else
#define FIRST_PIECE thread * PIECE
#define HEAD 0
#endif

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void conv_mma(TENSORS,
    __global const T *weights, __global const float *restrict bias,
    X_NORM_TENSORS R_NORM_TENSORS SUMS_TENSOR SHARED_TILE int column_tiles, int slabs,
    int pixels, int out_height, int out_width, int height, int width, int taps, int kernel_w, int chunks,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_top, int pad_left,
    int width_inverse, int height_inverse, int chunks_inverse, int kernel_inverse, int band_inverse,
    int last_band_inverse, int channels_end, int x_sample, int x_row, int x_pixel, int y_sample,
    int y_row, int y_pixel, int r_sample, int r_row, int r_pixel, float act_a, float act_b) {
    LOCAL(memory, (STAGES_AT + TEAMS * TEAM_BYTES) / 16);
    uint warp = same_in_warp(get_local_id(0) / 32), team = TEAM_OF(warp);
    uint thread = get_local_id(0) - team * TEAM_THREADS, lane = thread & 31;
    uint warp_m = warp % WARPS_M, warp_n = warp / WARPS_M % WARPS_N, copier = thread - FIRST_COPIER;
    uint local_at = (uint)(size_t)memory, stages = local_at + STAGES_AT + team * TEAM_BYTES;
    uint split = get_group_id(1), part = split * TEAMS + team, parts = splits * TEAMS;
    int first_slab = slabs * part / parts, slab_count = slabs * (part + 1) / parts - first_slab;
    int lane_channel = (int)(warp_n * (BN / WARPS_N) + (lane & 3) * 8);
    struct strides y_by = {y_sample, y_row, y_pixel}, r_by = {r_sample, r_row, r_pixel};
    struct source from = {.x = x + x_at,
        .of = {pixels, {out_height, height_inverse}, {out_width, width_inverse}, height, width,
            taps, kernel_w, {chunks, chunks_inverse}, stride_h, stride_w, dilation_h, dilation_w,
            pad_top, pad_left, {x_sample, x_row, x_pixel}},
        .row = FIRST_ROW(copier),
        .chunk_at = copier % CHUNKS_A_PASS,
        .inverse_kernel_w = kernel_inverse};
#ifdef PIPELINE
    uint barriers = local_at + BARRIERS_AT;
    struct turn turn = {0, 0};
    start_pipeline(barriers, thread);
    if (thread >= FIRST_COPIER) {
        start_copying(weights, column_tiles, barriers, stages, copier);
        EACH_TILE {
            struct place place = FIND_PLACE;
            POINT_TO(place);
            await(barriers + HEAD_FREE(HEAD), HEAD_PARITY ^ 1);
            COPY_COLUMNS(place.column_tile);
            turn = copy_slabs(&from, turn, slabs, barriers, stages, copier);
        }
        return;
    }
    start_multiplying(barriers);
    EACH_TILE {
        struct place place = FIND_PLACE;
#else
    {
        int tile = get_group_id(0);
        struct place place = FIND_PLACE;
        POINT_TO(place);
        if (team == 0)
            COPY_COLUMNS(place.column_tile);
        start_weights(&from, slab_count, stages, thread);
        INPUTS_READY;
        start_slabs(&from, slab_count, stages, thread);
#endif
        struct target at_y =
            find_target(place.row_tile * BM + (int)(warp_m * (BM / WARPS_M) + (lane >> 2)),
                place.column_tile * BN + lane_channel, pixels, channels_end, from.of.out_height,
                from.of.out_width, y_by, r_by);
        ASK_SUMS_EARLY;
        OUTPUTS added[AHEAD_BLOCKS][ROWS];
        ASK_RESIDUALS_EARLY;
        float sum[TILES_M][TILES_N][4];
        clear_sums(sum);
#ifdef PIPELINE
        turn = multiply_slabs(sum, turn, slabs, barriers, stages, warp_m / 4, lane);
#else
        multiply_tile(sum, &from, slab_count, stages, thread, warp_m, warp_n);
#endif
        ADD_TEAMS;
        ADD_SPLITS;
        ASK_SUMS_LATE;
        FIND_NORMS;
        finish_tile(sum, added, y + y_at, residual + residual_at,
            (__local const float *)memory + HEAD * (HEAD_BYTES / 4) + lane_channel,
            weights + (size_t)column_tiles * slabs * (B_BYTES / sizeof(T)), &at_y, x_norm, r_norm,
            row_sums + row_sums_at, lane, act_a, act_b);
#ifdef PIPELINE
        release_head(barriers, HEAD, lane);
#endif
    }
}
