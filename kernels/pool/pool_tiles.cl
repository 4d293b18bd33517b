/* Pooling of channels-last images on a GPU by tiles of windows (windows.clh). -DAVERAGE or
 * -DMAXIMUM. */
#include "kernels/common/windows.clh"
#include "kernels/pool/reduction.clh"

/* One by the inputs of a window, along a dimension, that lie in from .. to - 1. */
static inline float share(int first, int length, int from, int to) {
    return 1.0f / (float)(min(first + length, to) - max(first, from));
}

/* Grid: channels by LANES, outputs of a line by PIXELS and of an image by ROWS, samples, one after
 * another in dimension 0. */
__kernel void pool_tiles(__global const T *in, uint in_offset, int in_h, int in_w, int in_sample,
    int in_row, int in_pixel, __global T *out, uint out_offset, int out_h, int out_w,
    int out_sample, int out_row, int out_pixel, int channels, int samples, int pad_top,
    int pad_left, int pad_bottom, int pad_right, int include_pad) {
    KNOW(channels, in_h, in_w, out_h, out_w, pad_top, pad_left, in_row, in_pixel, out_row, out_pixel);
    int4 tile = tile_at(get_global_id(0), channels, out_h, out_w);
    int ox = tile.y, oy = tile.z, sample = tile.w;
    if (sample >= samples)
        return;
    int top = oy * STRIDE_H - pad_top, left = ox * STRIDE_W - pad_left;
    int last_top = last_begin(out_h, ROWS, STRIDE_H, pad_top),
        last_left = last_begin(out_w, PIXELS, STRIDE_W, pad_left);
    in = in + in_offset + (sample * in_sample + top * in_row + left * in_pixel + tile.x);
    out = out + out_offset + (sample * out_sample + oy * out_row + ox * out_pixel + tile.x);
    FLOATS sum[ROWS][PIXELS];
#ifdef AVERAGE
    int border = include_pad ? 1 : 0;
    float column_share[PIXELS];
#pragma unroll
    for (int p = 0; p < PIXELS; p++)
        column_share[p] =
            share(left + p * STRIDE_W, KERNEL_W, -pad_left * border, in_w + pad_right * border);
#endif
#pragma unroll
    for (int i = 0; i < LINES; i += LINE_STEP) {
        if (!is_used(i, KERNEL_H, STRIDE_H, DILATION_H, ROWS))
            continue;
        FLOATS value[COLUMNS];
        load_line(value, in + i * in_row, in_pixel, is_inside(i, top, in_h, pad_top, last_top), left,
            in_w, pad_left, last_left);
#pragma unroll
        for (int p = 0; p < PIXELS; p++) {
            FLOATS all = value[p * STRIDE_W];
#pragma unroll
            for (int s = 1; s < KERNEL_W; s++)
                all = ADD(all, value[p * STRIDE_W + s]);
#pragma unroll
            for (int r = 0; r < KERNEL_H; r++) {
                int o = output_of(i, r, STRIDE_H, DILATION_H, ROWS);
                if (o >= 0)
                    sum[o][p] = r ? ADD(sum[o][p], all) : all;
            }
        }
        int o = output_of(i, KERNEL_H - 1, STRIDE_H, DILATION_H, ROWS);
        if (o < 0 || !exists(o, oy, out_h, ROWS))
            continue;
#ifdef AVERAGE
        float row_share =
            share(top + o * STRIDE_H, KERNEL_H, -pad_top * border, in_h + pad_bottom * border);
#endif
#pragma unroll
        for (int p = 0; p < PIXELS; p++) {
            if (!exists(p, ox, out_w, PIXELS))
                continue;
#ifdef AVERAGE
            sum[o][p] *= row_share * column_share[p];
#endif
            store_floats(out + o * out_row + p * out_pixel, sum[o][p]);
        }
    }
}
