/* Convolution of few input channels on a CPU: a work-item computes runs of output rows. The lines of
 * the image under a row of windows are copied side by side, each CHANNELS x KERNEL_H of PITCH numbers
 * with zeros beyond the image's edges; then each register tile of ROWS neighbouring pixels by VECTORS
 * vectors of channels finds its inputs at fixed distances. The image may lie in any way; -DPLANAR says
 * that its columns are dense. -DCHANNELS, -DKERNEL_H, -DKERNEL_W, -DSTRIDE_W and -DDILATION_W are the
 * convolution's. */
#include "kernels/conv/conv.clh"
#include "kernels/common/jobs.clh"
#include "kernels/common/rows.clh"

#define WIDTH VECTORS
#include "kernels/conv/width.clh"
#define INPUT(i) from[i * STRIDE_W]
#define RESULT(i) i *y_pixel
#define ADDEND(i) i *r_pixel
#define DO_BESIDE
#include "kernels/conv/sums.clh"

#ifdef PLANAR
#define COLUMN(i) (i)
#else
#define COLUMN(i) ((i) * x_pixel)
#endif

static inline void copy_line(
    __global const X_T *line, int x_pixel, int width, int pad_left, bool inside, float *to) {
    int begin = min(pad_left, PITCH), end = inside ? min(pad_left + width, PITCH) : begin;
    for (int i = 0; i < begin; i++)
        to[i] = 0.0f;
    for (int i = begin; i < end; i++)
        to[i] = LOAD_X(line, COLUMN(i - pad_left));
    for (int i = end; i < PITCH; i++)
        to[i] = 0.0f;
}

/* `lines` points at the first pixel's window. */
static inline void tile(const float *lines, int rows, int lanes, __global const float *w,
    __global const float *bias, __global T *y, int y_pixel, __global const T *residual, int r_pixel,
    float act_a, float act_b) {
    EACH_ROW(ROW_BEGIN)
    for (int r = 0; r < KERNEL_H; r++)
        for (int s = 0; s < KERNEL_W; s++) {
            const float *tap = lines + r * PITCH + s * DILATION_W;
#pragma unroll
            for (int c = 0; c < CHANNELS; c++) {
                const float *from = tap + c * KERNEL_H * PITCH;
                MULTIPLY
            }
        }
    FINISH
}

__kernel void conv_lines_cpu(CONV_TENSORS, __global const float *weights,
    __global const float *bias, JOBS, int panels, int x_channel, CONV_GEOMETRY) {
    CONV_BEGIN;
#ifndef RESIDUAL
    __global const T *residual = y;
#endif
    int count = samples * out_height;
    float lines[CHANNELS * KERNEL_H * PITCH];
    EACH_JOB(job) {
        int end = (long)count * (job + 1) / jobs;
        for (int line = (long)count * job / jobs; line < end; line++) {
            int sample = line / out_height, oy = line % out_height, top = oy * stride_h - pad_top;
            for (int c = 0; c < CHANNELS; c++)
                for (int r = 0; r < KERNEL_H; r++) {
                    int row = top + r * dilation_h;
                    copy_line(x + (sample * x_sample + c * x_channel + row * x_row), x_pixel, width,
                        pad_left, (uint)row < (uint)height, lines + (c * KERNEL_H + r) * PITCH);
                }
            for (int panel = 0; panel < panels; panel++) {
                int m = panel * VECTORS * LANES;
                __global const float *w =
                    weights + (size_t)m * (CHANNELS * KERNEL_H * KERNEL_W);
                for (int ox = 0; ox < out_width; ox += ROWS)
                    tile(lines + ox * STRIDE_W, min(ROWS, out_width - ox), m_end - m, w, bias + m,
                        y + (sample * y_sample + oy * y_row + ox * y_pixel + m), y_pixel,
                        residual + (sample * r_sample + oy * r_row + ox * r_pixel + m), r_pixel,
                        act_a, act_b);
            }
        }
    }
}
