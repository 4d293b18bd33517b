/* Pooling of channels-last images on a GPU: a work-item makes 8 channels of PIXELS neighbours in a
 * line, so that it loads each input of a window's row once. -DAVERAGE or -DMAXIMUM; -DKERNEL_H,
 * -DKERNEL_W and -DSTRIDE_W are the pool's; -DPTX as in octets.clh. All tensors lie at multiples of 8
 * elements. Grid: 8 channels, PIXELS of a line, lines of all samples. */
#include "kernels/common/octets.clh"
#include "kernels/pool/reduction.clh"

#define COLUMNS ((PIXELS - 1) * STRIDE_W + KERNEL_W)

static inline int overlap(int first, int length, int from, int to) {
    return min(first + length, to) - max(first, from);
}

__kernel void pool_line(__global const T *in, uint in_offset, int in_h, int in_w, int in_sample,
    int in_row, int in_pixel, __global T *out, uint out_offset, int out_h, int out_w,
    int out_sample, int out_row, int out_pixel, int channels, int lines, int stride_h, int pad_top,
    int pad_left, int pad_bottom, int pad_right, int include_pad) {
    int c = get_global_id(0) * 8, ox = get_global_id(1) * PIXELS, line = get_global_id(2);
    if (c >= channels || ox >= out_w || line >= lines)
        return;
    int sample = line / out_h, oy = line - sample * out_h;
    int top = oy * stride_h - pad_top, left = ox * STRIDE_W - pad_left;
    float8 sum[PIXELS];
#pragma unroll
    for (int p = 0; p < PIXELS; p++)
        sum[p] = (float8)(START);
#pragma unroll
    for (int r = 0; r < KERNEL_H; r++) {
        if ((uint)(top + r) >= (uint)in_h)
            continue;
        __global const T *from =
            in + in_offset + sample * in_sample + (top + r) * in_row + left * in_pixel + c;
#pragma unroll
        for (int k = 0; k < COLUMNS; k++) {
            float8 value = (float8)(START);
            if ((uint)(left + k) < (uint)in_w)
                value = load_octet(from + k * in_pixel);
#pragma unroll
            for (int p = 0; p < PIXELS; p++)
                if (k >= p * STRIDE_W && k < p * STRIDE_W + KERNEL_W)
                    sum[p] = ADD(sum[p], value);
        }
    }
    int border = include_pad ? 1 : 0;
    int rows = overlap(top, KERNEL_H, -pad_top * border, in_h + pad_bottom * border);
    __global T *to = out + out_offset + sample * out_sample + oy * out_row + ox * out_pixel + c;
#pragma unroll
    for (int p = 0; p < PIXELS; p++) {
        if (ox + p >= out_w)
            continue;
#ifdef AVERAGE
        int columns = overlap(
            left + p * STRIDE_W, KERNEL_W, -pad_left * border, in_w + pad_right * border);
        sum[p] *= 1.0f / (float)(rows * columns);
#endif
        store_octet(to + p * out_pixel, sum[p]);
    }
}
