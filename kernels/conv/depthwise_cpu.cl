/* Depthwise convolution on a CPU: a work-item computes a run of output rows, ROWS neighbouring
 * pixels by one vector of channels at a time, so that a weight is loaded once for all of them and
 * an input once for all taps of a kernel's row. -DKERNEL_H, -DKERNEL_W, -DSTRIDE_W and -DDILATION_W
 * are the convolution's. What lies outside the image is read from `zeros`. Channels up to m_end, a
 * multiple of LANES, are computed, as pad lanes have zero weights. */
#include "kernels/common/jobs.clh"
#include "kernels/common/rows.clh"
#include "kernels/conv/conv.clh"

#define COLUMNS ((ROWS - 1) * STRIDE_W + (KERNEL_W - 1) * DILATION_W + 1)

#define ROW_BEGIN(i) VECTOR sum##i = VLOAD(0, bias + m);
#define ROW_MULTIPLY(i) sum##i = fma(LOADV(column[i * STRIDE_W + s * DILATION_W], m), w, sum##i);
#ifdef RESIDUAL
#define PLUS_RESIDUAL(i) +LOADV(residual, r_base + i * r_pixel + m)
#else
#define PLUS_RESIDUAL(i)
#endif
#define ROW_FINISH(i)                                                                              \
    if (i < rows)                                                                                  \
        STOREV(y, y_base + i * y_pixel + m, ACTIVATE(sum##i PLUS_RESIDUAL(i), act_a, act_b));

__kernel void conv_depthwise_cpu(CONV_TENSORS, __global const float *weights,
    __global const float *bias, __global const T *zeros, JOBS, CONV_GEOMETRY) {
    CONV_BEGIN;
    int lines = samples * out_height;
    EACH_JOB(job) {
        int end = (long)lines * (job + 1) / jobs;
        for (int line = (long)lines * job / jobs; line < end; line++) {
            int sample = line / out_height, oy = line % out_height, top = oy * stride_h - pad_top;
            for (int ox = 0; ox < out_width; ox += ROWS) {
                int rows = min(ROWS, out_width - ox), left = ox * STRIDE_W - pad_left;
                __global const T *columns[KERNEL_H * COLUMNS];
                for (int r = 0; r < KERNEL_H; r++) {
                    int iy = top + r * dilation_h;
                    bool inside = (uint)iy < (uint)height;
                    int at = sample * x_sample + iy * x_row + left * x_pixel;
                    for (int i = 0; i < COLUMNS; i++)
                        columns[r * COLUMNS + i] =
                            inside && (uint)(left + i) < (uint)width ? x + at + i * x_pixel : zeros;
                }
                int y_base = sample * y_sample + oy * y_row + ox * y_pixel;
                int r_base = sample * r_sample + oy * r_row + ox * r_pixel;
                for (size_t m = 0; m < m_end; m += LANES) {
                    EACH_ROW(ROW_BEGIN)
                    __global const float *tap = weights + m;
                    for (int r = 0; r < KERNEL_H; r++) {
                        __global const T *const *column = columns + r * COLUMNS;
#pragma unroll
                        for (int s = 0; s < KERNEL_W; s++) {
                            VECTOR w = VLOAD(0, tap);
                            tap += m_end;
                            EACH_ROW(ROW_MULTIPLY)
                        }
                    }
                    EACH_ROW(ROW_FINISH)
                }
            }
        }
    }
}
