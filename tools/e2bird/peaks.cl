/* What the device can do at most: fused multiply-adds in registers, and reading memory. */

#define CHAINS(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9)
#define DECLARE(n) VECTOR a##n = seed + n;
#define STEP(n) a##n = fma(a##n, factor, addend);
#define SUM(n) +a##n

/* Ten independent chains hide the latency of an FMA; VECTOR is the register's width. */
__kernel void peak_fma(__global float *out, uint offset, int steps, float value) {
    VECTOR seed = (VECTOR)(value), factor = (VECTOR)(0.999f), addend = (VECTOR)(0.001f);
    CHAINS(DECLARE)
    for (int i = 0; i < steps; i++) {
        CHAINS(STEP)
    }
    VECTOR sum = (VECTOR)(0.0f) CHAINS(SUM);
    union {
        VECTOR vector;
        float lane[sizeof(VECTOR) / sizeof(float)];
    } view;
    view.vector = sum;
    float total = 0;
    for (uint i = 0; i < sizeof(VECTOR) / sizeof(float); i++)
        total += view.lane[i];
    out[offset + get_global_id(0)] = total;
}

/* Each work-item adds up `count` vectors, `stride` of them apart, beginning at begin_step times its
 * number. */
__kernel void peak_read(__global float *out, uint offset, __global const float *in, uint in_offset,
    int count, int stride, int begin_step) {
    VECTOR sum = (VECTOR)(0.0f);
    __global const VECTOR *from =
        (__global const VECTOR *)(in + in_offset) + (size_t)get_global_id(0) * begin_step;
    for (int i = 0; i < count; i++)
        sum += from[(size_t)i * stride];
    union {
        VECTOR vector;
        float lane[sizeof(VECTOR) / sizeof(float)];
    } view;
    view.vector = sum;
    float total = 0;
    for (uint i = 0; i < sizeof(VECTOR) / sizeof(float); i++)
        total += view.lane[i];
    out[offset + get_global_id(0)] = total;
}
