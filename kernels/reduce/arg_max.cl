/* Index of the largest (-DMINIMUM: smallest) of `length` elements, the first or -DLAST of equal ones.
 * One result a work-item, over up to 4 dimensions of d (length), y (output stride), x (input
 * stride), innermost first. */

#define DIM(n) int d##n, int y##n, int x##n
#ifdef MINIMUM
#define BETTER(a, b) ((a) < (b))
#else
#define BETTER(a, b) ((a) > (b))
#endif
#ifdef LAST
#define TAKES(a, b) (BETTER(a, b) || (a) == (b))
#else
#define TAKES(a, b) BETTER(a, b)
#endif

__kernel void arg_max(__global const T *in, uint in_offset, __global long *out, uint out_offset,
    int count, int length, int stride, DIM(0), DIM(1), DIM(2), DIM(3)) {
    int rest = (int)get_global_id(0);
    if (rest >= count)
        return;
    int i0 = rest % d0;
    rest /= d0;
    int i1 = rest % d1;
    rest /= d1;
    int i2 = rest % d2, i3 = rest / d2, best = 0;
    in += in_offset + (i0 * x0 + i1 * x1 + i2 * x2 + i3 * x3);
    float most = LOAD(in, 0);
    for (int i = 1; i < length; i++) {
        float value = LOAD(in, i * stride);
        bool takes = TAKES(value, most);
        best = takes ? i : best;
        most = takes ? value : most;
    }
    out[out_offset + (i0 * y0 + i1 * y1 + i2 * y2 + i3 * y3)] = best;
}
