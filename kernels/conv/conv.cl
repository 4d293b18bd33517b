/* Convolution, channels-last, for GPUs and for any device. One of TILE, DIRECT is
 * defined. */
#include "kernels/conv/conv.clh"

#ifdef TILE
/* Implicit GEMM: a group of 16x16 work-items computes 64 pixels by 64 channels of one group, in
 * steps of 16 input channels of one tap that it stages in local memory. Work-item (i, j) holds
 * pixels j + 16 p and channels 4 i.. so that stores of neighbours are adjacent. Weights come as
 * panels of 64 channels, [taps][group_c][64]. */
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void conv_tile(CONV_TENSORS,
    __global const float *weights, __global const float *bias, int group_panels, CONV_GEOMETRY) {
    __local float pixels_tile[16][64 + 1], weights_tile[16][64];
    CONV_BEGIN;
    int i = get_local_id(0), j = get_local_id(1), lane = j * 16 + i;
    int panel = get_group_id(0), group = panel / group_panels;
    int pixels = samples * out_height * out_width, first = get_group_id(1) * 64;
    /* What this work-item stages: 4 channels of one pixel, 4 channels of one weight row. */
    int stage_pixel = lane / 4, stage_c = lane % 4 * 4, stage_k = lane / 16, stage_m = lane % 16 * 4;
    int staged = min(first + stage_pixel, pixels - 1);
    int row = staged / out_width % out_height * stride_h - pad_top;
    int column = staged % out_width * stride_w - pad_left;
    int sample = staged / (out_width * out_height);
    int base = sample * x_sample + row * x_row + column * x_pixel + group * group_c;
    __global const float *w = weights + (size_t)panel * kernel_h * kernel_w * group_c * 64;
    float4 sum[4];
    for (int p = 0; p < 4; p++)
        sum[p] = vload4(0, bias + panel * 64 + i * 4);
    for (int r = 0; r < kernel_h; r++)
        for (int s = 0; s < kernel_w; s++) {
            int iy = row + r * dilation_h, ix = column + s * dilation_w;
            bool inside = (uint)iy < (uint)height && (uint)ix < (uint)width;
            int at = base + r * dilation_h * x_row + s * dilation_w * x_pixel;
            for (int c = 0; c < group_c; c += 16) {
                for (int k = 0; k < 4; k++) {
                    int channel = c + stage_c + k;
                    pixels_tile[stage_c + k][stage_pixel] =
                        inside && channel < group_c ? LOAD(x, at + channel) : 0.0f;
                }
                float4 staged_w = c + stage_k < group_c
                    ? vload4(0, w + (size_t)(c + stage_k) * 64 + stage_m)
                    : (float4)0.0f;
                vstore4(staged_w, 0, &weights_tile[stage_k][stage_m]);
                barrier(CLK_LOCAL_MEM_FENCE);
                for (int k = 0; k < 16; k++) {
                    float4 b = vload4(0, &weights_tile[k][i * 4]);
                    for (int p = 0; p < 4; p++)
                        sum[p] = fma((float4)pixels_tile[k][j + 16 * p], b, sum[p]);
                }
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            w += (size_t)group_c * 64;
        }
    int m = group * group_m + panel % group_panels * 64 + i * 4;
    int lanes = (group + 1 == groups ? m_end : (group + 1) * group_m) - m;
    for (int p = 0; p < 4; p++) {
        int pixel = first + j + 16 * p;
        if (pixel >= pixels)
            continue;
        int oy = pixel / out_width % out_height, ox = pixel % out_width;
        int n = pixel / (out_width * out_height);
        int y_base = n * y_sample + oy * y_row + ox * y_pixel + m;
        int r_base = n * r_sample + oy * r_row + ox * r_pixel + m;
        if (lanes >= 4) {
            float4 value = ADD_RESIDUAL(4, sum[p], r_base);
            STORE4(y, y_base, activate4(value, act_a, act_b));
            continue;
        }
        float each[4];
        vstore4(sum[p], 0, each);
        for (int l = 0; l < lanes; l++) {
            float value = ADD_RESIDUAL(, each[l], r_base + l);
            STORE(y, y_base + l, activate(value, act_a, act_b));
        }
    }
}
#endif

#ifdef DIRECT
/* Grid: channel (pad lanes too), pixel of a sample, sample. Weights and bias are any operands;
 * -DBIAS if there is one. A pixel is the largest of POOL_H by POOL_W. */
__kernel void conv_direct(CONV_TENSORS, __global const T *weights, uint weights_at,
    __global const T *bias, uint bias_at, int w_m, int w_c, int w_row, int w_column,
    int x_channel, CONV_GEOMETRY) {
    CONV_BEGIN;
    int m = get_global_id(0), pixel = get_global_id(1), sample = get_global_id(2);
    out_height /= POOL_H;
    out_width /= POOL_W;
    if (m >= m_end || pixel >= out_height * out_width)
        return;
    int oy = pixel / out_width, ox = pixel % out_width;
    size_t y_index = (size_t)sample * y_sample + oy * y_row + ox * y_pixel + m;
    if (m >= groups * group_m) {
        STORE(y, y_index, 0.0f);
        return;
    }
    weights += weights_at;
    bias += bias_at;
    int r_at = sample * r_sample + oy * r_row + ox * r_pixel + m;
    float best = -INFINITY;
    for (int p = 0; p < POOL_H * POOL_W; p++) {
        float sum = 0.0f;
        for (int r = 0; r < kernel_h; r++) {
            int iy = (oy * POOL_H + p / POOL_W) * stride_h - pad_top + r * dilation_h;
            if ((uint)iy >= (uint)height)
                continue;
            for (int s = 0; s < kernel_w; s++) {
                int ix = (ox * POOL_W + p % POOL_W) * stride_w - pad_left + s * dilation_w;
                if ((uint)ix >= (uint)width)
                    continue;
                int at = sample * x_sample + iy * x_row + ix * x_pixel
                    + m / group_m * group_c * x_channel;
                int w_at = m * w_m + r * w_row + s * w_column;
                for (int c = 0; c < group_c; c++)
                    sum = fma(LOAD_X(x, at + c * x_channel), LOAD(weights, w_at + c * w_c), sum);
            }
        }
#ifdef BIAS
        sum += LOAD(bias, m);
#endif
        sum = ADD_RESIDUAL(, sum, r_at);
        best = max(best, activate(sum, act_a, act_b));
    }
    STORE(y, y_index, best);
}
#endif
