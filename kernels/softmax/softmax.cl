/* Softmax over rows of up to 3 dimensions (-DDENSE: one, dense), of which there are up to 4
 * dimensions. Each dimension is d (length), y (output stride) and x (input stride), innermost
 * first. -DLOGARITHM: its logarithm. */

#define DIM(n) int d##n, int y##n, int x##n
#define PARAMETERS                                                                                 \
    __global const T *in, uint in_offset, __global T *out, uint out_offset, int rows, int length,  \
        DIM(0), DIM(1), DIM(2), DIM(3), DIM(4), DIM(5), DIM(6)

#define PLACE_ROW(row)                                                                             \
    int rest = row;                                                                                \
    int i0 = rest % d0;                                                                            \
    rest /= d0;                                                                                    \
    int i1 = rest % d1;                                                                            \
    rest /= d1;                                                                                    \
    int i2 = rest % d2, i3 = rest / d2;                                                            \
    in += in_offset + (i0 * x0 + i1 * x1 + i2 * x2 + i3 * x3);                                     \
    out += out_offset + (i0 * y0 + i1 * y1 + i2 * y2 + i3 * y3)

#ifdef DENSE
#define PLACE(i, a) (i)
#else
#define PLACE(i, a) ((i) % d4 * a##4 + (i) / d4 % d5 * a##5 + (i) / d4 / d5 * a##6)
#endif

#ifdef LOGARITHM
#define RESULT(x, inverse) ((x) + (inverse))
#define SCALE(sum) (-log(sum))
#else
#define RESULT(x, inverse) (exp(x) * (inverse))
#define SCALE(sum) (1.0f / (sum))
#endif

static inline float sum16(float16 v) {
    float8 a = v.lo + v.hi;
    float4 b = a.lo + a.hi;
    return b.x + b.y + b.z + b.w;
}

static inline float max16(float16 v) {
    float8 a = fmax(v.lo, v.hi);
    float4 b = fmax(a.lo, a.hi);
    return fmax(fmax(b.x, b.y), fmax(b.z, b.w));
}

__kernel void softmax_serial(PARAMETERS) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    PLACE_ROW(row);
    float largest = -INFINITY, sum = 0.0f;
    int from = 0;
#ifdef DENSE
    float16 larger = (float16)(-INFINITY), sums = (float16)(0.0f);
    int end = length / 16 * 16;
    for (int i = 0; i < end; i += 16)
        larger = fmax(larger, LOAD16(in, i));
    largest = max16(larger);
    from = end;
#endif
    for (int i = from; i < length; i++)
        largest = fmax(largest, LOAD(in, PLACE(i, x)));
#ifdef DENSE
    for (int i = 0; i < end; i += 16)
        sums += exp(LOAD16(in, i) - largest);
    sum = sum16(sums);
#endif
    for (int i = from; i < length; i++)
        sum += exp(LOAD(in, PLACE(i, x)) - largest);
    float scale = SCALE(sum);
#ifdef DENSE
    for (int i = 0; i < end; i += 16)
        STORE16(out, i, RESULT(LOAD16(in, i) - largest, scale));
#endif
    for (int i = from; i < length; i++)
        STORE(out, PLACE(i, y), RESULT(LOAD(in, PLACE(i, x)) - largest, scale));
}

#if GROUP > 1
#define REDUCE(value, f)                                                                           \
    part[lane] = value;                                                                            \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                  \
    for (int step = GROUP / 2; step > 0; step /= 2) {                                              \
        if (lane < step)                                                                           \
            part[lane] = f(part[lane], part[lane + step]);                                         \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    }                                                                                              \
    value = part[0];                                                                               \
    barrier(CLK_LOCAL_MEM_FENCE)
#define PLUS(a, b) ((a) + (b))

/* A work-group of GROUP does a row. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void softmax_group(PARAMETERS) {
    __local float part[GROUP];
    int lane = (int)get_local_id(0);
    PLACE_ROW((int)get_group_id(0));
    float largest = -INFINITY, sum = 0.0f;
    for (int i = lane; i < length; i += GROUP)
        largest = fmax(largest, LOAD(in, PLACE(i, x)));
    REDUCE(largest, fmax);
    for (int i = lane; i < length; i += GROUP)
        sum += exp(LOAD(in, PLACE(i, x)) - largest);
    REDUCE(sum, PLUS);
    float scale = SCALE(sum);
    for (int i = lane; i < length; i += GROUP)
        STORE(out, PLACE(i, y), RESULT(LOAD(in, PLACE(i, x)) - largest, scale));
}
#endif
