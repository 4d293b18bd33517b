/* Normalises dense rows, which lie in up to 3 dimensions of d (length), y (output stride) and x
 * (input stride). The variance is taken about the mean, in a second pass. */

#define DIM(n) int d##n, int y##n, int x##n
#define PARAMETERS                                                                                 \
    __global const T *in, uint in_offset, __global const T *scale, uint scale_offset,              \
        __global const T *bias, uint bias_offset, __global T *out, uint out_offset, int has_bias,  \
        int rows, int length, DIM(0), DIM(1), DIM(2), float epsilon
#define PLACE_ROW(row)                                                                             \
    int rest = row;                                                                                \
    int i0 = rest % d0;                                                                            \
    rest /= d0;                                                                                    \
    int i1 = rest % d1, i2 = rest / d1;                                                            \
    in += in_offset + (i0 * x0 + i1 * x1 + i2 * x2);                                               \
    out += out_offset + (i0 * y0 + i1 * y1 + i2 * y2);                                             \
    scale += scale_offset;                                                                         \
    bias += bias_offset

static inline float sum8(float8 v) {
    float4 a = v.lo + v.hi;
    return a.x + a.y + a.z + a.w;
}

__kernel void layer_norm_serial(PARAMETERS) {
    int row = (int)get_global_id(0);
    if (row >= rows)
        return;
    PLACE_ROW(row);
    int end = length / 8 * 8;
    float8 sums = 0.0f;
    for (int i = 0; i < end; i += 8)
        sums += LOAD8(in, i);
    float sum = sum8(sums);
    for (int i = end; i < length; i++)
        sum += LOAD(in, i);
    float mean = sum / (float)length;
    sums = 0.0f;
    for (int i = 0; i < end; i += 8) {
        float8 v = LOAD8(in, i) - mean;
        sums += v * v;
    }
    sum = sum8(sums);
    for (int i = end; i < length; i++)
        sum += (LOAD(in, i) - mean) * (LOAD(in, i) - mean);
    float factor = 1.0f / sqrt(sum / (float)length + epsilon);
    for (int i = 0; i < end; i += 8) {
        float8 shift = has_bias ? LOAD8(bias, i) : (float8)(0.0f);
        STORE8(out, i, (LOAD8(in, i) - mean) * factor * LOAD8(scale, i) + shift);
    }
    for (int i = end; i < length; i++) {
        float shift = has_bias ? LOAD(bias, i) : 0.0f;
        STORE(out, i, (LOAD(in, i) - mean) * factor * LOAD(scale, i) + shift);
    }
}

#if GROUP > 1
#define SUM_UP(value)                                                                              \
    part[lane] = value;                                                                            \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                  \
    for (int step = GROUP / 2; step > 0; step /= 2) {                                              \
        if (lane < step)                                                                           \
            part[lane] += part[lane + step];                                                       \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    }                                                                                              \
    value = part[0];                                                                               \
    barrier(CLK_LOCAL_MEM_FENCE)

/* A work-group of GROUP does a row. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1))) void layer_norm_group(PARAMETERS) {
    __local float part[GROUP];
    int lane = (int)get_local_id(0);
    PLACE_ROW((int)get_group_id(0));
    float sum = 0.0f;
    for (int i = lane; i < length; i += GROUP)
        sum += LOAD(in, i);
    SUM_UP(sum);
    float mean = sum / (float)length, squares = 0.0f;
    for (int i = lane; i < length; i += GROUP)
        squares += (LOAD(in, i) - mean) * (LOAD(in, i) - mean);
    SUM_UP(squares);
    float factor = 1.0f / sqrt(squares / (float)length + epsilon);
    for (int i = lane; i < length; i += GROUP) {
        float shift = has_bias ? LOAD(bias, i) : 0.0f;
        STORE(out, i, (LOAD(in, i) - mean) * factor * LOAD(scale, i) + shift);
    }
}
#endif
