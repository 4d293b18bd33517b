/* Implicit GEMM on tensor cores, needs PTX of sm_80. Rows are output pixels, columns output channels,
 * and the inner dimension runs over taps and channels in chunks of 16 bytes, so that a chunk never
 * crosses a tap. A stage holds a slab of CHUNKS chunks of BM rows and BN columns; STAGES of them
 * are under way by cp.async. fp16 is multiplied as it is; each fp32 is split into two tf32 parts, of
 * whose four products the three large ones are taken (Ootomo and Yokota 2022).
 *
 * BM, BN         tile of a work-group, WARPS_M x WARPS_N warps
 * CHUNKS         4 or 8; rows of a stage are 64 or 128 bytes, their chunks permuted against bank
 *                conflicts
 * KERNEL_W       taps in a row; POINTWISE: 1 x 1, stride 1, no padding
 * SPLITS         > 1: so many groups share a tile's inner dimension; the last one to finish adds up
 * RESIDUAL, ACTIVATION, T_F16 or T_F32 as everywhere */

#if defined(T_F16)
#define LANES 8 /* elements of a chunk */
#else
#define LANES 4
#endif

#define THREADS (WARPS_M * WARPS_N * 32)
#define TILES_M (BM / WARPS_M / 16) /* of a warp: 16 x 8 each */
#define TILES_N (BN / WARPS_N / 8)
#define ROW_BYTES (CHUNKS * 16)
#define A_BYTES (BM * ROW_BYTES)
#define B_BYTES (BN * ROW_BYTES)
#define STAGE_BYTES (A_BYTES + B_BYTES)
#define ROWS_A_PASS (THREADS / CHUNKS)
#define PASSES_A (BM / ROWS_A_PASS)
#define COPIES_B (BN * CHUNKS / THREADS)
#define STEPS (CHUNKS / 2) /* of 32 bytes: one mma deep */

static inline uint swizzled(uint row, uint chunk) {
#if CHUNKS == 8
    return row * ROW_BYTES + ((chunk ^ (row & 7)) << 4);
#else
    return row * ROW_BYTES + ((chunk ^ ((row >> 1) & 3)) << 4);
#endif
}

static inline void copy_chunk(uint to, __global const void *from, uint bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(to), "l"((ulong)from), "r"(bytes)
                 : "memory");
}

static inline void commit(void) {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

static inline void wait_for_oldest(void) {
#if STAGES == 2
    asm volatile("cp.async.wait_group 0;" ::: "memory");
#elif STAGES == 3
    asm volatile("cp.async.wait_group 1;" ::: "memory");
#else
    asm volatile("cp.async.wait_group 2;" ::: "memory");
#endif
}

#define LOAD_MATRICES(r0, r1, r2, r3, at)                                                          \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"                   \
                 : "=r"(r0), "=r"(r1), "=r"(r2), "=r"(r3)                                          \
                 : "r"(at)                                                                         \
                 : "memory")

#if defined(T_F16)
#define MULTIPLY(c, a, b)                                                                          \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "               \
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                                          \
                 : "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3])                          \
                 : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"((b)[0]), "r"((b)[1]))
#else
#define MULTIPLY(c, a, b)                                                                          \
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, "              \
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"                                          \
                 : "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3])                          \
                 : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "r"((b)[0]), "r"((b)[1]))

/* x = high + low: the upper 19 bits, and what they leave. */
static inline uint high_part(uint x) {
    return x & 0xffffe000u;
}

static inline uint low_part(uint x) {
    return as_uint(as_float(x) - as_float(x & 0xffffe000u));
}
#endif

static inline float8 load_outputs(__global const T *from) {
#if defined(T_F16)
    uint4 raw = *(__global const uint4 *)from;
    float8 v;
#define UNPACK(word, low, high)                                                                    \
    asm("{ .reg .b16 l, h; mov.b32 {l, h}, %2; cvt.f32.f16 %0, l; cvt.f32.f16 %1, h; }"            \
        : "=f"(low), "=f"(high)                                                                    \
        : "r"(word))
    UNPACK(raw.x, v.s0, v.s1);
    UNPACK(raw.y, v.s2, v.s3);
    UNPACK(raw.z, v.s4, v.s5);
    UNPACK(raw.w, v.s6, v.s7);
    return v;
#else
    __global const float4 *at = (__global const float4 *)from;
    return (float8)(at[0], at[1]);
#endif
}

static inline void store_outputs(__global T *to, float8 v) {
#if defined(T_F16)
    uint4 raw;
#define PACK(word, low, high)                                                                      \
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low))
    PACK(raw.x, v.s0, v.s1);
    PACK(raw.y, v.s2, v.s3);
    PACK(raw.z, v.s4, v.s5);
    PACK(raw.w, v.s6, v.s7);
    *(__global uint4 *)to = raw;
#else
    __global float4 *at = (__global float4 *)to;
    at[0] = v.lo;
    at[1] = v.hi;
#endif
}

#ifdef RESIDUAL
#define TENSORS                                                                                    \
    __global const T *x, uint x_at, __global T *y, uint y_at, __global const T *residual,          \
        uint residual_at
#else
#define TENSORS __global const T *x, uint x_at, __global T *y, uint y_at
#endif

#if SPLITS > 1
#define SHARED_TILE __global float *partial, uint partial_at, __global uint *arrived, uint arrived_at,
#else
#define SHARED_TILE
#endif

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void conv_mma(TENSORS,
    __global const T *weights, __global const float *bias, SHARED_TILE int column_tiles, int slabs,
    int pixels, int out_height, int out_width, int height, int width, int taps, int chunks,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_top, int pad_left,
    int channels_end, int x_sample, int x_row, int x_pixel, int y_sample, int y_row, int y_pixel,
    int r_sample, int r_row, int r_pixel, float act_a, float act_b) {
    __local uint4 stages[STAGE_BYTES * STAGES / 16];
    uint base = (uint)(size_t)stages;
    uint thread = get_local_id(0), lane = thread & 31, warp = thread >> 5;
    uint warp_m = warp % WARPS_M, warp_n = warp / WARPS_M;
    int tile = get_group_id(0);
    int row_tile = tile / column_tiles, column_tile = tile % column_tiles;
    x += x_at;
    y += y_at;
#ifdef RESIDUAL
    residual += residual_at;
#endif
#if SPLITS > 1
    int split = get_group_id(1);
    int slab_begin = slabs * split / SPLITS, slab_end = slabs * (split + 1) / SPLITS;
#else
    int slab_begin = 0, slab_end = slabs;
#endif

    /* The pixels whose chunks this thread copies, and its place in the inner dimension. */
    uint copy_row = thread / CHUNKS, copy_chunk_at = thread % CHUNKS;
    int pixel_base[PASSES_A];
#ifndef POINTWISE
    int pixel_row[PASSES_A], pixel_column[PASSES_A];
#endif
    bool pixel_there[PASSES_A];
#pragma unroll
    for (int i = 0; i < PASSES_A; i++) {
        int pixel = row_tile * BM + (int)copy_row + i * ROWS_A_PASS;
        pixel_there[i] = pixel < pixels;
        pixel = pixel_there[i] ? pixel : 0;
        int line = pixel / out_width, column = pixel - line * out_width;
        int sample = line / out_height, row = line - sample * out_height;
#ifdef POINTWISE
        pixel_base[i] = sample * x_sample + row * x_row + column * x_pixel;
#else
        pixel_row[i] = row * stride_h - pad_top;
        pixel_column[i] = column * stride_w - pad_left;
        pixel_base[i] = sample * x_sample + pixel_row[i] * x_row + pixel_column[i] * x_pixel;
#endif
    }
    int at = slab_begin * CHUNKS + (int)copy_chunk_at;
    int tap = at / chunks, chunk = at - tap * chunks;
    int taps_a_slab = CHUNKS / chunks, chunks_a_slab = CHUNKS - taps_a_slab * chunks;
    __global const T *from_b =
        weights + ((size_t)column_tile * slabs + slab_begin) * BN * CHUNKS * LANES + thread * LANES;

#define COPY_SLAB(stage)                                                                           \
    {                                                                                              \
        uint to = base + (stage) * STAGE_BYTES;                                                    \
        int tap_row = tap / KERNEL_W, tap_column = tap - tap_row * KERNEL_W;                       \
        int down = tap_row * dilation_h, right = tap_column * dilation_w;                          \
        int delta = down * x_row + right * x_pixel + chunk * LANES;                                \
        _Pragma("unroll") for (int i = 0; i < PASSES_A; i++) {                                     \
            COPY_INSIDE(i)                                                                         \
            copy_chunk(to + swizzled(copy_row + i * ROWS_A_PASS, copy_chunk_at),                   \
                x + (inside ? pixel_base[i] + delta : 0), inside ? 16 : 0);                        \
        }                                                                                          \
        _Pragma("unroll") for (int i = 0; i < COPIES_B; i++) {                                     \
            uint which = thread + i * THREADS;                                                     \
            copy_chunk(to + A_BYTES + swizzled(which / CHUNKS, which % CHUNKS),                    \
                from_b + (size_t)i * THREADS * LANES, 16);                                         \
        }                                                                                          \
        from_b += BN * CHUNKS * LANES;                                                             \
        tap += taps_a_slab;                                                                        \
        chunk += chunks_a_slab;                                                                    \
        tap += chunk >= chunks;                                                                    \
        chunk -= chunk >= chunks ? chunks : 0;                                                     \
    }
#ifdef POINTWISE
#define COPY_INSIDE(i) bool inside = pixel_there[i] && tap < 1;
#else
#define COPY_INSIDE(i)                                                                             \
    bool inside = pixel_there[i] && tap < taps && (uint)(pixel_row[i] + down) < (uint)height       \
        && (uint)(pixel_column[i] + right) < (uint)width;
#endif

    float sum[TILES_M][TILES_N][4];
#pragma unroll
    for (int i = 0; i < TILES_M; i++)
#pragma unroll
        for (int j = 0; j < TILES_N; j++)
#pragma unroll
            for (int k = 0; k < 4; k++)
                sum[i][j][k] = 0.0f;

    int left = slab_end - slab_begin; /* slabs to copy */
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (left > 0) {
            COPY_SLAB(s)
            left--;
        }
        commit();
    }

    uint a_row = warp_m * (BM / WARPS_M) + (lane & 15), a_chunk = lane >> 4;
    uint b_row = warp_n * (BN / WARPS_N) + (lane & 7) + ((lane >> 4) << 3), b_chunk = lane >> 3 & 1;
    int reading = 0, writing = STAGES - 1;
    for (int slab = slab_begin; slab < slab_end; slab++) {
        wait_for_oldest();
        barrier(CLK_LOCAL_MEM_FENCE);
        if (left > 0) {
            COPY_SLAB(writing)
            left--;
        }
        commit();
        uint from = base + reading * STAGE_BYTES;
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
#if defined(T_F16)
#pragma unroll
            for (int i = 0; i < TILES_M; i++)
#pragma unroll
                for (int j = 0; j < TILES_N; j++)
                    MULTIPLY(sum[i][j], a[i], b[j]);
#else
            uint b_low[TILES_N][2];
#pragma unroll
            for (int j = 0; j < TILES_N; j++)
#pragma unroll
                for (int k = 0; k < 2; k++) {
                    b_low[j][k] = low_part(b[j][k]);
                    b[j][k] = high_part(b[j][k]);
                }
#pragma unroll
            for (int i = 0; i < TILES_M; i++) {
                uint a_low[4];
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    a_low[k] = low_part(a[i][k]);
                    a[i][k] = high_part(a[i][k]);
                }
#pragma unroll
                for (int j = 0; j < TILES_N; j++)
                    MULTIPLY(sum[i][j], a_low, b[j]);
#pragma unroll
                for (int j = 0; j < TILES_N; j++)
                    MULTIPLY(sum[i][j], a[i], b_low[j]);
#pragma unroll
                for (int j = 0; j < TILES_N; j++)
                    MULTIPLY(sum[i][j], a[i], b[j]);
            }
#endif
        }
        reading = reading == STAGES - 1 ? 0 : reading + 1;
        writing = writing == STAGES - 1 ? 0 : writing + 1;
    }

#if SPLITS > 1
#define SUMS (TILES_M * TILES_N * 4)
    __local uint last;
    partial += partial_at + (size_t)tile * SPLITS * SUMS * THREADS + thread;
#pragma unroll
    for (int i = 0; i < SUMS; i++)
        partial[((size_t)split * SUMS + i) * THREADS] =
            sum[i / (TILES_N * 4)][i / 4 % TILES_N][i % 4];
    asm volatile("fence.acq_rel.gpu;" ::: "memory");
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (thread == 0) {
        volatile __global uint *count = arrived + arrived_at + tile;
        last = atomic_inc(count) == SPLITS - 1;
        if (last)
            *count = 0; /* for the next run */
        asm volatile("fence.acq_rel.gpu;" ::: "memory");
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    if (!last)
        return;
    /* In the order of the splits, so that the sum does not depend on who came last. */
#pragma unroll
    for (int i = 0; i < SUMS; i++) {
        float total = 0.0f;
        for (int s = 0; s < SPLITS; s++)
            total += *(volatile __global float *)&partial[((size_t)s * SUMS + i) * THREADS];
        sum[i / (TILES_N * 4)][i / 4 % TILES_N][i % 4] = total;
    }
#endif

    /* Weights are packed so that of four neighbouring 8-column tiles a thread holds 8 channels in a
     * row. */
    int first_column = column_tile * BN + (int)(warp_n * (BN / WARPS_N) + (lane & 3) * 8);
    int first_row = row_tile * BM + (int)(warp_m * (BM / WARPS_M) + (lane >> 2));
#pragma unroll
    for (int i = 0; i < TILES_M; i++)
#pragma unroll
        for (int half_tile = 0; half_tile < 2; half_tile++) {
            int pixel = first_row + i * 16 + half_tile * 8;
            if (pixel >= pixels)
                continue;
            int line = pixel / out_width, column = pixel - line * out_width;
            int sample = line / out_height, row = line - sample * out_height;
            int y_pixel_at = sample * y_sample + row * y_row + column * y_pixel;
#ifdef RESIDUAL
            int r_pixel_at = sample * r_sample + row * r_row + column * r_pixel;
#endif
#pragma unroll
            for (int j = 0; j < TILES_N; j += 4) {
                int channel = first_column + j * 8;
                if (channel >= channels_end)
                    continue;
                float8 v = (float8)(sum[i][j][half_tile * 2], sum[i][j][half_tile * 2 + 1],
                    sum[i][j + 1][half_tile * 2], sum[i][j + 1][half_tile * 2 + 1],
                    sum[i][j + 2][half_tile * 2], sum[i][j + 2][half_tile * 2 + 1],
                    sum[i][j + 3][half_tile * 2], sum[i][j + 3][half_tile * 2 + 1]);
                v += vload8(0, bias + channel);
#ifdef RESIDUAL
                v += load_outputs(residual + r_pixel_at + channel);
#endif
                store_outputs(y + y_pixel_at + channel, activate8(v, act_a, act_b));
            }
        }
}
