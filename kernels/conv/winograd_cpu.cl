/* Convolution 3x3 with stride 1 on a CPU by Winograd's minimal filtering F(4x4, 3x3): an output
 * tile of 4x4 pixels takes 36 products a channel pair in place of 144. A work-item does a run of
 * blocks of subs x ROWS tiles for some panels of 2 vectors of channels: input tiles are transformed
 * to v[36][tile][channel], unless those of the block are there from its last job, multiplied with
 * the transformed weights [panel][36][channel][2 LANES], for `span` panels point by point, to
 * sums[36][panel][tile][2 LANES], and those transformed to pixels. Both arrays are the work-group's
 * own scratch. Matrices: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015. */
#include "kernels/common/fetch.clh"
#include "kernels/common/jobs.clh"
#include "kernels/common/rows.clh"
#include "kernels/conv/conv.clh"

#ifdef RESIDUAL
#define ADD_RESIDUAL_V(v, at) ((v) + LOADV(residual, at))
#define RESIDUAL_AT(at) residual + (at)
#else
#define ADD_RESIDUAL_V(v, at) (v)
#define RESIDUAL_AT(at) y
#endif
#define POINTS 36
#define PANEL (2 * LANES)

/* B' (from) for one line of six. */
#define TRANSFORM_INPUT(from, to)                                                                  \
    {                                                                                              \
        VECTOR d0 = from(0), d1 = from(1), d2 = from(2), d3 = from(3), d4 = from(4), d5 = from(5); \
        VECTOR even = d4 - 4.0f * d2, odd = d3 - 4.0f * d1;                                        \
        VECTOR even2 = d4 - d2, odd2 = 2.0f * (d3 - d1);                                           \
        to(0, 4.0f * d0 - 5.0f * d2 + d4);                                                         \
        to(1, even + odd);                                                                         \
        to(2, even - odd);                                                                         \
        to(3, even2 + odd2);                                                                       \
        to(4, even2 - odd2);                                                                       \
        to(5, 4.0f * d1 - 5.0f * d3 + d5);                                                         \
    }

/* One vector of channels of a tile whose first pixel is (top, left); x points at the sample. */
static inline void transform_input(__global const T *x, int top, int left, int height, int width,
    int x_row, int x_pixel, __global float *v, size_t point_stride) {
    VECTOR lines[6][6];
    for (int j = 0; j < 6; j++) {
        bool inside = (uint)(left + j) < (uint)width;
#define PIXEL(i)                                                                                   \
    (inside && (uint)(top + i) < (uint)height ? LOADV(x, (top + i) * x_row + (left + j) * x_pixel) \
                                              : (VECTOR)0.0f)
#define KEEP(i, value) lines[i][j] = value
        TRANSFORM_INPUT(PIXEL, KEEP)
    }
    for (int i = 0; i < 6; i++) {
#define LINE(j) lines[i][j]
#define WRITE(j, value) VSTORE(value, 0, v + (i * 6 + j) * point_stride)
        TRANSFORM_INPUT(LINE, WRITE)
    }
}

/* A' (from) for one line of six: four pixels. */
#define TRANSFORM_SUMS(from, to)                                                                   \
    {                                                                                              \
        VECTOR s = from(1) + from(2), d = from(1) - from(2);                                       \
        VECTOR s2 = from(3) + from(4), d2 = from(3) - from(4);                                     \
        to(0, from(0) + s + s2);                                                                   \
        to(1, d + 2.0f * d2);                                                                      \
        to(2, s + 4.0f * s2);                                                                      \
        to(3, d + 8.0f * d2 + from(5));                                                            \
    }

/* One vector of channels of a tile; y and residual point at its first pixel. */
static inline void transform_sums(__global const float *sums, size_t point_stride, VECTOR bias,
    int rows, int columns, __global T *y, int y_row, int y_pixel, __global const T *residual,
    int r_row, int r_pixel, float act_a, float act_b) {
    VECTOR lines[4][6], pixels[4];
    for (int j = 0; j < 6; j++) {
#define SUM(i) VLOAD(0, sums + (i * 6 + j) * point_stride)
#define KEEP_SUM(i, value) lines[i][j] = value
        TRANSFORM_SUMS(SUM, KEEP_SUM)
    }
    for (int i = 0; i < rows; i++) {
#define KEEP_PIXEL(j, value) pixels[j] = value + bias
        TRANSFORM_SUMS(LINE, KEEP_PIXEL)
        for (int j = 0; j < columns; j++) {
            VECTOR value = ADD_RESIDUAL_V(pixels[j], i * r_row + j * r_pixel);
            STOREV(y, i * y_row + j * y_pixel, ACTIVATE(value, act_a, act_b));
        }
    }
}

#define ROW_ZERO(i) VECTOR low##i = 0.0f, high##i = 0.0f;
#define ROW_MULTIPLY(i)                                                                            \
    {                                                                                              \
        VECTOR each = (VECTOR)a[i * v_tile + c];                                                   \
        low##i = fma(each, w_low, low##i);                                                         \
        high##i = fma(each, w_high, high##i);                                                      \
    }
#define ROW_STORE(i)                                                                               \
    VSTORE(low##i, 0, to + i * PANEL);                                                             \
    VSTORE(high##i, 1, to + i * PANEL);

#define MULTIPLY                                                                                   \
    {                                                                                              \
        VECTOR w_low = VLOAD(0, w), w_high = VLOAD(1, w);                                          \
        w += PANEL;                                                                                \
        EACH_ROW(ROW_MULTIPLY)                                                                     \
        c++;                                                                                       \
    }
#define STEPS 4 /* LANES are a multiple of it, and so are channels with their pad lanes */
#define EACH_STEP(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define LINE 16 /* floats of a cache line */

/* ROWS tiles at one point: their channels by a panel of weights; meanwhile a share of the weights
 * that come next is fetched, one cache line in STEPS channels. */
static inline void multiply(__global const float *a, size_t v_tile, __global const float *w,
    size_t channels, __global float *to, __global const float *next) {
    EACH_ROW(ROW_ZERO)
    for (size_t c = 0; c < channels;) {
        FETCH(next);
        next += LINE;
        EACH_STEP(MULTIPLY)
    }
    EACH_ROW(ROW_STORE)
}

/* All points of `subs` tiles of ROWS by panels begin..end; a point takes `slice` weights of a
 * panel. */
static inline void multiply_panels(__global const float *v, size_t v_tile, size_t v_point, int subs,
    __global const float *weights, size_t slice, int begin, int end, __global float *sums,
    size_t panel_sums, size_t sum_point) {
    for (int point = 0; point < POINTS; point++)
        for (int panel = begin; panel < end; panel++) {
            __global const float *w = weights + ((size_t)panel * POINTS + point) * slice;
            bool same_point = panel + 1 < end, same_span = same_point || point + 1 < POINTS;
            int next_panel = same_point ? panel + 1 : same_span ? begin : end;
            int next_point = same_point ? point : same_span ? point + 1 : 0;
            __global const float *next =
                weights + ((size_t)next_panel * POINTS + next_point) * slice;
            for (int sub = 0; sub < subs; sub++)
                multiply(v + point * v_point + sub * ROWS * v_tile, v_tile, w, slice / PANEL,
                    sums + point * sum_point + (panel - begin) * panel_sums + sub * ROWS * PANEL,
                    next + sub % STEPS * (slice / STEPS));
        }
}

__kernel void conv_winograd_cpu(CONV_TENSORS, __global const float *weights,
    __global const float *bias, __global float *scratch, uint scratch_at, JOBS, int group_floats,
    int v_tile, int subs, int span, int panel_blocks, int tile_blocks, CONV_GEOMETRY) {
    CONV_BEGIN;
    int panels = (m_end + PANEL - 1) / PANEL, held = -1;
    size_t slice = (size_t)((group_c + STEPS - 1) / STEPS * STEPS) * PANEL;
    EACH_JOB(job) {
        int panel_block = job / tile_blocks, tile_block = job % tile_blocks;
        int panel_begin = (long)panels * panel_block / panel_blocks;
        int panel_end = (long)panels * (panel_block + 1) / panel_blocks;
        int across = (out_width + 3) / 4, down = (out_height + 3) / 4;
        int tiles = samples * down * across, block = subs * ROWS;
        int blocks = (tiles + block - 1) / block;
        int block_end = (long)blocks * (tile_block + 1) / tile_blocks;
        size_t v_point = (size_t)block * v_tile, panel_sums = (size_t)block * PANEL;
        size_t sum_point = span * panel_sums;
        __global float *v = scratch + scratch_at + (size_t)JOB_PLACE * group_floats;
        __global float *sums = v + POINTS * v_point;
        for (int b = (long)blocks * tile_block / tile_blocks; b < block_end; b++) {
            int first = b * block, count = min(block, tiles - first);
            for (int t = 0; t < count && b != held; t++) {
                int tile = first + t, ox = tile % across * 4, oy = tile / across % down * 4;
                __global const T *image = x + (size_t)(tile / (across * down)) * x_sample;
                for (int c = 0; c < group_c; c += LANES)
                    transform_input(image + c, oy - pad_top, ox - pad_left, height, width, x_row,
                        x_pixel, v + (size_t)t * v_tile + c, v_point);
            }
            held = b;
            for (int begin = panel_begin; begin < panel_end; begin += span) {
                int end = min(begin + span, panel_end);
                multiply_panels(v, v_tile, v_point, (count + ROWS - 1) / ROWS, weights, slice,
                    begin, end, sums, panel_sums, sum_point);
                for (int t = 0; t < count; t++) {
                    int tile = first + t, ox = tile % across * 4, oy = tile / across % down * 4;
                    int sample = tile / (across * down);
                    __global const float *from = sums + t * PANEL;
                    for (int m = begin * PANEL; m < min(m_end, end * PANEL); m += LANES)
                        transform_sums(from + (m / PANEL - begin) * panel_sums + m % PANEL,
                            sum_point, VLOAD(0, bias + m), min(4, out_height - oy),
                            min(4, out_width - ox),
                            y + ((size_t)sample * y_sample + oy * y_row + ox * y_pixel + m), y_row,
                            y_pixel, RESIDUAL_AT(sample * r_sample + oy * r_row + ox * r_pixel + m),
                            r_row, r_pixel, act_a, act_b);
                }
            }
        }
    }
}
