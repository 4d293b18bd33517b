/* An inverted residual block in one launch, by mma.sync: needs PTX of sm_80; fp16. Its wide images are
 * made 32 channels at a time, a slab, and never leave local memory.
 *
 * A group makes a tile of outputs: COLUMNS by STRIPS warps, each 8 pixels wide and 2 * PAIRS lines
 * high. The tile's inputs, a patch, are copied once. For each slab, warps
 *   1. multiply the patch by the slab's expansion, to `wide` in local memory; it is zero outside the
 *      image, which the depthwise convolution pads;
 *   2. convolve what they need of `wide`, each for its own outputs. A tap is a product with a
 *      diagonal matrix of 8 channels: so sums are in float, inputs are not converted, and what comes
 *      out lies as the next product's operand;
 *   3. multiply that by the slab's projection, and add it to the outputs in registers.
 * TEAMS of so many warps share a patch, take slabs in turns, and add up their outputs at the end.
 *
 * Lane 4 g + t of a warp has the slab's channels from 8 t on, of pixel g: word j of its 16 bytes are
 * channels 8 t + 2 j and the next, so block j of a slab are those eight channels of the four t.
 *
 * COLUMNS, STRIPS, PAIRS, TEAMS as above
 * STEPS          products, 16 channels deep, that a pixel of the patch is; 0: no expansion, the patch is
 *                wide already and a slab of it is copied at a time
 * OUT_BLOCKS     of 8 output channels, even
 * KERNEL, STRIDE height and width, of the depthwise convolution
 * LOCAL_BYTES    of a group
 * FROM_ZERO      the activation is a clip from 0 on
 * ACTIVATION     of wide images; ENDS_ACTIVE: of the result too. RESIDUAL as everywhere */

#include "kernels/common/tensor_core.clh"
#include "kernels/block/words.clh"
#include "kernels/conv/conv.clh"

#define STRIDE_H FIRST(STRIDE)
#define STRIDE_W SECOND(STRIDE)

#define WARPS (COLUMNS * STRIPS) /* a team */
#define TEAM_THREADS (WARPS * 32)
#define THREADS (TEAMS * TEAM_THREADS)

/* Pixels of a patch: columns that taps of one output do not share lie apart, in planes, so that 8
 * neighbours always lie together. */
#define LINES ((2 * PAIRS * STRIPS - 1) * STRIDE_H + KERNEL_H)
#define PLANE (8 * COLUMNS - 1 + CEIL_DIV(KERNEL_W, STRIDE_W))
#define PITCH (STRIDE_W * PLANE)
#define ROWS (LINES * PITCH)
#define ROW_TILES CEIL_DIV(ROWS, 16)
#define TURNS CEIL_DIV(ROW_TILES, WARPS) /* row tiles of a warp */
#if TURNS > 1
#define AT_ONCE 2
#else
#define AT_ONCE 1
#endif
#define PAIRS_AT_ONCE (PAIRS % 2 ? 1 : 2)

/* Local memory: the patch, then for each team two stages of weights, and the wide slab. */
#define CHANNELS 32
#define WIDE_ROW (CHANNELS * 2)
#define WIDE_BYTES (ROW_TILES * 16 * WIDE_ROW)
#if STEPS > 0
#define PATCH_ROW (STEPS * 32 + 16) /* of which 8 rows lie in all banks */
#define PATCH_BYTES (ROW_TILES * 16 * PATCH_ROW)
#define WIDE_BUFFERS 1
#else
#define PATCH_BYTES 0
#define WIDE_BUFFERS 2
#endif
#define FRAGMENT 512 /* bytes, 16 of each lane */
#define EXPANSION_BIAS (STEPS * 2 * FRAGMENT)
#define TAPS (EXPANSION_BIAS + (STEPS > 0 ? CHANNELS * 4 : 0))
#define DEPTHWISE_BIAS (TAPS + KERNEL_H * KERNEL_W * FRAGMENT)
#define PROJECTION (DEPTHWISE_BIAS + CHANNELS * 4)
#define STAGE_BYTES (PROJECTION + OUT_BLOCKS * FRAGMENT)
#define TEAM_BYTES (2 * STAGE_BYTES + WIDE_BUFFERS * WIDE_BYTES)

#define MULTIPLY_8(c, a, b)                                                                        \
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, "                \
                 "{%4,%5}, {%6}, {%0,%1,%2,%3};"                                                   \
                 : "+f"((c)[0]), "+f"((c)[1]), "+f"((c)[2]), "+f"((c)[3])                          \
                 : "r"((a)[0]), "r"((a)[1]), "r"(b))

/* Keeps sums of an address and constants from being made before a loop, in as many registers. */
#define HIDE(address) asm volatile("" : "+r"(address))

static inline void meet_warp(void) {
    asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
}

static inline void meet_team(int team) {
#if TEAMS == 1
    barrier(CLK_LOCAL_MEM_FENCE);
#elif WARPS == 1
    meet_warp();
#else
    asm volatile("bar.sync %0, %1;" : : "r"(team + 1), "n"(TEAM_THREADS) : "memory");
#endif
}

#include "kernels/block/copy.clh"

#if STEPS > 0
/* What a warp expands at its turn; where there is nothing left, the last one again. */
static inline int find_row(int warp, int turn) {
    return min(warp + turn * WARPS, ROW_TILES - 1) * 16;
}

/* Two bits for each turn: whether the lane's two rows are in the image. */
static inline uint find_inside(const struct image *image, int warp, int g) {
    uint inside = 0;
    for (int i = 0; i < CEIL_DIV(TURNS, AT_ONCE) * AT_ONCE; i++)
        for (int lower = 0; lower < 2; lower++)
            inside |= (uint)find_pixel(image, find_row(warp, i) + lower * 8 + g).inside
                << (2 * i + lower);
    return inside;
}

/* AT_ONCE turns of a warp from `first` on. */
static inline void expand_some(int first, uint patch, uint weights, uint wide, int warp, int lane,
    uint inside, float act_a, float act_b) {
    float sum[AT_ONCE][4][4];
    float4 low = load_floats(weights + EXPANSION_BIAS + (lane & 3) * 32),
           high = load_floats(weights + EXPANSION_BIAS + (lane & 3) * 32 + 16);
    const float bias[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    int row[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++) {
        row[i] = find_row(warp, first + i);
#pragma unroll
        for (int k = 0; k < 16; k++)
            sum[i][k / 4][k % 4] = bias[k / 4 * 2 + k % 2];
    }
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
        uint4 even = load_fragment(weights + step * 2 * FRAGMENT + lane * 16),
              odd = load_fragment(weights + (step * 2 + 1) * FRAGMENT + lane * 16);
        const uint b[4][2] = {{even.x, even.y}, {even.z, even.w}, {odd.x, odd.y}, {odd.z, odd.w}};
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            uint a[4];
            LOAD_MATRICES(a[0], a[1], a[2], a[3],
                patch + (row[i] + (lane & 15)) * PATCH_ROW + step * 32 + (lane >> 4) * 16);
#pragma unroll
            for (int j = 0; j < 4; j++)
                MULTIPLY(sum[i][j], a, b[j]);
        }
    }
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
#pragma unroll
        for (int lower = 0; lower < 2; lower++) {
            bool is_inside = inside >> (2 * (first + i) + lower) & 1;
            uint word[4];
#pragma unroll
            for (int j = 0; j < 4; j++)
                word[j] = is_inside
                    ? activated(sum[i][j][lower * 2], sum[i][j][lower * 2 + 1], act_a, act_b)
                    : 0;
            store_fragment(
                wide + (row[i] + lower * 8 + (lane >> 2)) * WIDE_ROW + (lane & 3) * 16,
                (uint4)(word[0], word[1], word[2], word[3]));
        }
}
#endif

/* Products with diagonal matrices: taps of column `column` for PAIRS_AT_ONCE pairs of lines, whose
 * first pixel is at `wide`. */
#define USED_LINES ((2 * PAIRS_AT_ONCE - 1) * STRIDE_H + KERNEL_H)

static inline void convolve_column(
    float sum[PAIRS_AT_ONCE][4][4], int column, uint wide, uint taps, int lane) {
    uint line[USED_LINES][4], tap[KERNEL_H][4];
#pragma unroll
    for (int i = 0; i < USED_LINES; i++) {
        uint4 v = load_fragment(
            wide + (i * PITCH + column % STRIDE_W * PLANE + column / STRIDE_W) * WIDE_ROW);
        line[i][0] = v.x, line[i][1] = v.y, line[i][2] = v.z, line[i][3] = v.w;
    }
#pragma unroll
    for (int r = 0; r < KERNEL_H; r++) {
        uint4 v = load_fragment(taps + (r * KERNEL_W + column) * FRAGMENT + lane * 16);
        tap[r][0] = v.x, tap[r][1] = v.y, tap[r][2] = v.z, tap[r][3] = v.w;
    }
#pragma unroll
    for (int p = 0; p < PAIRS_AT_ONCE; p++)
#pragma unroll
        for (int r = 0; r < KERNEL_H; r += 2)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                int upper = 2 * p * STRIDE_H + r, lower = upper + STRIDE_H;
                if (r + 1 < KERNEL_H) {
                    const uint a[4] = {
                        line[upper][j], line[lower][j], line[upper + 1][j], line[lower + 1][j]};
                    const uint b[2] = {tap[r][j], tap[r + 1][j]};
                    MULTIPLY(sum[p][j], a, b);
                } else {
                    const uint a[2] = {line[upper][j], line[lower][j]};
                    MULTIPLY_8(sum[p][j], a, tap[r][j]);
                }
            }
}

/* Of each pair, 2 steps' fragments. */
static inline void convolve(uint result[PAIRS_AT_ONCE][2][4], uint wide, uint weights, int lane,
    float act_a, float act_b) {
    float sum[PAIRS_AT_ONCE][4][4];
    float4 low = load_floats(weights + DEPTHWISE_BIAS + (lane & 3) * 32),
           high = load_floats(weights + DEPTHWISE_BIAS + (lane & 3) * 32 + 16);
    const float bias[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (int k = 0; k < PAIRS_AT_ONCE * 16; k++)
        sum[k / 16][k / 4 % 4][k % 4] = bias[k / 4 % 4 * 2 + k % 2];
#pragma unroll
    for (int column = 0; column < KERNEL_W; column++)
        convolve_column(sum, column, wide, weights + TAPS, lane);
#pragma unroll
    for (int k = 0; k < PAIRS_AT_ONCE * 8; k++) {
        int p = k / 8, j = k / 2 % 4, lower = k % 2;
        result[p][j / 2][j % 2 * 2 + lower] =
            activated(sum[p][j][lower * 2], sum[p][j][lower * 2 + 1], act_a, act_b);
    }
}

/* To the outputs of pairs from `first` on. */
static inline void project(float sum[PAIRS][OUT_BLOCKS][4], int first,
    uint from[PAIRS_AT_ONCE][2][4], uint weights, int lane) {
#pragma unroll
    for (int o = 0; o < OUT_BLOCKS; o++) {
        uint4 both = load_fragment(weights + PROJECTION + o * FRAGMENT + lane * 16);
        const uint b[2][2] = {{both.x, both.y}, {both.z, both.w}};
#pragma unroll
        for (int p = 0; p < PAIRS_AT_ONCE; p++)
#pragma unroll
            for (int step = 0; step < 2; step++)
                MULTIPLY(sum[first + p][o], from[p][step], b[step]);
    }
}

/* All pairs of a warp, a few at once: where its lanes meet, loads of the next ones wait, that take
 * registers. */
static inline void convolve_and_project(float sum[PAIRS][OUT_BLOCKS][4], uint wide, uint weights,
    int lane, float act_a, float act_b) {
#pragma unroll
    for (int first = 0; first < PAIRS; first += PAIRS_AT_ONCE) {
        uint result[PAIRS_AT_ONCE][2][4];
        HIDE(wide);
        meet_warp();
        convolve(result, wide + 2 * first * STRIDE_H * PITCH * WIDE_ROW, weights, lane, act_a, act_b);
        project(sum, first, result, weights, lane);
    }
}

#include "kernels/block/finish.clh"

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void inverted_residual(CONV_TENSORS,
    __global const T *wide_weights, __global const T *projection, __global const float *bias,
    int slabs, int column_tiles, int line_tiles, int height, int width, int out_height,
    int out_width, int pad_top, int pad_left, int x_end, int y_end, int x_sample, int x_row,
    int x_pixel, int y_sample, int y_row, int y_pixel, int r_sample, int r_row, int r_pixel,
    float act_a, float act_b) {
    LOCAL(memory, LOCAL_BYTES / 16);
    int thread = get_local_id(0), team = thread / TEAM_THREADS, lane = thread & 31;
    int in_team = thread - team * TEAM_THREADS, warp = in_team >> 5;
    int tile = get_group_id(0), above = tile / column_tiles, sample = above / line_tiles;
    int first_column = (tile - above * column_tiles) * 8 * COLUMNS,
        first_line = (above - sample * line_tiles) * 2 * PAIRS * STRIPS;
    struct image image = {x + x_at + (size_t)sample * x_sample, height, width,
        first_line * STRIDE_H - pad_top, first_column * STRIDE_W - pad_left, x_end, x_row, x_pixel};
    uint patch = (uint)(size_t)memory, stages = patch + PATCH_BYTES + team * TEAM_BYTES,
         wide = stages + 2 * STAGE_BYTES, stage = 0;
    /* The lane's first pixel of its first output. */
    uint own = (warp / COLUMNS * 2 * PAIRS * STRIDE_H * PITCH + warp % COLUMNS * 8 + (lane >> 2))
            * WIDE_ROW
        + (lane & 3) * 16;
    if (team < slabs)
        copy_weights(wide_weights, projection, team, stages, in_team);
#if STEPS > 0
    copy_pixels(&image, 0, STEPS * 2, patch, PATCH_ROW, thread, THREADS);
    uint inside = find_inside(&image, warp, lane >> 2);
#else
    if (team < slabs)
        copy_pixels(&image, team * CHANNELS, 4, wide, WIDE_ROW, in_team, TEAM_THREADS);
#endif
    commit();
    struct results out = {.y = y + y_at + (size_t)sample * y_sample + first_line * y_row
            + first_column * y_pixel,
#ifdef RESIDUAL
        .residual = residual + residual_at + (size_t)sample * r_sample + first_line * r_row
            + first_column * r_pixel,
        .r_row = r_row,
        .r_pixel = r_pixel,
#endif
        .bias = bias,
        .lines = out_height - first_line,
        .columns = out_width - first_column,
        .channels_end = y_end,
        .y_row = y_row,
        .y_pixel = y_pixel,
        .line = warp / COLUMNS * 2 * PAIRS,
        .column = warp % COLUMNS * 8 + (lane >> 2),
        .t = lane & 3};
    float sum[PAIRS][OUT_BLOCKS][4];
    start_sums(sum, &out, team == 0);
    await_copies();
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 1
    for (int slab = team; slab < slabs; slab += TEAMS, stage ^= 1) {
        uint weights = stages + stage * STAGE_BYTES, next = stages + (stage ^ 1) * STAGE_BYTES;
        HIDE(weights);
        uint from = wide + stage * (WIDE_BUFFERS - 1) * WIDE_BYTES, own_from = from + own;
        await_copies();
        meet_team(team);
        if (slab + TEAMS < slabs) {
            copy_weights(wide_weights, projection, slab + TEAMS, next, in_team);
#if STEPS == 0
            copy_pixels(&image, (slab + TEAMS) * CHANNELS, 4, wide + (stage ^ 1) * WIDE_BYTES,
                WIDE_ROW, in_team, TEAM_THREADS);
#endif
        }
        commit();
#if STEPS > 0
#pragma unroll 1
        for (int turn = 0; turn < TURNS; turn += AT_ONCE) {
            HIDE(patch);
            expand_some(turn, patch, weights, from, warp, lane, inside, act_a, act_b);
        }
        meet_team(team);
#endif
        convolve_and_project(sum, own_from, weights, lane, act_a, act_b);
    }
    finish(sum, &out, (uint)(size_t)memory, team, warp, lane, act_a, act_b);
}
