/* Convolution on a CPU: a work-item computes pixels x channels in register tiles of ROWS pixels by 2
 * vectors of channels. Tiles run over the output's pixels in order; what a tap reads outside the
 * image is `zeros`. */
#include "kernels/conv/conv.clh"
#include "kernels/common/rows.clh"

#ifdef RESIDUAL
#define RESIDUAL_AT(i, half) (residual + r_base[i] + m + half * LANES)
#define PLUS_RESIDUAL(i, half) +LOADV(RESIDUAL_AT(i, half), 0)
#else
#define RESIDUAL_AT(i, half) y
#define PLUS_RESIDUAL(i, half)
#endif

#define ROW_ZERO(i) VECTOR low##i = bias_low, high##i = bias_high;
#ifdef INSIDE
#define ROW_TAP(i) __global const T *a##i = x + base[i] + tap;
#else
#define ROW_TAP(i)                                                                                 \
    __global const T *a##i = (uint)(row[i] + tap_y) < (uint)height                                 \
            && (uint)(column[i] + tap_x) < (uint)width                                             \
        ? x + base[i] + tap                                                                        \
        : zeros;
#endif
#define ROW_MULTIPLY(i)                                                                            \
    {                                                                                              \
        VECTOR a = (VECTOR)LOAD(a##i, c);                                                          \
        low##i = fma(a, w_low, low##i);                                                            \
        high##i = fma(a, w_high, high##i);                                                         \
    }
#define STORE_LOW(i)                                                                               \
    if (i < rows)                                                                                  \
        STOREV(y, y_base[i] + m, ACTIVATE(low##i PLUS_RESIDUAL(i, 0), act_a, act_b));
#define STORE_HIGH(i)                                                                              \
    if (i < rows)                                                                                  \
        STOREV(y, y_base[i] + m + LANES, ACTIVATE(high##i PLUS_RESIDUAL(i, 1), act_a, act_b));
#define SPILL_LOW(i) VSTORE(low##i, i, each);
#define SPILL_HIGH(i) VSTORE(high##i, i, each);
/* A vector of which not all channels may be written goes through memory. */
#define FINISH(half, STORE_ROW, SPILL_ROW)                                                         \
    if (lanes >= (half + 1) * LANES) {                                                             \
        EACH_ROW(STORE_ROW)                                                                        \
    } else if (lanes > half * LANES) {                                                             \
        float each[ROWS * LANES];                                                                  \
        EACH_ROW(SPILL_ROW)                                                                        \
        for (int i = 0; i < rows; i++)                                                             \
            store_some(each + i * LANES, y + y_base[i] + m + half * LANES, RESIDUAL_AT(i, half),   \
                lanes - half * LANES, act_a, act_b);                                               \
    }

static inline void store_some(const float *each, __global T *y, __global const T *residual,
    int lanes, float act_a, float act_b) {
    for (int i = 0; i < lanes; i++) {
        float value = each[i];
#ifdef RESIDUAL
        value += LOAD(residual, i);
#endif
        STORE(y, i, activate(value, act_a, act_b));
    }
}

__kernel void conv_panel(CONV_TENSORS, __global const float *weights, __global const float *bias,
    __global const T *zeros, int group_panels, int panel_blocks, int pixel_blocks, CONV_GEOMETRY) {
    CONV_BEGIN;
    int job = get_group_id(0);
    int panel_block = job / pixel_blocks, pixel_block = job % pixel_blocks;
    int panels = groups * group_panels;
    int panel_begin = (long)panels * panel_block / panel_blocks;
    int panel_end = (long)panels * (panel_block + 1) / panel_blocks;
    int pixels = samples * out_height * out_width;
    int tiles = (pixels + ROWS - 1) / ROWS;
    int tile_begin = (long)tiles * pixel_block / pixel_blocks;
    int tile_end = (long)tiles * (pixel_block + 1) / pixel_blocks;
#ifdef CHANNELS
    const int channels = CHANNELS;
#else
    const int channels = group_c;
#endif
    size_t panel_floats = (size_t)kernel_h * kernel_w * channels * 2 * LANES;

    int first = tile_begin * ROWS;
    int ox = first % out_width, oy = first / out_width % out_height;
    int sample = first / (out_width * out_height);
    for (int tile = tile_begin; tile < tile_end; tile++) {
        int rows = min(ROWS, pixels - tile * ROWS);
        int row[ROWS], column[ROWS];
        int base[ROWS], y_base[ROWS], r_base[ROWS];
        for (int i = 0; i < ROWS; i++) {
            row[i] = oy * stride_h - pad_top;
            column[i] = ox * stride_w - pad_left;
            base[i] = sample * x_sample + row[i] * x_row + column[i] * x_pixel;
            y_base[i] = sample * y_sample + oy * y_row + ox * y_pixel;
            r_base[i] = sample * r_sample + oy * r_row + ox * r_pixel;
            if (i + 1 < rows || rows == ROWS)
                if (++ox == out_width) {
                    ox = 0;
                    if (++oy == out_height)
                        oy = 0, sample++;
                }
        }
        for (int panel = panel_begin; panel < panel_end; panel++) {
            int group = panel / group_panels, in_group = panel % group_panels * 2 * LANES;
            int m = group * group_m + in_group;
            int lanes = (group + 1 == groups ? m_end : (group + 1) * group_m) - m;
            __global const float *w = weights + panel * panel_floats;
            VECTOR bias_low = VLOAD(0, bias + (size_t)panel * 2 * LANES);
            VECTOR bias_high = VLOAD(1, bias + (size_t)panel * 2 * LANES);
            EACH_ROW(ROW_ZERO)
            for (int r = 0; r < kernel_h; r++)
                for (int s = 0; s < kernel_w; s++) {
                    int tap_y = r * dilation_h, tap_x = s * dilation_w;
                    int tap = tap_y * x_row + tap_x * x_pixel + group * channels;
                    EACH_ROW(ROW_TAP)
                    for (size_t c = 0; c < channels; c++) {
                        VECTOR w_low = VLOAD(0, w), w_high = VLOAD(1, w);
                        w += 2 * LANES;
                        EACH_ROW(ROW_MULTIPLY)
                    }
                }
            FINISH(0, STORE_LOW, SPILL_LOW)
            FINISH(1, STORE_HIGH, SPILL_HIGH)
        }
    }
}
