/* Local response normalisation of channels-last images; a work-item does per_item chunks of V
 * channels. Pad lanes of the output become 0, those of the input are not counted. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define IMAGE(x) int x##_n, int x##_h, int x##_w

static inline float lrn_one(__global const T *pixel, int c, int channels, int size, float alpha,
    float beta, float bias) {
    float sum = 0.0f;
    int end = min(c + size / 2, channels - 1);
    for (int k = max(c - (size - 1) / 2, 0); k <= end; k++) {
        float x = LOAD(pixel, k);
        sum += x * x;
    }
    return LOAD(pixel, c) * exp(-beta * log(bias + alpha * sum));
}

__kernel void lrn(__global const T *in, uint in_offset, IMAGE(in), __global T *out, uint out_offset,
    IMAGE(out), int height, int width, int channels, int lanes, int total, int per_item, int size,
    float alpha, float beta, float bias) {
    int chunks = (lanes + V - 1) / V;
    int id = (int)get_global_id(0) * per_item;
    int end = min(id + per_item, total);
    for (; id < end; id++) {
        int rest = id / chunks, first = (id - rest * chunks) * V;
        int x = rest % width;
        rest /= width;
        int y = rest % height, n = rest / height;
        __global const T *from = in + in_offset + (n * in_n + y * in_h + x * in_w);
        __global T *to = out + out_offset + (n * out_n + y * out_h + x * out_w);
#if V > 1
        int low = first - (size - 1) / 2, high = first + V - 1 + size / 2;
        if (low >= 0 && high < channels) {
            CAT(float, V) sum = 0.0f;
            for (int k = 0; k < size; k++) {
                CAT(float, V) v = CAT(LOAD, V)(from, low + k);
                sum += v * v;
            }
            CAT(STORE, V)(to, first,
                CAT(LOAD, V)(from, first) * exp(-beta * log(bias + alpha * sum)));
            continue;
        }
#endif
        for (int c = first; c < min(first + V, lanes); c++)
            STORE(to, c,
                c < channels ? lrn_one(from, c, channels, size, alpha, beta, bias) : 0.0f);
    }
}
