/* Implicit GEMM on tensor cores, needs PTX of sm_80. Rows are output pixels, columns output channels,
 * and the inner dimension runs over taps and channels in chunks of 16 bytes, so that a chunk never
 * crosses a tap. A stage holds a slab of CHUNKS chunks of BM rows and BN columns; STAGES of them
 * are under way by cp.async. fp16 is multiplied as it is; each fp32 is split into two tf32 parts, of
 * whose four products the three large ones are taken (Ootomo and Yokota 2022).
 *
 * WGMMA          by warpgroups: WARPS_M is BM / 16, WARPS_N 1, CHUNKS 8, STAGES from 3
 * HALVES         1 or 2, with it, for fp32: by two fp16 parts in place of tf32, see
 *                warpgroup_halves.clh; a chunk is 8 channels, the last of a pixel CHANNELS_LEFT
 * BM, BN         tile of a work-group, WARPS_M x WARPS_N warps
 * CHUNKS         4 or 8; rows of a stage are 64 or 128 bytes, their chunks permuted against bank
 *                conflicts
 * KERNEL_W       taps in a row; POINTWISE: 1 x 1, stride 1, no padding
 * SLOTS          stages that are used at all: fewer than STAGES where there are fewer slabs
 * SPLITS         > 1: so many groups share a tile's inner dimension; the last one to finish adds up
 * RESIDUAL, ACTIVATION, T_F16 or T_F32 as everywhere */

#include "kernels/common/tensor_core.clh"

#if defined(T_F16) || defined(HALVES)
#define LANES 8 /* elements of a chunk */
#else
#define LANES 4
#endif

#define THREADS (WARPS_M * WARPS_N * 32)
#define TILES_M (BM / WARPS_M / 16) /* of a warp: 16 x 8 each */
#define TILES_N (BN / WARPS_N / 8)
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
#define ROWS_A_PASS (THREADS / CHUNKS)
#define PASSES_A (BM / ROWS_A_PASS)
#define FIRST_ROW(thread) ((thread) / CHUNKS)
#define COLUMN_SCALES(from) 1.0f
#endif
#define STAGE_BYTES (A_BYTES + B_BYTES)
#define PIECE (16 / (int)sizeof(T)) /* elements that one copy moves */
#define COPIES_B (B_BYTES / 16 / THREADS)
#define STEPS (CHUNKS / 2) /* of 32 bytes: one mma deep */
#define BAND 16            /* rows of tiles that neighbouring groups go through column by column */

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

/* Where a tensor's pixels lie. */
struct strides {
    int sample, row, pixel;
};

static inline int locate(int pixel, int out_height, int out_width, struct strides by) {
    int line = pixel / out_width, column = pixel - line * out_width;
    int sample = line / out_height, row = line - sample * out_height;
    return sample * by.sample + row * by.row + column * by.pixel;
}

/* What a thread takes of CHUNKS_A_PASS chunks of the inner dimension: one of each of PASSES_A pixels;
 * and COPIES_B pieces of a slab's packed weights. */
struct source {
    __global const T *x, *weights;
    uint row, chunk_at; /* in the stage */
    int tap, chunk;     /* in the inner dimension: the next ones */
    int taps, chunks, taps_a_pass, chunks_a_pass;
    int height, width, dilation_h, dilation_w, x_row, x_pixel;
    int base[PASSES_A], pixel_row[PASSES_A], pixel_column[PASSES_A];
    bool there[PASSES_A];
};

static inline void find_pixels(struct source *from, int first, int pixels, int out_height,
    int out_width, struct strides x, int stride_h, int stride_w, int pad_top, int pad_left) {
#pragma unroll
    for (int i = 0; i < PASSES_A; i++) {
        int pixel = first + i * ROWS_A_PASS;
        from->there[i] = pixel < pixels;
        pixel = from->there[i] ? pixel : 0;
        int line = pixel / out_width, column = pixel - line * out_width;
        int sample = line / out_height, row = line - sample * out_height;
        from->pixel_row[i] = row * stride_h - pad_top;
        from->pixel_column[i] = column * stride_w - pad_left;
        from->base[i] =
            sample * x.sample + from->pixel_row[i] * x.row + from->pixel_column[i] * x.pixel;
    }
}

/* Where the next chunks lie in x, if they are inside of the image. */
static inline void find_chunks(struct source *from, int at[PASSES_A], bool inside[PASSES_A]) {
    int tap_row = from->tap / KERNEL_W, tap_column = from->tap - tap_row * KERNEL_W;
    int down = tap_row * from->dilation_h, right = tap_column * from->dilation_w;
    int delta = down * from->x_row + right * from->x_pixel + from->chunk * LANES;
#pragma unroll
    for (int i = 0; i < PASSES_A; i++) {
        inside[i] = from->there[i] && from->tap < from->taps;
#ifndef POINTWISE
        inside[i] = inside[i] && (uint)(from->pixel_row[i] + down) < (uint)from->height
            && (uint)(from->pixel_column[i] + right) < (uint)from->width;
#endif
        at[i] = inside[i] ? from->base[i] + delta : 0;
    }
    from->tap += from->taps_a_pass;
    from->chunk += from->chunks_a_pass;
    from->tap += from->chunk >= from->chunks;
    from->chunk -= from->chunk >= from->chunks ? from->chunks : 0;
}

static inline void copy_weights(struct source *from, uint to, uint thread) {
#pragma unroll
    for (int i = 0; i < COPIES_B; i++) {
        uint which = thread + i * THREADS;
        copy_chunk(to + A_BYTES + swizzled(which / CHUNKS, which % CHUNKS),
            from->weights + (size_t)i * THREADS * PIECE, 16);
    }
    from->weights += B_BYTES / sizeof(T);
}

#ifdef HALVES
#include "kernels/common/warpgroup_halves.clh"
#else
static inline void copy_slab(struct source *from, uint to, uint thread) {
    int at[PASSES_A];
    bool inside[PASSES_A];
    find_chunks(from, at, inside);
#pragma unroll
    for (int i = 0; i < PASSES_A; i++)
        copy_chunk(to + swizzled(from->row + i * ROWS_A_PASS, from->chunk_at), from->x + at[i],
            inside[i] ? 16 : 0);
    copy_weights(from, to, thread);
}

#ifdef WGMMA
#include "kernels/common/warpgroup.clh"
#else
/* sum += a b, TILES_M x TILES_N tiles one mma deep. Tensor cores cut off what does not fit their
 * sums, where an addition rounds: in fp32, they only add up a step from zero. */
static inline void multiply_step(
    float sum[TILES_M][TILES_N][4], uint a[TILES_M][4], uint b[TILES_N][2]) {
#if defined(T_F16)
#pragma unroll
    for (int i = 0; i < TILES_M; i++)
#pragma unroll
        for (int j = 0; j < TILES_N; j++)
            MULTIPLY(sum[i][j], a[i], b[j]);
#else
    uint b_low[TILES_N][2];
#pragma unroll
    for (int j = 0; j < TILES_N * 2; j++) {
        b_low[j / 2][j % 2] = low_part(b[j / 2][j % 2]);
        b[j / 2][j % 2] = high_part(b[j / 2][j % 2]);
    }
#pragma unroll
    for (int i = 0; i < TILES_M; i++) {
        uint a_low[4];
        float part[TILES_N][4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            a_low[k] = low_part(a[i][k]);
            a[i][k] = high_part(a[i][k]);
        }
#pragma unroll
        for (int j = 0; j < TILES_N; j++)
            MULTIPLY_FIRST(part[j], a_low, b[j]);
#pragma unroll
        for (int j = 0; j < TILES_N; j++)
            MULTIPLY(part[j], a[i], b_low[j]);
#pragma unroll
        for (int j = 0; j < TILES_N; j++)
            MULTIPLY(part[j], a[i], b[j]);
#pragma unroll
        for (int j = 0; j < TILES_N * 4; j++)
            sum[i][j / 4][j % 4] += part[j / 4][j % 4];
    }
#endif
}

static inline void multiply_slab(float sum[TILES_M][TILES_N][4], uint from, uint a_row,
    uint a_chunk, uint b_row, uint b_chunk) {
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        uint a[TILES_M][4], b[TILES_N][2];
#pragma unroll
        for (int i = 0; i < TILES_M; i++)
            LOAD_MATRICES(a[i][0], a[i][1], a[i][2], a[i][3],
                from + swizzled(a_row + i * 16, a_chunk + step * 2));
#pragma unroll
        for (int j = 0; j < TILES_N; j += 2)
            LOAD_MATRICES(b[j][0], b[j][1], b[j + 1][0], b[j + 1][1],
                from + A_BYTES + swizzled(b_row + j * 8, b_chunk + step * 2));
        multiply_step(sum, a, b);
    }
}

static inline void multiply_tile(float sum[TILES_M][TILES_N][4], struct source *from, int slabs,
    uint stages, uint thread, uint warp_m, uint warp_n) {
    uint lane = thread & 31;
    uint a_row = warp_m * (BM / WARPS_M) + (lane & 15), a_chunk = lane >> 4;
    uint b_row = warp_n * (BN / WARPS_N) + (lane & 7) + ((lane >> 4) << 3), b_chunk = lane >> 3 & 1;
    int left = slabs; /* to copy */
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (left-- > 0)
            copy_slab(from, stages + s * STAGE_BYTES, thread);
        commit();
    }
    int reading = 0, writing = STAGES - 1;
    for (int slab = 0; slab < slabs; slab++) {
        wait_for_oldest();
        barrier(CLK_LOCAL_MEM_FENCE);
        if (left-- > 0)
            copy_slab(from, stages + writing * STAGE_BYTES, thread);
        commit();
        multiply_slab(sum, stages + reading * STAGE_BYTES, a_row, a_chunk, b_row, b_chunk);
        reading = reading == STAGES - 1 ? 0 : reading + 1;
        writing = writing == STAGES - 1 ? 0 : writing + 1;
    }
}

#endif
#endif

#if SPLITS > 1
#define SUMS (TILES_M * TILES_N * 4)
#define SUM(i) sum[(i) / (TILES_N * 4)][(i) / 4 % TILES_N][(i) % 4]

/* True for the group that arrives last at the tile: it has the sum of all splits, added in their
 * order, so that it does not depend on who comes last. */
static inline bool add_splits(float sum[TILES_M][TILES_N][4], __global float *partial,
    __global uint *arrived, __local uint *last, uint split, uint thread) {
    partial += thread;
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        partial[(split * SUMS + i) * THREADS] = SUM(i);
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (thread == 0) {
        *last = atomic_inc((volatile __global uint *)arrived) == SPLITS - 1;
        if (*last)
            *arrived = 0; /* for the next run */
        asm volatile("fence.acq_rel.gpu;" ::: "memory");
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!*last)
        return false;
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        SUM(i) = 0.0f;
    for (uint s = 0; s < SPLITS; s++)
#pragma unroll
        for (int i = 0; i < SUMS; i++)
            SUM(i) += partial[(s * SUMS + i) * THREADS];
    return true;
}
#endif

/* Weights are packed so that of four neighbouring 8-column tiles a thread holds 8 channels in a row;
 * of each 16 x 8 tile it has half 0 in row lane / 4 and half 1 eight rows below. */
static inline float8 eight_sums(float sum[TILES_N][4], int j, int half_tile) {
    int k = half_tile * 2;
    return (float8)(sum[j][k], sum[j][k + 1], sum[j + 1][k], sum[j + 1][k + 1], sum[j + 2][k],
        sum[j + 2][k + 1], sum[j + 3][k], sum[j + 3][k + 1]);
}

/* Some eight residuals are asked for before the first is used: those of a pass, which takes all rows
 * of a thread and PASS blocks of 32 columns. */
#define ROWS (TILES_M * 2)
#if BM / WARPS_M >= 64 || BN / WARPS_N == 32
#define PASS 1
#elif BN / WARPS_N % 96 == 0
#define PASS 3
#elif BM / WARPS_M >= 32 || BN / WARPS_N == 64
#define PASS 2
#else
#define PASS 4
#endif

static inline void finish_tile(float sum[TILES_M][TILES_N][4], __global T *y,
    __global const T *residual, __global const float *bias, __global const T *scales, int first_row,
    int first_channel, int pixels, int channels_end, int out_height, int out_width,
    struct strides to, struct strides by, float act_a, float act_b) {
    int to_at[ROWS], by_at[ROWS];
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
        int pixel = min(first_row + i * 8, pixels - 1);
        to_at[i] = locate(pixel, out_height, out_width, to) + first_channel;
        by_at[i] = locate(pixel, out_height, out_width, by) + first_channel;
    }
#pragma unroll
    for (int column = 0; column < TILES_N / 4; column += PASS) {
        OUTPUTS added[PASS][ROWS];
#pragma unroll
        for (int k = 0; k < PASS * ROWS; k++) {
            int j = column + k / ROWS;
#ifdef RESIDUAL
            if (first_channel + j * 32 < channels_end)
                added[k / ROWS][k % ROWS] =
                    *(__global const OUTPUTS *)(residual + by_at[k % ROWS] + j * 32);
#endif
        }
#pragma unroll
        for (int k = 0; k < PASS * ROWS; k++) {
            int j = column + k / ROWS, i = k % ROWS;
            int channel = first_channel + j * 32;
            float8 v = eight_sums(sum[i / 2], j * 4, i % 2) * COLUMN_SCALES(scales + channel)
                + vload8(0, bias + channel);
#ifdef RESIDUAL
            v += numbers(added[k / ROWS][i]);
#endif
            if (first_row + i * 8 < pixels && first_channel + j * 32 < channels_end)
                store_outputs(y + to_at[i] + j * 32, activate8(v, act_a, act_b));
        }
    }
}

#ifdef RESIDUAL
#define TENSORS                                                                                    \
    __global const T *x, uint x_at, __global T *y, uint y_at, __global const T *residual,          \
        uint residual_at
#else
#define TENSORS __global const T *x, uint x_at, __global T *y, uint y_at
#define residual y
#define residual_at y_at
#endif

#if SPLITS > 1
#define SHARED_TILE                                                                                \
    __global float *partial, uint partial_at, __global uint *arrived, uint arrived_at,
#else
#define SHARED_TILE
#endif

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void conv_mma(TENSORS,
    __global const T *weights, __global const float *restrict bias, SHARED_TILE int column_tiles, int slabs,
    int pixels, int out_height, int out_width, int height, int width, int taps, int chunks,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_top, int pad_left,
    int channels_end, int x_sample, int x_row, int x_pixel, int y_sample, int y_row, int y_pixel,
    int r_sample, int r_row, int r_pixel, float act_a, float act_b) {
    LOCAL(stages, STAGE_BYTES * SLOTS / 16 + 1);
    uint thread = get_local_id(0), lane = thread & 31, warp = thread >> 5;
    uint warp_m = warp % WARPS_M, warp_n = warp / WARPS_M;
    int tile = get_group_id(0), split = get_group_id(1);
    int band = tile / (BAND * column_tiles), in_band = tile - band * BAND * column_tiles;
    int band_rows = min(BAND, (pixels + BM - 1) / BM - band * BAND);
    int row_tile = band * BAND + in_band % band_rows, column_tile = in_band / band_rows;
    int first_slab = slabs * split / SPLITS, end_slab = slabs * (split + 1) / SPLITS;
    int at = first_slab * CHUNKS + (int)(thread % CHUNKS_A_PASS);
    struct strides x_by = {x_sample, x_row, x_pixel}, y_by = {y_sample, y_row, y_pixel};
    struct strides r_by = {r_sample, r_row, r_pixel};
    struct source from = {.x = x + x_at,
        .weights = weights
            + ((size_t)column_tile * slabs + first_slab) * (B_BYTES / sizeof(T)) + thread * PIECE,
        .row = FIRST_ROW(thread),
        .chunk_at = thread % CHUNKS_A_PASS,
        .tap = at / chunks,
        .chunk = at % chunks,
        .taps = taps,
        .chunks = chunks,
        .taps_a_pass = CHUNKS_A_PASS / chunks,
        .chunks_a_pass = CHUNKS_A_PASS % chunks,
        .height = height,
        .width = width,
        .dilation_h = dilation_h,
        .dilation_w = dilation_w,
        .x_row = x_row,
        .x_pixel = x_pixel};
    find_pixels(&from, row_tile * BM + (int)from.row, pixels, out_height, out_width, x_by, stride_h,
        stride_w, pad_top, pad_left);
    float sum[TILES_M][TILES_N][4];
#pragma unroll
    for (int i = 0; i < TILES_M * TILES_N * 4; i++)
        sum[i / (TILES_N * 4)][i / 4 % TILES_N][i % 4] = 0.0f;
    multiply_tile(sum, &from, end_slab - first_slab, (uint)(size_t)stages, thread, warp_m, warp_n);
#if SPLITS > 1
    __local uint *last = (__local uint *)(stages + STAGE_BYTES * SLOTS / 16);
    partial += partial_at + (size_t)tile * SPLITS * SUMS * THREADS;
    if (!add_splits(sum, partial, arrived + arrived_at + tile, last, split, thread))
        return;
#endif
    finish_tile(sum, y + y_at, residual + residual_at, bias,
        weights + (size_t)column_tiles * slabs * (B_BYTES / sizeof(T)),
        row_tile * BM + (int)(warp_m * (BM / WARPS_M) + (lane >> 2)),
        column_tile * BN + (int)(warp_n * (BN / WARPS_N) + (lane & 3) * 8), pixels, channels_end,
        out_height, out_width, y_by, r_by, act_a, act_b);
}
