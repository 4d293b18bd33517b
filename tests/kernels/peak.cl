/* As many multiply-adds as a device can do: 12 independent chains of float8 a work-item, or of scalars. */
#ifdef VECTORS
#define CHAIN float8
#define SUM(v) ((v).s0 + (v).s1 + (v).s2 + (v).s3 + (v).s4 + (v).s5 + (v).s6 + (v).s7)
#else
#define CHAIN float
#define SUM(v) (v)
#endif
__kernel void peak(__global float *out, float a, float b, int rounds) {
    CHAIN c0 = (CHAIN)(b), c1 = c0 + 1, c2 = c0 + 2, c3 = c0 + 3, c4 = c0 + 4, c5 = c0 + 5;
    CHAIN c6 = c0 + 6, c7 = c0 + 7, c8 = c0 + 8, c9 = c0 + 9, c10 = c0 + 10, c11 = c0 + 11;
    CHAIN x = (CHAIN)(a), y = (CHAIN)(b);
    for (int i = 0; i < rounds; i++) {
        c0 = fma(c0, x, y);
        c1 = fma(c1, x, y);
        c2 = fma(c2, x, y);
        c3 = fma(c3, x, y);
        c4 = fma(c4, x, y);
        c5 = fma(c5, x, y);
        c6 = fma(c6, x, y);
        c7 = fma(c7, x, y);
        c8 = fma(c8, x, y);
        c9 = fma(c9, x, y);
        c10 = fma(c10, x, y);
        c11 = fma(c11, x, y);
    }
    CHAIN sum = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;
    out[get_global_id(0)] = SUM(sum);
}
