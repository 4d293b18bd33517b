/* A bottleneck block in one launch, by wgmma: a 1x1 convolution to at most 64 channels, a full one, and a
 * 1x1 one to many channels again. Needs PTX of sm_90a; fp16. Only the images at its ends are in memory.
 *
 * Groups stay, with all weights in local memory; of theirs, each team, a warpgroup, goes through tiles of
 * 8 by 8 outputs by itself, so that one multiplies while another waits or writes. Of a tile
 *   1. rows of the first product are the pixels that the tile's outputs need, which come 64 channels at
 *      a time, a slab; what comes out goes to local memory, zero outside the image, which the second
 *      convolution pads;
 *   2. rows of the second are outputs. A tap is the same matrix from another start: 8 neighbours of a
 *      line are 8 rows of it, and the next line is PITCH rows on;
 *   3. its sums lie as the third product's operand, which is multiplied by 64 outputs' weights at a time.
 * While a tile's second product runs, the next one's first slabs and the residual are asked for.
 *
 * Lane 4 g + t of a warp has, of 32 columns of a product, those that are channels from 8 t on: see the
 * packing.
 *
 * SLABS          of the image's channels
 * OUT_TILES      of 64 output channels
 * KERNEL         height and width, of the second convolution
 * SHORTCUT       there if a 1x1 convolution of the image is added, which has one slab: its products are
 *                added to the third ones, from the pixels as they came
 * RESIDUAL as everywhere; see words.clh for the activations */

#include "kernels/common/tensor_core.clh"
#include "kernels/common/wgmma.clh"
#include "kernels/block/words.clh"
#include "kernels/conv/conv.clh"

#define FIRST_(a, b) a
#define SECOND_(a, b) b
#define FIRST(pair) FIRST_(pair)
#define SECOND(pair) SECOND_(pair)
#define KERNEL_H FIRST(KERNEL)
#define KERNEL_W SECOND(KERNEL)
#define CEIL_DIV(a, b) (((a) + (b)-1) / (b))

#define TEAMS 2
#define TEAM_THREADS 128
#define THREADS (TEAMS * TEAM_THREADS)

#define SIDE 8
#define PITCH (SIDE + KERNEL_W - 1)
#define ROWS ((SIDE + KERNEL_H - 1) * PITCH)
#define ROW_TILES CEIL_DIV(ROWS, 64)

/* Local memory: weights, for each team a ring of slabs and what the first product makes, biases. */
#define ROW_BYTES 128
#define EIGHT_ROWS (8 * ROW_BYTES)
#define MATRIX_BYTES (64 * ROW_BYTES)
#define MIDDLE (SLABS * MATRIX_BYTES)
#define PROJECTION (MIDDLE + KERNEL_H * KERNEL_W * MATRIX_BYTES)
#define SHORTCUT_WEIGHTS (PROJECTION + OUT_TILES * MATRIX_BYTES)
#ifdef SHORTCUT
#define WEIGHT_BYTES (SHORTCUT_WEIGHTS + OUT_TILES * MATRIX_BYTES)
#else
#define WEIGHT_BYTES SHORTCUT_WEIGHTS
#endif
#define STAGES 2
#define STAGE_BYTES (CEIL_DIV(ROWS, 8) * EIGHT_ROWS)
#define TEAM_BYTES ((STAGES + 1) * STAGE_BYTES)
#define BIASES (WEIGHT_BYTES + TEAMS * TEAM_BYTES)
#define BIAS_BYTES 256 /* of 64 channels */
#define LOCAL_BYTES (BIASES + (2 + OUT_TILES) * BIAS_BYTES)

#define COPIED_AT_ONCE (TEAM_THREADS / 8) /* rows, 16 bytes a thread */
#define PASSES CEIL_DIV(ROWS, COPIED_AT_ONCE)

#define QUADS_1(s, j) "+f"((s)[j][0]), "+f"((s)[j][1]), "+f"((s)[j][2]), "+f"((s)[j][3])
#define QUADS_4(s, j) QUADS_1(s, j), QUADS_1(s, j + 1), QUADS_1(s, j + 2), QUADS_1(s, j + 3)
#define SUMS(s) QUADS_4(s, 0), QUADS_4(s, 4)
#define PRODUCT "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {" REGISTERS_0 REGISTERS_16 "}, "

#define MULTIPLY_MATRICES(s, a, b)                                                                 \
    asm volatile(PTX_90A "{ .reg .pred p; setp.ne.b32 p, %34, 0; " PRODUCT                         \
                         "%32, %33, p, 1, 1, 0, 0; }"                                              \
                 : SUMS(s)                                                                         \
                 : "l"(a), "l"(b), "r"(1)                                                          \
                 : "memory")
#define MULTIPLY_REGISTERS(s, a, b)                                                                \
    asm volatile(PTX_90A "{ .reg .pred p; setp.ne.b32 p, %37, 0; " PRODUCT                         \
                         "{%32, %33, %34, %35}, %36, p, 1, 1, 0; }"                                \
                 : SUMS(s)                                                                         \
                 : "r"((a)[0]), "r"((a)[1]), "r"((a)[2]), "r"((a)[3]), "l"(b), "r"(1)              \
                 : "memory")
/* Has sums lie where products take them from: what moves them later waits for products. */
#define PLACE_SUMS(s) asm volatile("" : SUMS(s)::"memory")
/* Until only `batches` are under way, of which s is none. */
#define AWAIT_SUMS(s, batches)                                                                     \
    asm volatile(PTX_90A "wgmma.wait_group.sync.aligned " batches ";" : SUMS(s)::"memory")

/* Keeps what is made of it from being made before a loop, in as many registers. */
#define HIDE(number) asm volatile("" : "+r"(number))

static inline void begin_products(void) {
    asm volatile(PTX_90A "wgmma.fence.sync.aligned;" ::: "memory");
}

static inline void end_products(void) {
    asm volatile(PTX_90A "wgmma.commit_group.sync.aligned;" ::: "memory");
}

static inline void meet_team(int team) {
    asm volatile("bar.sync %0, %1;" : : "r"(team + 1), "n"(TEAM_THREADS) : "memory");
}

/* What this thread has written is there for products of all, once they have met. */
static inline void show_products(void) {
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* Rows of 128 bytes, permuted by 128, of which eight are `stride` bytes from the next eight. */
static inline ulong describe_rows(uint address, uint stride) {
    return (ulong)(address >> 4) | 1ul << 16 | (ulong)(stride >> 4) << 32 | 1ul << 62;
}

/* Where a chunk of 16 bytes lies. */
static inline uint permuted(int row, int chunk) {
    return row * ROW_BYTES + ((chunk ^ (row & 7)) << 4);
}

#include "kernels/block/bottleneck_image.clh"

static inline void start_sums(float sum[8][4], uint bias) {
#pragma unroll
    for (int half_of = 0; half_of < 2; half_of++) {
        float4 low = load_floats(bias + half_of * 128), high = load_floats(bias + half_of * 128 + 16);
        const float from[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int k = 0; k < 16; k++)
            sum[half_of * 4 + k / 4][k % 4] = from[k / 4 * 2 + k % 2];
    }
}

static inline void start_slab(float sum[ROW_TILES][8][4], uint pixels, uint weights) {
    ulong a = describe_rows(pixels, EIGHT_ROWS), b = describe_rows(weights, EIGHT_ROWS);
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
        PLACE_SUMS(sum[m]);
    begin_products();
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
#pragma unroll
        for (int step = 0; step < 4; step++)
            MULTIPLY_MATRICES(sum[m], a + (m * MATRIX_BYTES >> 4) + step * 2, b + step * 2);
    end_products();
}

static inline void await_slabs(float sum[ROW_TILES][8][4]) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
        AWAIT_SUMS(sum[m], "0");
}

/* Of the first product, to local memory. */
static inline void store_middle(float sum[ROW_TILES][8][4], const struct image *image,
    struct place at, uint to, int warp, int lane, float act_a, float act_b) {
#pragma unroll
    for (int i = 0; i < ROW_TILES * 2; i++) {
        int row = i / 2 * 64 + warp * 16 + i % 2 * 8 + (lane >> 2);
        bool inside = find_pixel(image, at, row) >= 0;
#pragma unroll
        for (int j = 0; j < 8; j += 4) {
            uint word[4];
#pragma unroll
            for (int k = 0; k < 4; k++)
                word[k] = inside ? activated(sum[i / 2][j + k][i % 2 * 2],
                              sum[i / 2][j + k][i % 2 * 2 + 1], act_a, act_b)
                                 : 0;
            if (row < ROWS)
                store_fragment(to + permuted(row, j + (lane & 3)),
                    (uint4)(word[0], word[1], word[2], word[3]));
        }
    }
}

static inline void start_taps(float sum[8][4], uint pixels, uint weights) {
    ulong a = describe_rows(pixels, PITCH * ROW_BYTES), b = describe_rows(weights, EIGHT_ROWS);
    begin_products();
#pragma unroll
    for (int tap = 0; tap < KERNEL_H * KERNEL_W; tap++)
#pragma unroll
        for (int step = 0; step < 4; step++) {
            int row = tap / KERNEL_W * PITCH + tap % KERNEL_W;
            MULTIPLY_MATRICES(sum, a + (row * ROW_BYTES >> 4) + step * 2,
                b + (tap * MATRIX_BYTES >> 4) + step * 2);
        }
    end_products();
}

/* From sums to the next product's operand. */
static inline void activate_sums(uint a[4][4], float sum[8][4], float act_a, float act_b) {
#pragma unroll
    for (int k = 0; k < 16; k++)
        a[k / 4][k % 4] = activated(
            sum[k / 2][k % 2 * 2], sum[k / 2][k % 2 * 2 + 1], act_a, act_b);
}

/* own: the outputs' own pixels. */
static inline void start_outputs(float sum[8][4], uint a[4][4], uint weights, uint own) {
    ulong b = describe_rows(weights, EIGHT_ROWS);
    PLACE_SUMS(sum);
    begin_products();
#pragma unroll
    for (int step = 0; step < 4; step++)
        MULTIPLY_REGISTERS(sum, a[step], b + step * 2);
#ifdef SHORTCUT
    ulong pixels = describe_rows(own, PITCH * ROW_BYTES);
#pragma unroll
    for (int step = 0; step < 4; step++)
        MULTIPLY_MATRICES(
            sum, pixels + step * 2, b + (OUT_TILES * MATRIX_BYTES >> 4) + step * 2);
#endif
    end_products();
}

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void bottleneck(CONV_TENSORS,
    __global const T *inner_weights, __global const T *projection, int tile_count,
    int column_tiles, int line_tiles, int height, int width, int out_height, int out_width,
    int pad_top, int pad_left, int x_end, int y_end, int x_sample, int x_row, int x_pixel,
    int y_sample, int y_row, int y_pixel, int r_sample, int r_row, int r_pixel, float act_a,
    float act_b) {
    LOCAL(memory, LOCAL_BYTES / 16);
    int thread = get_local_id(0), team = thread / TEAM_THREADS, lane = thread & 31;
    int in_team = thread % TEAM_THREADS, warp = in_team >> 5;
    int groups = get_num_groups(0), tile = get_group_id(0) + team * groups;
    uint weights = (uint)(size_t)memory, stages = weights + WEIGHT_BYTES + team * TEAM_BYTES;
    uint middle = stages + STAGES * STAGE_BYTES, biases = weights + BIASES + (lane & 3) * 32;
    struct image image = {
        x + x_at, height, width, pad_top, pad_left, x_end, x_sample, x_row, x_pixel};
    struct results out = {.y = y + y_at,
#ifdef RESIDUAL
        .residual = residual + residual_at,
        .r_sample = r_sample,
        .r_row = r_row,
        .r_pixel = r_pixel,
#endif
        .height = out_height,
        .width = out_width,
        .channels_end = y_end,
        .y_sample = y_sample,
        .y_row = y_row,
        .y_pixel = y_pixel};
    struct tiles tiles = {column_tiles, line_tiles};
    uint ring = stages, own = (pad_top * PITCH + pad_left) * ROW_BYTES;
    int from[PASSES];
    copy_bytes(weights, inner_weights, PROJECTION, thread);
    copy_bytes(weights + PROJECTION, projection, WEIGHT_BYTES - PROJECTION, thread);
    copy_bytes(weights + BIASES, inner_weights + PROJECTION / 2, 2 * BIAS_BYTES, thread);
    copy_bytes(weights + BIASES + 2 * BIAS_BYTES, projection + (WEIGHT_BYTES - PROJECTION) / 2,
        OUT_TILES * BIAS_BYTES, thread);
    struct place at = find_place(tile, tiles);
    find_pixels(from, &image, at, in_team);
    copy_first_slabs(&image, from, at, tile < tile_count, ring, in_team);
    asm volatile("cp.async.wait_group 0;" ::: "memory");
    show_products();
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 1
    while (tile < tile_count) {
        float wide[ROW_TILES][8][4], narrow[8][4], sum[2][8][4];
        uint a[4][4];
        HIDE(weights);
        HIDE(stages);
        HIDE(in_team);
        HIDE(lane);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++)
            start_sums(wide[m], biases);
#pragma unroll
        for (int slab = 0; slab < SLABS; slab++) {
            uint stage = ring + slab % STAGES * STAGE_BYTES;
            asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory");
            show_products();
            meet_team(team);
            start_slab(wide, stage, weights + slab * MATRIX_BYTES);
            if (slab + STAGES < SLABS) {
                await_slabs(wide);
                meet_team(team);
                copy_slab(&image, from, at, slab + STAGES, stage, in_team);
            }
            commit();
        }
        await_slabs(wide);
        store_middle(wide, &image, at, middle, warp, lane, act_a, act_b);
        start_sums(narrow, biases + BIAS_BYTES);
        show_products();
        meet_team(team);
        start_taps(narrow, middle, weights + MIDDLE);
        tile += groups * TEAMS;
        HIDE(tile);
        uint used = ring;
        ring = next_ring(stages, ring);
        struct place later = find_place(tile, tiles);
        find_pixels(from, &image, later, in_team);
        copy_first_slabs(&image, from, later, tile < tile_count, ring, in_team);
        seek_pixel(&out, at, warp, lane);
#ifdef RESIDUAL
        uint4 added[OUT_TILES * 4];
        load_residual(added, &out);
#endif
        AWAIT_SUMS(narrow, "0");
        activate_sums(a, narrow, act_a, act_b);
#pragma unroll
        for (int i = 0; i < OUT_TILES; i++) {
            start_sums(sum[i % 2], biases + (2 + i) * BIAS_BYTES);
#ifdef RESIDUAL
            add_residual(sum[i % 2], added + i * 4);
#endif
            start_outputs(
                sum[i % 2], a, weights + PROJECTION + i * MATRIX_BYTES, used + own);
            if (i > 0) {
                AWAIT_SUMS(sum[(i + 1) % 2], "1");
                store_outputs_of(sum[(i + 1) % 2], i - 1, &out, act_a, act_b);
            }
        }
        AWAIT_SUMS(sum[(OUT_TILES + 1) % 2], "0");
        store_outputs_of(sum[(OUT_TILES + 1) % 2], OUT_TILES - 1, &out, act_a, act_b);
        at = later;
    }
}
