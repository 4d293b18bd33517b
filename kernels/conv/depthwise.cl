/* Depthwise convolution for GPUs by tiles of windows (windows.clh). */
#include "kernels/common/windows.clh"
#include "kernels/conv/conv.clh"

#if LANES == 2
#define ACTIVATE(v) E2B_ACTIVATE(v, act_a, act_b)
#else
#define ACTIVATE(v) JOIN(activate, LANES)(v, act_a, act_b)
#endif

/* Grid: channels by LANES, outputs of a line by PIXELS and of an image by ROWS, samples, one after
 * another in dimension 0. */
__kernel void conv_depthwise(CONV_TENSORS, __global const float *restrict weights,
    __global const float *restrict bias, CONV_GEOMETRY) {
    CONV_BEGIN;
    KNOW(m_end, height, width, out_height, out_width, pad_top, pad_left, x_row, x_pixel, y_row,
        y_pixel);
    int4 tile = tile_at(get_global_id(0), m_end, out_height, out_width);
    int m = tile.x, ox = tile.y, oy = tile.z, sample = tile.w;
    if (sample >= samples)
        return;
    int top = oy * STRIDE_H - pad_top, left = ox * STRIDE_W - pad_left;
    int last_top = last_begin(out_height, ROWS, STRIDE_H, pad_top),
        last_left = last_begin(out_width, PIXELS, STRIDE_W, pad_left);
    x += sample * x_sample + top * x_row + left * x_pixel + m;
    y += sample * y_sample + oy * y_row + ox * y_pixel + m;
#ifdef RESIDUAL
    residual += sample * r_sample + oy * r_row + ox * r_pixel + m;
#endif
    FLOATS tap[KERNEL_H * KERNEL_W], sum[ROWS][PIXELS];
#pragma unroll
    for (int t = 0; t < KERNEL_H * KERNEL_W; t++)
        tap[t] = *(__global const FLOATS *)(weights + t * m_end + m);
    FLOATS first = *(__global const FLOATS *)(bias + m);
#pragma unroll
    for (int i = 0; i < LINES; i += LINE_STEP) {
        if (!is_used(i, KERNEL_H, STRIDE_H, DILATION_H, ROWS))
            continue;
        FLOATS value[COLUMNS];
        load_line(value, x + i * x_row, x_pixel, is_inside(i, top, height, pad_top, last_top), left,
            width, pad_left, last_left);
#pragma unroll
        for (int r = 0; r < KERNEL_H; r++) {
            int o = output_of(i, r, STRIDE_H, DILATION_H, ROWS);
            if (o < 0)
                continue;
#pragma unroll
            for (int p = 0; p < PIXELS; p++) {
                FLOATS so_far = r ? sum[o][p] : first;
#pragma unroll
                for (int s = 0; s < KERNEL_W; s++)
                    so_far = fma(value[p * STRIDE_W + s * DILATION_W], tap[r * KERNEL_W + s], so_far);
                sum[o][p] = so_far;
            }
        }
        int o = output_of(i, KERNEL_H - 1, STRIDE_H, DILATION_H, ROWS);
        if (o < 0 || !exists(o, oy, out_height, ROWS))
            continue;
#pragma unroll
        for (int p = 0; p < PIXELS; p++) {
            if (!exists(p, ox, out_width, PIXELS))
                continue;
#ifdef RESIDUAL
            sum[o][p] += to_floats(load_words(residual + o * r_row + p * r_pixel, true));
#endif
            store_floats(y + o * y_row + p * y_pixel, ACTIVATE(sum[o][p]));
        }
    }
}
