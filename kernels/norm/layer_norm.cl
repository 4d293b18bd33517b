/* Normalises dense rows. The variance is taken about the mean, in a second pass. */
#include "kernels/norm/layer_norm.clh"

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
