/* A 1x1 convolution and the depthwise one that reads it, on a CPU: a job computes a band of output
 * rows of one chunk of VECTORS vectors of channels. The image between the two is kept in a ring of
 * KERNEL_H lines of PITCH pixels, columns of padding included: each line is computed once a band,
 * in register tiles of ROWS pixels, and read by tiles of RUN pixels by one vector. -DKERNEL_H,
 * -DKERNEL_W and -DSTRIDE_W are the depthwise convolution's. */
#include "kernels/common/jobs.clh"
#include "kernels/common/rows.clh"
#include "kernels/conv/conv.clh"

#define CHUNK (VECTORS * LANES)

#define WIDTH VECTORS
#include "kernels/conv/width.clh"
#define INPUT(i) LOAD(a##i, c)
#define DO_BESIDE
#include "kernels/conv/sums.clh"

#define ROW_AT(i) __global const T *a##i = x + min(i, rows - 1) * x_pixel;
#define KEEP(i, v) VKEEP(ACTIVATE(sum##i##_##v, act_a, act_b), i * VECTORS + v, to);
#define ROW_KEEP(i)                                                                                \
    if (i < rows) {                                                                                \
        KEEP(i, 0)                                                                                 \
        ON_1(KEEP(i, 1))                                                                           \
        ON_2(KEEP(i, 2))                                                                           \
        ON_3(KEEP(i, 3))                                                                           \
    }

static inline void expand_tile(__global const T *x, int x_pixel, int rows, int channels,
    __global const float *w, __global const float *bias, float *to, float act_a, float act_b) {
    EACH_ROW(ROW_BEGIN)
    EACH_ROW(ROW_AT)
    for (size_t c = 0; c < channels; c++)
        MULTIPLY
    EACH_ROW(ROW_KEEP)
}

#define RUN_BEGIN(i) VECTOR sum##i = VLOAD(0, bias);
#define RUN_MULTIPLY(i) sum##i = fma(VLOAD(0, from + (i * STRIDE_W + s) * CHUNK), w, sum##i);
#define RUN_FINISH(i)                                                                              \
    if (i < count)                                                                                 \
        STOREV(y, i *y_pixel, ACTIVATE(sum##i, act_a, act_b));

/* RUN pixels by one vector; `row` is the first row of the window, of which those from r_begin to
 * r_end - 1 are inside the image. */
static inline void depthwise_tile(const float *ring, int row, int r_begin, int r_end,
    __global const float *weights, __global const float *bias, int m_end, int count, __global T *y,
    int y_pixel, float act_a, float act_b) {
    ROWS_OF(RUN, RUN_BEGIN)
    for (int r = r_begin; r < r_end; r++) {
        const float *from = ring + (row + r) % KERNEL_H * (PITCH * CHUNK);
#pragma unroll
        for (int s = 0; s < KERNEL_W; s++) {
            VECTOR w = VLOAD(0, weights + (r * KERNEL_W + s) * m_end);
            ROWS_OF(RUN, RUN_MULTIPLY)
        }
    }
    ROWS_OF(RUN, RUN_FINISH)
}

__kernel void expand_depthwise_cpu(CONV_TENSORS, __global const float *expansion,
    __global const float *expansion_bias, __global const float *weights,
    __global const float *bias, JOBS, int chunks, int bands, int channels, CONV_GEOMETRY) {
    CONV_BEGIN;
    float ring[KERNEL_H * PITCH * CHUNK];
    for (int i = 0; i < KERNEL_H * PITCH * CHUNK; i++)
        ring[i] = 0.0f;
    EACH_JOB(job) {
        int m = job % chunks * CHUNK, band = job / chunks % bands, sample = job / chunks / bands;
        int end = (long)out_height * (band + 1) / bands;
        int oy = (long)out_height * band / bands, done = max(oy * stride_h - pad_top, 0);
        for (; oy < end; oy++) {
            int top = oy * stride_h - pad_top, below = min(top + KERNEL_H, height);
            for (; done < below; done++)
                for (int ix = 0; ix < width; ix += ROWS)
                    expand_tile(x + (sample * x_sample + done * x_row + ix * x_pixel), x_pixel,
                        min(ROWS, width - ix), channels, expansion + (size_t)m * channels,
                        expansion_bias + m,
                        ring + (done % KERNEL_H * PITCH + pad_left + ix) * CHUNK, act_a, act_b);
            for (int v = 0; v < CHUNK && m + v < m_end; v += LANES)
                for (int ox = 0; ox < out_width; ox += RUN)
                    depthwise_tile(ring + ox * STRIDE_W * CHUNK + v, top + KERNEL_H,
                        max(-top, 0), min(KERNEL_H, height - top), weights + m + v, bias + m + v,
                        m_end, min(RUN, out_width - ox),
                        y + (sample * y_sample + oy * y_row + ox * y_pixel + m + v), y_pixel,
                        act_a, act_b);
        }
    }
}
