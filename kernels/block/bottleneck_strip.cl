/* A bottleneck block in one launch, by wgmma: a 1x1 convolution to at most 128 channels, a full one, and
 * a 1x1 one to many channels again. Needs PTX of sm_90a; fp16. Only the images at its ends are in memory.
 *
 * A group goes down a strip of whole lines of an image. A warpgroup copies, two multiply, each every other
 * 64 rows. Of a step
 *   1. rows of the first product are the pixels of the lines that it takes. What comes out goes to local
 *      memory, as lines of PITCH pixels with their padding, below the last lines of the step before;
 *   2. rows of the second are the pixels of lines of that pitch, so that a tap is the same matrix from
 *      another start; what stands in the padding's place is left out. A step makes as many lines as it
 *      has all taps for;
 *   3. its sums lie as the third product's operand, which is multiplied by 128 outputs' weights at a time.
 * Weights come with each step, in the order they are needed, by a ring whose stages hold a slab of
 * pixels and its weights, or several slabs of weights.
 *
 * WIDTH, OUT_WIDTH  of the images
 * KERNEL            height and width, of the second convolution
 * LINES             that local memory holds
 * FEW_TILES         of 64 rows, of a team, that the first product has where a step makes FEW_LINES
 * SLABS             of 64 of the image's channels
 * WIDE_SLABS, NARROW_SLABS   of the first and the second product's
 * OUT_TILES         of 128 output channels
 * RESIDUAL as everywhere; see words.clh for the activations */

#include "kernels/common/tensor_core.clh"
#include "kernels/block/words.clh"
#include "kernels/block/products.clh"
#include "kernels/conv/conv.clh"

#define TEAMS 2
#define MULTIPLIERS (TEAMS * 128)
#define COPIERS 128
#define THREADS (MULTIPLIERS + COPIERS)
#define MOST_TILES 2 /* of 64 rows, of a team */
#define PIECES (2 * MOST_TILES)
#define MOST_ROWS (MOST_TILES * TEAMS * 64)

#define PITCH (OUT_WIDTH + KERNEL_W - 1)
#define LINES_AT_ONCE (MOST_ROWS / WIDTH)
#define FEW_LINES ((MOST_ROWS / 2 + KERNEL_W - 1) / PITCH) /* that are one tile of each team */
#define TAP_SLABS (KERNEL_H * KERNEL_W * WIDE_SLABS)
/* Of the second product's weights, in a stage. */
#if TAP_SLABS % 3 == 0
#define STAGE_SLABS 3
#elif TAP_SLABS % 2 == 0
#define STAGE_SLABS 2
#else
#define STAGE_SLABS 1
#endif

/* Local memory: what the first product makes, the ring, biases, the ring's barriers. */
#define STAGES 3
#define MATRIX_BYTES (2 * ROWS_64) /* of 128 columns */
#define PIXELS_BYTES (MOST_ROWS * ROW_BYTES)
#define STAGE_BYTES (PIXELS_BYTES + MATRIX_BYTES)
#define WIDE_BYTES (CEIL_DIV(LINES * PITCH, 8) * EIGHT_ROWS)
#define RING (WIDE_SLABS * WIDE_BYTES)
#define BIASES (RING + STAGES * STAGE_BYTES)
#define BARRIERS (BIASES + (2 + OUT_TILES) * 2 * BIAS_BYTES)
#define LOCAL_BYTES (BARRIERS + 2 * STAGES * 8)

#define COPIED_AT_ONCE (COPIERS / 8) /* rows, 16 bytes a thread */
#define PASSES (MOST_ROWS / COPIED_AT_ONCE)
#define KEPT_ROWS ((KERNEL_H - 1) * PITCH) /* from one step to the next */
#define KEPT_AT_ONCE (MULTIPLIERS / 8)
#define KEPT CEIL_DIV(KEPT_ROWS, KEPT_AT_ONCE)

#include "kernels/common/ring.clh"
#include "kernels/block/bottleneck_strip_image.clh"
#include "kernels/block/bottleneck_strip_copy.clh"

static inline void meet_multipliers(void) {
    asm volatile("bar.sync 1, %0;" : : "n"(MULTIPLIERS) : "memory");
}

/* A warp's lane among those that multiply, and where it finds its things. */
struct place {
    uint memory, biases;
    int team, warp, lane;
};

static inline uint await_stage(struct turn at, const struct place *place) {
    await(place->memory + BARRIERS + FULL(at.stage), at.parity);
    show_products();
    return place->memory + RING + at.stage * STAGE_BYTES;
}

static inline void free_stage(uint stage, const struct place *place) {
    if (place->lane == 0)
        arrive(place->memory + BARRIERS + FREE(stage));
}

/* The first of a lane's rows, and 8 on is the other. */
static inline int find_row(const struct place *place, int tile) {
    return (tile * TEAMS + place->team) * 64 + place->warp * 16 + (place->lane >> 2);
}

INLINE void await_tiles(float sum[MOST_TILES][16][4], int tiles) {
#pragma unroll
    for (int m = 0; m < MOST_TILES; m++)
        if (m < tiles)
            AWAIT_SUMS_128(sum[m], "0");
}

INLINE void multiply_slab(float sum[MOST_TILES][16][4], int tiles, ulong a, ulong b) {
#pragma unroll
    for (int m = 0; m < MOST_TILES; m++)
#pragma unroll
        for (int step = 0; step < 4; step++)
            if (m < tiles)
                MULTIPLY_128(sum[m], a + (m * TEAMS * ROWS_64 >> 4) + step * 2, b + step * 2);
}

/* While products from slab `slab` on run, those of the stage before, if there is one, end. */
INLINE void leave_slabs(int slab, uint before, const struct place *place) {
    end_products();
    asm volatile(AWAIT("1")::: "memory");
    if (slab > 0)
        free_stage(before, place);
}

INLINE struct turn multiply_pixels(
    float sum[MOST_TILES][16][4], int tiles, struct turn at, const struct place *place) {
    uint before = at.stage;
    int slab = 0;
#pragma unroll 1
    do {
        uint stage = await_stage(at, place);
        ulong a = describe_rows(stage + place->team * ROWS_64, EIGHT_ROWS);
        ulong b = describe_rows(stage + PIXELS_BYTES, EIGHT_ROWS);
        begin_products();
        multiply_slab(sum, tiles, a, b);
        leave_slabs(slab, before, place);
        before = at.stage;
        at = next_turn(at);
    } while (++slab < SLABS);
    await_tiles(sum, tiles);
    free_stage(before, place);
    return at;
}

/* Pixels that the first product has made, to local memory; zero below the image. */
INLINE void store_wide(float sum[MOST_TILES][16][4], int tiles, struct walk at,
    int height, int pad_left, const struct place *place, float act_a, float act_b) {
    int taken = count_taken(at);
#pragma unroll
    for (int i = 0; i < MOST_TILES * 2; i++) {
        int pixel = find_row(place, i / 2) + i % 2 * 8, line = pixel / WIDTH;
        int row = (at.held + line) * PITCH + pad_left + pixel - line * WIDTH;
        bool inside = at.line + line < height;
#pragma unroll
        for (int j = 0; j < WIDE_SLABS * 8; j += 4) {
            uint word[4];
#pragma unroll
            for (int k = 0; k < 4; k++)
                word[k] = inside ? activated(sum[i / 2][j + k][i % 2 * 2],
                              sum[i / 2][j + k][i % 2 * 2 + 1], act_a, act_b)
                                 : 0;
            if (i / 2 < tiles && line < taken)
                store_fragment(place->memory + j / 8 * WIDE_BYTES
                        + permuted(row, j % 8 + (place->lane & 3)),
                    (uint4)(word[0], word[1], word[2], word[3]));
        }
    }
}

/* A piece is 64 outputs of a tile; a stage has two for each of a team's tiles. */
INLINE void ask_residual(uint4 added[4], int stage, int piece, int tiles, struct walk at,
    const struct results *out, const struct place *place) {
    int in_stage = piece % (2 * tiles), channel = (stage + piece / (2 * tiles)) * 128;
    load_residual(
        added, out, find_row(place, in_stage % tiles), channel + in_stage / tiles * 64, at);
}

INLINE struct turn multiply_taps(float sum[MOST_TILES][16][4], uint4 added[2][4],
    int tiles, struct turn at, struct walk walk, const struct results *out,
    const struct place *place) {
    uint before = at.stage;
    int slab = 0;
#pragma unroll 1
    do {
        uint stage = await_stage(at, place);
        begin_products();
#pragma unroll
        for (int i = 0; i < STAGE_SLABS; i++) {
            int tap = (slab + i) / WIDE_SLABS, row = tap / KERNEL_W * PITCH + tap % KERNEL_W;
            ulong a = describe_rows(place->memory + (slab + i) % WIDE_SLABS * WIDE_BYTES
                    + (place->team * 64 + row) * ROW_BYTES,
                EIGHT_ROWS);
            ulong b = describe_rows(stage + i * MATRIX_BYTES, EIGHT_ROWS);
            multiply_slab(sum, tiles, a, b);
        }
        leave_slabs(slab, before, place);
        before = at.stage;
        at = next_turn(at);
    } while ((slab += STAGE_SLABS) < TAP_SLABS);
    ask_residual(added[0], 0, 0, tiles, walk, out, place);
    ask_residual(added[1], 0, 1, tiles, walk, out, place);
    await_tiles(sum, tiles);
    free_stage(before, place);
    return at;
}

/* Of 64 outputs' weights, by a tile. */
INLINE void start_piece(float sum[8][4], uint a[8][4], uint weights, uint biases) {
    ulong b = describe_rows(weights, EIGHT_ROWS);
    start_sums(sum, biases);
    PLACE_SUMS_64(sum);
    begin_products();
#pragma unroll
    for (int step = 0; step < NARROW_SLABS * 4; step++)
        MULTIPLY_REGISTERS_64(sum, a[step], b + (step / 4 * MATRIX_BYTES >> 4) + step % 4 * 2);
    end_products();
}

/* While a piece is written, the next one's products run. Residuals are asked for two pieces ahead. */
INLINE struct turn make_outputs(uint a[MOST_TILES][8][4], uint4 added[2][4], int tiles,
    struct turn at, struct walk walk, const struct results *out, const struct place *place,
    float act_a, float act_b) {
    float sum[2][8][4];
#pragma unroll 1
    for (int i = 0; i < OUT_TILES; i++, at = next_turn(at)) {
        uint stage = await_stage(at, place), biases = place->biases + (2 + i) * 2 * BIAS_BYTES;
        start_piece(sum[0], a[0], stage, biases);
#pragma unroll
        for (int piece = 0; piece < PIECES; piece++)
            if (piece < 2 * tiles) {
                int next = piece + 1;
                if (next < 2 * tiles) {
                    start_piece(sum[next % 2], a[next % tiles], stage + next / tiles * ROWS_64,
                        biases + next / tiles * BIAS_BYTES);
                    AWAIT_SUMS_64(sum[piece % 2], "1");
                } else {
                    AWAIT_SUMS_64(sum[piece % 2], "0");
                    free_stage(at.stage, place);
                }
                store_outputs_of(sum[piece % 2], added[piece % 2], out, find_row(place, piece % tiles),
                    i * 128 + piece / tiles * 64, walk, act_a, act_b);
                ask_residual(added[piece % 2], i, piece + 2, tiles, walk, out, place);
            }
    }
    return at;
}

INLINE void start_tiles(float sum[MOST_TILES][16][4], int tiles, uint biases) {
#pragma unroll
    for (int m = 0; m < MOST_TILES; m++)
        if (m < tiles) {
            start_sums(sum[m], biases);
            start_sums(sum[m] + 8, biases + BIAS_BYTES);
        }
}

/* The last lines become the first, once all have read theirs and nobody's products read any. */
static inline void keep_lines(int made, const struct place *place) {
    int thread = (place->team * 4 + place->warp) * 32 + place->lane, chunk = thread % 8;
    uint4 kept[WIDE_SLABS * KEPT + 1];
#pragma unroll
    for (int i = 0; i < WIDE_SLABS * KEPT; i++) {
        int row = i / WIDE_SLABS * KEPT_AT_ONCE + thread / 8;
        if (row < KEPT_ROWS)
            kept[i] = load_fragment(place->memory + i % WIDE_SLABS * WIDE_BYTES
                + permuted(made * PITCH + row, chunk));
    }
    meet_multipliers();
#pragma unroll
    for (int i = 0; i < WIDE_SLABS * KEPT; i++) {
        int row = i / WIDE_SLABS * KEPT_AT_ONCE + thread / 8;
        if (row < KEPT_ROWS)
            store_fragment(
                place->memory + i % WIDE_SLABS * WIDE_BYTES + permuted(row, chunk), kept[i]);
    }
}

/* The first product and what comes of it. */
INLINE struct turn expand(float sum[MOST_TILES][16][4], int tiles, struct turn turn,
    struct walk at, int height, int pad_left, const struct place *place, float act_a, float act_b) {
    start_tiles(sum, tiles, place->biases);
    turn = multiply_pixels(sum, tiles, turn, place);
    if (at.made > 0)
        keep_lines(at.made, place);
    store_wide(sum, tiles, at, height, pad_left, place, act_a, act_b);
    return turn;
}

/* The others. */
INLINE struct turn finish(float sum[MOST_TILES][16][4], int tiles, struct turn turn,
    struct walk at, const struct results *out, const struct place *place, float act_a,
    float act_b) {
    uint a[MOST_TILES][8][4];
    uint4 added[2][4];
    start_tiles(sum, tiles, place->biases + 2 * BIAS_BYTES);
    turn = multiply_taps(sum, added, tiles, turn, at, out, place);
#pragma unroll
    for (int m = 0; m < MOST_TILES; m++)
        if (m < tiles) {
            activate_sums(a[m], sum[m], act_a, act_b);
            activate_sums(a[m] + 4, sum[m] + 8, act_a, act_b);
        }
    return make_outputs(a, added, tiles, turn, at, out, place, act_a, act_b);
}

INLINE struct turn make_step(int wide_tiles, int tiles, struct turn turn, struct walk at,
    const struct results *out, int height, int pad_left, struct place place, float act_a,
    float act_b) {
    float sum[MOST_TILES][16][4];
    HIDE(place.lane);
    turn = expand(sum, wide_tiles, turn, at, height, pad_left, &place, act_a, act_b);
    show_products();
    meet_multipliers();
    HIDE(place.lane);
    return finish(sum, tiles, turn, at, out, &place, act_a, act_b);
}

/* Steps that make few lines come last, and have a loop of their own: assemblers find no registers for
 * products on two ways through one. */
static inline void multiply_strip(struct walk at, const struct results *out, int height,
    int pad_left, const struct place *place, float act_a, float act_b) {
    struct turn turn = {0, 0};
#pragma unroll 1
    for (; at.left > 0 && count_made(at) > FEW_LINES; at = next_step(at))
        turn = make_step(
            MOST_TILES, MOST_TILES, turn, at, out, height, pad_left, *place, act_a, act_b);
#pragma unroll 1
    for (; at.left > 0; at = next_step(at))
        turn = make_step(FEW_TILES, 1, turn, at, out, height, pad_left, *place, act_a, act_b);
}

/* By those that multiply, before they do: biases, and zeros where no pixel comes. */
static inline void start_memory(uint memory, __global const float *inner_biases,
    __global const float *biases, int thread) {
    for (int i = thread * 16; i < RING; i += MULTIPLIERS * 16)
        store_fragment(memory + i, (uint4)(0));
    for (int i = thread; i < (2 + OUT_TILES) * 2 * BIAS_BYTES / 16; i += MULTIPLIERS) {
        int inner = 4 * BIAS_BYTES / 16;
        __global const float *from = i < inner ? inner_biases + i * 4 : biases + (i - inner) * 4;
        store_fragment(memory + BIASES + i * 16, as_uint4(*(__global const float4 *)from));
    }
    meet_multipliers();
}

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1))) void bottleneck_strip(CONV_TENSORS,
    __global const T *inner, __global const T *projection, int strips, int strip_lines, int height,
    int width, int out_height, int out_width, int pad_top, int pad_left, int x_end, int y_end,
    int x_sample, int x_row, int x_pixel, int y_sample, int y_row, int y_pixel, int r_sample,
    int r_row, int r_pixel, float act_a, float act_b) {
    LOCAL(local_memory, CEIL_DIV(LOCAL_BYTES, 16));
    int thread = get_local_id(0), group = get_group_id(0), sample = group / strips;
    uint memory = (uint)(size_t)local_memory;
    struct walk at = begin_walk(group - sample * strips, strip_lines, out_height, pad_top);
    if (thread == 0)
        for (int i = 0; i < STAGES; i++) {
            init_barrier(memory + BARRIERS + FULL(i), COPIERS + 1);
            init_barrier(memory + BARRIERS + FREE(i), MULTIPLIERS / 32);
        }
    show_products();
    barrier(CLK_LOCAL_MEM_FENCE);
    /* A thread begins with 168 registers, of which copying needs few. */
    if (thread >= MULTIPLIERS) {
        struct image image = {x + x_at + (size_t)sample * x_sample, height, x_end, x_row, x_pixel};
        asm volatile(PTX_90A "setmaxnreg.dec.sync.aligned.u32 56;" ::: "memory");
        copy_strip(at, &image, inner, projection, memory, thread - MULTIPLIERS);
        return;
    }
    asm volatile(PTX_90A "setmaxnreg.inc.sync.aligned.u32 224;" ::: "memory");
    struct place place = {.memory = memory,
        .biases = memory + BIASES + (thread & 3) * 32,
        .team = thread >> 7,
        .warp = thread >> 5 & 3,
        .lane = thread & 31};
    int channel = (thread & 3) * 8;
    struct results out = {.y = y + y_at + (size_t)sample * y_sample + channel,
#ifdef RESIDUAL
        .residual = residual + residual_at + (size_t)sample * r_sample + channel,
        .r_row = r_row,
        .r_pixel = r_pixel,
#endif
        .channels_left = y_end - channel,
        .y_row = y_row,
        .y_pixel = y_pixel};
    start_memory(memory,
        (__global const float *)(inner + (SLABS + TAP_SLABS) * (MATRIX_BYTES / 2)),
        (__global const float *)(projection + OUT_TILES * NARROW_SLABS * (MATRIX_BYTES / 2)),
        thread);
    multiply_strip(at, &out, height, pad_left, &place, act_a, act_b);
}
