/* Convolution on a CPU: a work-item computes pixels x channels in register tiles of ROWS pixels by
 * panels of VECTORS vectors of channels; with -DNARROW, a group's panels after the first `wide`
 * have one vector fewer. Tiles run over the output's pixels in order, in blocks: all tiles of a
 * block are multiplied with a panel before the next, so that a panel's weights are fetched once a
 * block; meanwhile tile t fetches share number t of the weights that come next. A tile that has
 * fewer pixels left computes the last one several times. What a tap reads outside the image is
 * `zeros`. -DLINEAR: 1x1 without stride or padding, where pixels lie
 * at one distance from the first to the last. */
#include "kernels/common/fetch.clh"
#include "kernels/common/jobs.clh"
#include "kernels/common/rows.clh"
#include "kernels/conv/conv.clh"

#ifndef CHANNELS
#define CHANNELS group_c
#endif
/* Where an output pixel's window starts in the image and in memory, and where its result goes. */
struct pixel {
    int row, column, x, y, residual;
};

#define INPUT(i) LOAD(a##i, c)
#define RESULT(i) pixels[i].y
#define ADDEND(i) pixels[i].residual
#define DO_BESIDE
#include "kernels/conv/sums.clh"

/* Channels are multiplied STEPS at a time, so that little else than products is done; meanwhile
 * some of the next panel's cache lines are fetched, all in about FETCH_TILES tiles. */
#define STEPS 8
#define EACH_STEP(...)                                                                             \
    __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define LINE 16 /* floats of a cache line */
#define FETCHES ((VECTORS * LANES * STEPS / LINE + 11) / 12)
#define FETCH_TILES (VECTORS * LANES * STEPS / LINE / FETCHES)

#ifdef LINEAR
#define EACH_TAP(r, s) for (int r = 0, s = 0; r < 1; r++)
#else
#define EACH_TAP(r, s)                                                                             \
    for (int r = 0; r < kernel_h; r++)                                                             \
        for (int s = 0; s < kernel_w; s++)
#endif
#if defined(LINEAR) || defined(INSIDE)
#define ROW_TAP(i) __global const T *a##i = x + pixels[i].x + tap;
#else
#define ROW_TAP(i)                                                                                 \
    __global const T *a##i = (uint)(pixels[i].row + tap_y) < (uint)height                          \
            && (uint)(pixels[i].column + tap_x) < (uint)width                                      \
        ? x + pixels[i].x + tap                                                                    \
        : zeros;
#endif

/* What is added at the end is on its way while products are summed. */
#ifdef RESIDUAL
#define ROW_FETCH(i)                                                                               \
    for (int v = 0; v < WIDTH * LANES; v += LINE)                                                  \
        FETCH(residual + ADDEND(i) + v);
#else
#define ROW_FETCH(i)
#endif

#define WIDTH VECTORS
#define TILE tile
#include "kernels/conv/width.clh"
#include "kernels/conv/panel_tile.clh"
#ifdef NARROW
#undef WIDTH
#undef TILE
#define WIDTH (VECTORS - 1)
#define TILE narrow_tile
#include "kernels/conv/width.clh"
#include "kernels/conv/panel_tile.clh"
#endif

#define BLOCK 16 /* tiles, at most */

/* Tile t of a block: its pixels, and where they are counted from. */
#ifdef LINEAR
#define TILE_PIXELS pixels + (count - t * ROWS < ROWS ? ROWS : 0)
#define TILE_OFFSET(of) +(size_t)(from + t * ROWS) * of##_pixel
#else
#define TILE_PIXELS pixels + t *ROWS
#define TILE_OFFSET(of)
#endif
#ifdef RESIDUAL
#define TILE_RESIDUAL residual + m TILE_OFFSET(r)
#else
#define TILE_RESIDUAL 0
#endif
/* clang-format off */
#define TILE_ARGUMENTS                                                                             \
    TILE_PIXELS, lanes, x + group * group_c TILE_OFFSET(x), zeros, w, later, bias + first * LANES, \
        y + m TILE_OFFSET(y), TILE_RESIDUAL, height, width, kernel_h, kernel_w, dilation_h,        \
        dilation_w, x_row, x_pixel, group_c, act_a, act_b
/* clang-format on */

/* Fills in `count` pixels from number `from` of the output on. */
static inline void place_pixels(struct pixel *pixels, int from, int count, int out_height,
    int out_width, int stride_h, int stride_w, int pad_top, int pad_left, int x_sample, int x_row,
    int x_pixel, int y_sample, int y_row, int y_pixel, int r_sample, int r_row, int r_pixel) {
    int ox = from % out_width, oy = from / out_width % out_height;
    int sample = from / (out_width * out_height);
    for (int i = 0; i < count; i++) {
        int row = oy * stride_h - pad_top, column = ox * stride_w - pad_left;
        pixels[i].row = row;
        pixels[i].column = column;
        pixels[i].x = sample * x_sample + row * x_row + column * x_pixel;
        pixels[i].y = sample * y_sample + oy * y_row + ox * y_pixel;
        pixels[i].residual = sample * r_sample + oy * r_row + ox * r_pixel;
        if (++ox == out_width) {
            ox = 0;
            if (++oy == out_height)
                oy = 0, sample++;
        }
    }
}

/* The number of a panel's first vector. */
static inline int first_vector(int panel, int group_panels, int wide, int group_vectors) {
    int in_group = panel % group_panels;
    return panel / group_panels * group_vectors + in_group * VECTORS - max(in_group - wide, 0);
}

__kernel void conv_panel(CONV_TENSORS, __global const float *weights, __global const float *bias,
    __global const T *zeros, JOBS, int group_panels, int wide, int group_vectors, int panel_blocks,
    int tile_blocks, int block, CONV_GEOMETRY) {
    CONV_BEGIN;
    int panels = groups * group_panels, all = samples * out_height * out_width;
    int tiles = (all + ROWS - 1) / ROWS;
    size_t vector_floats = (size_t)kernel_h * kernel_w * group_c * LANES;
    size_t share = (size_t)kernel_h * kernel_w * (CHANNELS / STEPS * FETCHES * LINE);
    struct pixel pixels[BLOCK * ROWS];
#ifdef LINEAR
    for (int i = 0; i < 2 * ROWS; i++) {
        int at = i < ROWS ? i : min(i - ROWS, (all - 1) % ROWS);
        pixels[i] = (struct pixel){.x = at * x_pixel, .y = at * y_pixel, .residual = at * r_pixel};
    }
#endif
    EACH_JOB(job) {
        int panel_block = job / tile_blocks, tile_block = job % tile_blocks;
        int panel_begin = (long)panels * panel_block / panel_blocks;
        int panel_end = (long)panels * (panel_block + 1) / panel_blocks;
        int later_block = min((job + (int)get_num_groups(0)) / tile_blocks, panel_blocks - 1);
        int later_panel = (long)panels * later_block / panel_blocks;
        int tile_begin = (long)tiles * tile_block / tile_blocks;
        int tile_end = (long)tiles * (tile_block + 1) / tile_blocks;
        for (; tile_begin < tile_end; tile_begin += block) {
            int from = tile_begin * ROWS;
            int count = min(min(tile_begin + block, tile_end) * ROWS, all) - from;
#ifndef LINEAR
            place_pixels(pixels, from, count, out_height, out_width, stride_h, stride_w, pad_top,
                pad_left, x_sample, x_row, x_pixel, y_sample, y_row, y_pixel, r_sample, r_row,
                r_pixel);
            for (int i = count; i % ROWS; i++)
                pixels[i] = pixels[count - 1];
#endif
            for (int panel = panel_begin; panel < panel_end; panel++) {
                int group = panel / group_panels, in_group = panel % group_panels;
                int first = first_vector(panel, group_panels, wide, group_vectors);
                int m = group * group_m + (first - group * group_vectors) * LANES;
                int lanes = (group + 1 == groups ? m_end : (group + 1) * group_m) - m;
                __global const float *w = weights + first * vector_floats;
                int next_panel = panel + 1 < panel_end ? panel + 1 : later_panel;
                __global const float *next = weights
                    + first_vector(next_panel, group_panels, wide, group_vectors) * vector_floats;
                for (int t = 0; t * ROWS < count; t++) {
                    __global const float *later = t < FETCH_TILES ? next + t * share : w;
#ifdef NARROW
                    if (in_group >= wide) {
                        narrow_tile(TILE_ARGUMENTS);
                        continue;
                    }
#endif
                    tile(TILE_ARGUMENTS);
                }
            }
        }
    }
}
