/* Resizes channels-last images by vectors of V channels, pad lanes included. The tables hold, for
 * each output row and column, the lower and upper index to read and the weight of the upper one. A
 * work-item does per_item vectors of neighbouring channels and pixels. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#if V == 1
#define LOADV(p, i) LOAD(p, i)
#define STOREV(p, i, v) STORE(p, i, v)
#define FLOATV float
#else
#define LOADV(p, i) CAT(LOAD, V)(p, i)
#define STOREV(p, i, v) CAT(STORE, V)(p, i, v)
#define FLOATV CAT(float, V)
#endif
#define IMAGE(x) int x##_n, int x##_h, int x##_w

__kernel void resize(__global const T *in, uint in_offset, IMAGE(in), __global T *out,
    uint out_offset, IMAGE(out), __global const int *rows, __global const int *columns, int height,
    int width, int chunks, int total, int per_item) {
    int id = (int)get_global_id(0) * per_item;
    int end = min(id + per_item, total);
    for (; id < end; id++) {
        int rest = id / chunks, c = (id - rest * chunks) * V;
        int x = rest % width;
        rest /= width;
        int y = rest % height, n = rest / height;
        __global const T *from = in + in_offset + (n * in_n + c);
        int top = rows[3 * y] * in_h, left = columns[3 * x] * in_w;
        FLOATV value = LOADV(from, top + left);
#ifdef LINEAR
        int bottom = rows[3 * y + 1] * in_h, right = columns[3 * x + 1] * in_w;
        float down = as_float(rows[3 * y + 2]), across = as_float(columns[3 * x + 2]);
        FLOATV lower = LOADV(from, bottom + left);
        value += (LOADV(from, top + right) - value) * across;
        lower += (LOADV(from, bottom + right) - lower) * across;
        value += (lower - value) * down;
#endif
        STOREV(out + out_offset, n * out_n + y * out_h + x * out_w + c, value);
    }
}
