/* Padding of up to 6 dimensions, densest of the output first: d output length, n input length, b
 * elements added before, y and x strides. MODE as enum e2b_pad_mode. Of dimension 0, elements
 * d0 .. inner - 1 are pad lanes and become 0. A work-item does per_item neighbours. */

#define DIM(k) int d##k, int n##k, int b##k, int y##k, int x##k

#if MODE == 1
#define SOURCE(i, n) ((i) < 0 ? -(i) : (i) >= (n) ? 2 * (n)-2 - (i) : (i))
#elif MODE == 2
#define SOURCE(i, n) clamp(i, 0, (n)-1)
#elif MODE == 3
#define SOURCE(i, n) ((i) < 0 ? (i) + (n) : (i) >= (n) ? (i) - (n) : (i))
#else
#define SOURCE(i, n) (i)
#endif

#define PLACE(k, index)                                                                            \
    {                                                                                              \
        int source = SOURCE((index)-b##k, n##k);                                                   \
        inside &= source >= 0 && source < n##k;                                                    \
        from += source * x##k;                                                                     \
        to += (index)*y##k;                                                                        \
    }
#define TAKE(k)                                                                                    \
    PLACE(k, rest % d##k)                                                                          \
    rest /= d##k;

__kernel void pad(__global const T *in, uint in_offset, __global T *out, uint out_offset, int total,
    int per_item, int inner, float value, DIM(0), DIM(1), DIM(2), DIM(3), DIM(4), DIM(5)) {
    int id = (int)get_global_id(0) * per_item;
    int end = min(id + per_item, total);
    in += in_offset;
    out += out_offset;
    for (; id < end; id++) {
        int rest = id / inner, first = id - rest * inner, from = 0, to = 0, inside = 1;
        TAKE(1) TAKE(2) TAKE(3) TAKE(4) TAKE(5)
        if (first >= d0) {
            STORE(out, to + first * y0, 0.0f);
            continue;
        }
        PLACE(0, first)
        STORE(out, to, inside ? LOAD(in, from) : value);
    }
}
