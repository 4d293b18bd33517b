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
 * SLABS          of the image's channels
 * OUT_TILES      of 64 output channels
 * KERNEL         height and width, of the second convolution
 * SHORTCUT       there if a 1x1 convolution of the image is added, which has one slab: its products are
 *                added to the third ones, from the pixels as they came
 * RESIDUAL as everywhere; see words.clh for the activations */

#include "kernels/common/tensor_core.clh"
#include "kernels/block/words.clh"
#include "kernels/block/products.clh"
#include "kernels/conv/conv.clh"

#define TEAMS 2
#define TEAM_THREADS 128
#define THREADS (TEAMS * TEAM_THREADS)

#define SIDE 8
#define PITCH (SIDE + KERNEL_W - 1)
#define ROWS ((SIDE + KERNEL_H - 1) * PITCH)
#define ROW_TILES CEIL_DIV(ROWS, 64)

/* Local memory: weights, for each team a ring of slabs and what the first product makes, biases. */
#define MATRIX_BYTES ROWS_64
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
#define LOCAL_BYTES (BIASES + (2 + OUT_TILES) * BIAS_BYTES)

#define COPIED_AT_ONCE (TEAM_THREADS / 8) /* rows, 16 bytes a thread */
#define PASSES CEIL_DIV(ROWS, COPIED_AT_ONCE)

static inline void meet_team(int team) {
    asm volatile("bar.sync %0, %1;" : : "r"(team + 1), "n"(TEAM_THREADS) : "memory");
}

#include "kernels/block/bottleneck_image.clh"

static inline void start_slab(float sum[ROW_TILES][8][4], uint pixels, uint weights) {
    ulong a = describe_rows(pixels, EIGHT_ROWS), b = describe_rows(weights, EIGHT_ROWS);
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
        PLACE_SUMS_64(sum[m]);
    begin_products();
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
#pragma unroll
        for (int step = 0; step < 4; step++)
            MULTIPLY_64(sum[m], a + (m * MATRIX_BYTES >> 4) + step * 2, b + step * 2);
    end_products();
}

static inline void await_slabs(float sum[ROW_TILES][8][4]) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++)
        AWAIT_SUMS_64(sum[m], "0");
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
            MULTIPLY_64(sum, a + (row * ROW_BYTES >> 4) + step * 2,
                b + (tap * MATRIX_BYTES >> 4) + step * 2);
        }
    end_products();
}

/* own: the outputs' own pixels. */
static inline void start_outputs(float sum[8][4], uint a[4][4], uint weights, uint own) {
    ulong b = describe_rows(weights, EIGHT_ROWS);
    PLACE_SUMS_64(sum);
    begin_products();
#pragma unroll
    for (int step = 0; step < 4; step++)
        MULTIPLY_REGISTERS_64(sum, a[step], b + step * 2);
#ifdef SHORTCUT
    ulong pixels = describe_rows(own, PITCH * ROW_BYTES);
#pragma unroll
    for (int step = 0; step < 4; step++)
        MULTIPLY_64(
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
        AWAIT_SUMS_64(narrow, "0");
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
                AWAIT_SUMS_64(sum[(i + 1) % 2], "1");
                store_outputs_of(sum[(i + 1) % 2], i - 1, &out, act_a, act_b);
            }
        }
        AWAIT_SUMS_64(sum[(OUT_TILES + 1) % 2], "0");
        store_outputs_of(sum[(OUT_TILES + 1) % 2], OUT_TILES - 1, &out, act_a, act_b);
        at = later;
    }
}
