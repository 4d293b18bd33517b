/* Pooling of channels-last images by vectors of V channels, pad lanes included (they are finite and
 * stay so). -DAVERAGE or -DMAXIMUM. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#if V == 1
#define FLOATV float
#define LOADV(p, i) LOAD(p, i)
#define STOREV(p, i, v) STORE(p, i, v)
#else
#define FLOATV CAT(float, V)
#define LOADV(p, i) CAT(LOAD, V)(p, i)
#define STOREV(p, i, v) CAT(STORE, V)(p, i, v)
#endif

#include "kernels/pool/reduction.clh"

#define IMAGE(x) int x##_h, int x##_w, int x##_n_stride, int x##_h_stride, int x##_w_stride

/* Taps of a window that lie in from .. to - 1. */
static inline int taps(int first, int kernel_size, int dilation, int from, int to) {
    int count = 0;
    for (int k = 0; k < kernel_size; k++) {
        int at = first + k * dilation;
        count += at >= from && at < to;
    }
    return count;
}

/* A work-item does per_item vectors of neighbouring channels and pixels. */
__kernel void pool_window(__global const T *in, uint in_offset, IMAGE(in), __global T *out,
    uint out_offset, IMAGE(out), int kh, int sh, int dh, int pad_top, int pad_bottom, int kw, int sw,
    int dw, int pad_left, int pad_right, int include_pad, int chunks, int total, int per_item) {
    int id = (int)get_global_id(0) * per_item;
    int end = min(id + per_item, total);
    for (; id < end; id++) {
        int rest = id / chunks, c = (id - rest * chunks) * V;
        int x = rest % out_w;
        rest /= out_w;
        int y = rest % out_h, n = rest / out_h;
        int top = y * sh - pad_top, left = x * sw - pad_left;
        __global const T *image = in + in_offset + (n * in_n_stride + c);
        FLOATV sum = (FLOATV)(START);
        for (int i = 0; i < kh; i++) {
            int row = top + i * dh;
            if (row < 0 || row >= in_h)
                continue;
            for (int j = 0; j < kw; j++) {
                int column = left + j * dw;
                if (column >= 0 && column < in_w)
                    sum = ADD(sum, LOADV(image, row * in_h_stride + column * in_w_stride));
            }
        }
#ifdef AVERAGE
        int count = include_pad
            ? taps(top, kh, dh, -pad_top, in_h + pad_bottom)
                * taps(left, kw, dw, -pad_left, in_w + pad_right)
            : taps(top, kh, dh, 0, in_h) * taps(left, kw, dw, 0, in_w);
        sum /= (float)count;
#endif
        int to = n * out_n_stride + y * out_h_stride + x * out_w_stride + c;
        STOREV(out + out_offset, to, sum);
    }
}

#define LANES 32
#define SHARES 4

__kernel void pool_global(__global const T *in, uint in_offset, IMAGE(in), __global T *out,
    uint out_offset, IMAGE(out), int chunks) {
    LOCAL(parts, SHARES * LANES * V / 4);
    __local FLOATV *part = (__local FLOATV *)parts;
    int lane = (int)get_local_id(0), share = (int)get_local_id(1), n = (int)get_global_id(2);
    int chunk = (int)get_global_id(0);
    int c = min(chunk, chunks - 1) * V;
    __global const T *image = in + in_offset + (n * in_n_stride + c);
    FLOATV sum = (FLOATV)(START);
    for (int i = share; i < in_h * in_w; i += SHARES) {
        int row = i / in_w;
        sum = ADD(sum, LOADV(image, row * in_h_stride + (i - row * in_w) * in_w_stride));
    }
    part[share * LANES + lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (share == 0 && chunk < chunks) {
        for (int i = 1; i < SHARES; i++)
            sum = ADD(sum, part[i * LANES + lane]);
#ifdef AVERAGE
        sum /= (float)(in_h * in_w);
#endif
        STOREV(out + out_offset, n * out_n_stride + c, sum);
    }
}
