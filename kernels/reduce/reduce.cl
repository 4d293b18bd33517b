/* Reductions over up to 3 dimensions of a space of 7. Of the kept ones, dimension 0 has `inner`
 * elements including pad lanes, which become 0; `rows` counts the others. Each kept dimension is d
 * (length), y (output stride), x (input stride); each reduced one r (length) and s (input stride);
 * innermost first. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define DIM(n) int d##n, int y##n, int x##n
#define PARAMETERS                                                                                 \
    __global const T *in, uint in_offset, __global T *out, uint out_offset, int rows, int inner,   \
        int count, DIM(0), DIM(1), DIM(2), DIM(3), int r0, int s0, int r1, int s1, int r2, int s2

#define FINISH(v) (v)
#define STEP(a, v) ADD(a, v)
#define START 0.0f
#define ADD(a, b) ((a) + (b))
#if defined(REDUCE_MEAN)
#undef FINISH
#define FINISH(v) ((v) / (float)count)
#elif defined(REDUCE_MAX)
#undef START
#undef ADD
#define START (-INFINITY)
#define ADD(a, b) max(a, b)
#elif defined(REDUCE_MIN)
#undef START
#undef ADD
#define START INFINITY
#define ADD(a, b) min(a, b)
#elif defined(REDUCE_PROD)
#undef START
#undef ADD
#define START 1.0f
#define ADD(a, b) ((a) * (b))
#elif defined(REDUCE_L1)
#undef STEP
#define STEP(a, v) ((a) + fabs(v))
#elif defined(REDUCE_L2) || defined(REDUCE_SUM_SQUARE)
#undef STEP
#define STEP(a, v) ((a) + (v) * (v))
#elif defined(REDUCE_LOG_SUM_EXP)
#undef START
#undef ADD
#define START (-FLT_MAX)
#define ADD(a, b) (fmax(a, b) + log1p(exp(-fabs((a) - (b)))))
#endif
#if defined(REDUCE_L2)
#undef FINISH
#define FINISH(v) sqrt(v)
#elif defined(REDUCE_LOG_SUM)
#undef FINISH
#define FINISH(v) log(v)
#endif

#define PLACE_ROW(row)                                                                             \
    int rest = row;                                                                                \
    int i1 = rest % d1;                                                                            \
    rest /= d1;                                                                                    \
    int i2 = rest % d2, i3 = rest / d2;                                                            \
    in += in_offset + (i1 * x1 + i2 * x2 + i3 * x3);                                               \
    out += out_offset + (i1 * y1 + i2 * y2 + i3 * y3)

/* Vectors of X neighbouring kept elements. */
#if X > 1 && Y == 1
#define FLOATX CAT(float, X)
__kernel void reduce_columns(PARAMETERS) {
    int chunks = (inner + X - 1) / X, id = (int)get_global_id(0);
    if (id >= rows * chunks)
        return;
    int first = id % chunks * X;
    PLACE_ROW(id / chunks);
    if (first + X <= d0) {
        FLOATX sum = START;
        for (int c = 0; c < r2; c++)
            for (int b = 0; b < r1; b++)
                for (int a = 0; a < r0; a++)
                    sum = STEP(sum, CAT(LOAD, X)(in, first + (a * s0 + b * s1 + c * s2)));
        CAT(STORE, X)(out, first, FINISH(sum));
        return;
    }
    for (int i = first; i < min(first + X, inner); i++) {
        float sum = START;
        for (int c = 0; i < d0 && c < r2; c++)
            for (int b = 0; b < r1; b++)
                for (int a = 0; a < r0; a++)
                    sum = STEP(sum, LOAD(in, i + (a * s0 + b * s1 + c * s2)));
        STORE(out, i, i < d0 ? FINISH(sum) : 0.0f);
    }
}
#endif

/* One kept element a work-item; X > 1: what is reduced is dense and read by vectors of 8. */
__kernel void reduce_rows(PARAMETERS) {
    int id = (int)get_global_id(0);
    if (id >= rows * inner)
        return;
    int i = id % inner;
    PLACE_ROW(id / inner);
    if (i >= d0) {
        STORE(out, i * y0, 0.0f);
        return;
    }
    in += i * x0;
    float sum = START;
    int from = 0;
#if X > 1 && Y == 1
    float8 sums = START;
    from = r0 / 8 * 8;
    for (int a = 0; a < from; a += 8)
        sums = STEP(sums, LOAD8(in, a));
    float4 four = ADD(sums.lo, sums.hi);
    float2 two = ADD(four.lo, four.hi);
    sum = ADD(two.x, two.y);
#endif
    for (int c = 0; c < r2; c++)
        for (int b = 0; b < r1; b++)
            for (int a = from; a < r0; a++)
                sum = STEP(sum, LOAD(in, a * s0 + b * s1 + c * s2));
    STORE(out, i * y0, FINISH(sum));
}

/* Groups of X kept elements by Y shares of what is reduced. */
#if Y > 1
__kernel __attribute__((reqd_work_group_size(X, Y, 1))) void reduce_group(PARAMETERS) {
    __local float part[Y][X];
    int column = (int)get_local_id(0), share = (int)get_local_id(1);
    int i = (int)get_global_id(0);
    PLACE_ROW((int)get_global_id(2));
    float sum = START;
    for (int k = share; i < d0 && k < count; k += Y) {
        int a = k % r0, b = k / r0 % r1, c = k / r0 / r1;
        sum = STEP(sum, LOAD(in, i * x0 + (a * s0 + b * s1 + c * s2)));
    }
    part[share][column] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_share = Y / 2; half_share > 0; half_share /= 2) {
        if (share < half_share)
            part[share][column] = ADD(part[share][column], part[share + half_share][column]);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (share == 0 && i < inner)
        STORE(out, i * y0, i < d0 ? FINISH(part[0][column]) : 0.0f);
}
#endif
