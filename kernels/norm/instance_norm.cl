/* Normalises each group of channels of each sample over its pixels, channels-last. A work-group of
 * ITEMS does one; that of the last channels also zeroes the `lanes` pad lanes after them. */

#define IMAGE(x) int x##_n, int x##_h, int x##_w

#if ITEMS > 1
#define SUM_UP(value)                                                                              \
    part[item] = value;                                                                            \
    barrier(CLK_LOCAL_MEM_FENCE);                                                                  \
    for (int step = ITEMS / 2; step > 0; step /= 2) {                                              \
        if (item < step)                                                                           \
            part[item] += part[item + step];                                                       \
        barrier(CLK_LOCAL_MEM_FENCE);                                                              \
    }                                                                                              \
    value = part[0];                                                                               \
    barrier(CLK_LOCAL_MEM_FENCE)
#else
#define SUM_UP(value)
#endif

/* Element i of the group: channel within it, place in an image x. */
#define CHANNEL(i) ((i) % each)
#define PLACE(i, x) ((i) / each / width * x##_h + (i) / each % width * x##_w + CHANNEL(i))

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void instance_norm(
    __global const T *in, uint in_offset, IMAGE(in), __global const T *scale, uint scale_offset,
    __global const T *bias, uint bias_offset, __global T *out, uint out_offset, IMAGE(out),
    int groups, int each, int height, int width, int lanes, int scale_group, float epsilon) {
#if ITEMS > 1
    __local float part[ITEMS];
#endif
    int item = (int)get_local_id(0), group = (int)get_group_id(0) % groups;
    int n = (int)get_group_id(0) / groups, length = height * width * each;
    in += in_offset + (n * in_n + group * each);
    out += out_offset + (n * out_n + group * each);
    scale += scale_offset + (scale_group ? group : group * each);
    bias += bias_offset + (scale_group ? group : group * each);
    float sum = 0.0f, squares = 0.0f;
    for (int i = item; i < length; i += ITEMS)
        sum += LOAD(in, PLACE(i, in));
    SUM_UP(sum);
    float mean = sum / (float)length;
    for (int i = item; i < length; i += ITEMS) {
        float x = LOAD(in, PLACE(i, in)) - mean;
        squares += x * x;
    }
    SUM_UP(squares);
    float factor = 1.0f / sqrt(squares / (float)length + epsilon);
    for (int i = item; i < length; i += ITEMS) {
        int c = scale_group ? 0 : CHANNEL(i);
        float x = (LOAD(in, PLACE(i, in)) - mean) * factor;
        STORE(out, PLACE(i, out), x * LOAD(scale, c) + LOAD(bias, c));
    }
    if (group < groups - 1)
        return;
    for (int i = item; i < height * width; i += ITEMS)
        for (int lane = 0; lane < lanes; lane++)
            STORE(out, i / width * out_h + i % width * out_w + each + lane, 0.0f);
}
