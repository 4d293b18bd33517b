/* Depthwise convolution for GPUs: a work-item computes 8 channels of PIXELS neighbours in a line,
 * so that it loads each input of a kernel's row once, and a row's weights once for all of them. All
 * tensors lie at multiples of 8 elements.
 * -DKERNEL_H, -DKERNEL_W, -DSTRIDE_W and -DDILATION_W are the convolution's; -DPTX as in octets.clh. */
#include "kernels/common/octets.clh"
#include "kernels/conv/conv.clh"

#define COLUMNS ((PIXELS - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1)

static inline float8 load_numbers(__global const float *from) {
    __global const float4 *halves = (__global const float4 *)from;
    return (float8)(halves[0], halves[1]);
}

/* Grid: 8 channels, PIXELS of a line, lines of all samples. */
__kernel void conv_depthwise(CONV_TENSORS, __global const float *restrict weights,
    __global const float *restrict bias, CONV_GEOMETRY) {
    CONV_BEGIN;
    int m = get_global_id(0) * 8, ox = get_global_id(1) * PIXELS, line = get_global_id(2);
    if (m >= m_end || ox >= out_width || line >= samples * out_height)
        return;
    int sample = line / out_height, oy = line - sample * out_height;
    int top = oy * stride_h - pad_top, left = ox * STRIDE_W - pad_left;
    float8 sum[PIXELS];
#pragma unroll
    for (int p = 0; p < PIXELS; p++)
        sum[p] = load_numbers(bias + m);
#pragma unroll
    for (int r = 0; r < KERNEL_H; r++) {
        int iy = top + r * dilation_h;
        if ((uint)iy >= (uint)height)
            continue;
        __global const T *from = x + sample * x_sample + iy * x_row + left * x_pixel + m;
        float8 tap[KERNEL_W];
#pragma unroll
        for (int s = 0; s < KERNEL_W; s++)
            tap[s] = load_numbers(weights + (r * KERNEL_W + s) * m_end + m);
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            float8 value = 0.0f;
            if ((uint)(left + c) < (uint)width)
                value = load_octet(from + c * x_pixel);
#pragma unroll
            for (int p = 0; p < PIXELS; p++)
#pragma unroll
                for (int s = 0; s < KERNEL_W; s++)
                    if (p * STRIDE_W + s * DILATION_W == c)
                        sum[p] = fma(value, tap[s], sum[p]);
        }
    }
    int y_base = sample * y_sample + oy * y_row + m, r_base = sample * r_sample + oy * r_row + m;
#pragma unroll
    for (int p = 0; p < PIXELS; p++) {
        if (ox + p >= out_width)
            continue;
#ifdef RESIDUAL
        sum[p] += load_octet(residual + r_base + (ox + p) * r_pixel);
#endif
        store_octet(y + y_base + (ox + p) * y_pixel, activate8(sum[p], act_a, act_b));
    }
}
