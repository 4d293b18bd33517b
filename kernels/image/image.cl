/* A work-item converts per_item pixels, all channels of each; lanes - channels pad lanes become 0. */
__kernel void image(__global const uchar *in, uint in_offset, int in_n, int in_h, int in_w, int in_c,
    __global T *out, uint out_offset, int out_n, int out_h, int out_w, int out_c, int pixels,
    int per_item, int height, int width, int channels, int lanes, float m0, float m1, float m2,
    float m3, float s0, float s1, float s2, float s3) {
    float mean[4] = {m0, m1, m2, m3}, scale[4] = {s0, s1, s2, s3};
    int id = (int)get_global_id(0) * per_item;
    int end = min(id + per_item, pixels);
    for (; id < end; id++) {
        int rest = id / width, x = id - rest * width;
        int n = rest / height, y = rest - n * height;
        __global const uchar *from = in + in_offset + (n * in_n + y * in_h + x * in_w);
        __global T *to = out + out_offset + (n * out_n + y * out_h + x * out_w);
        for (int c = 0; c < channels; c++)
            STORE(to, c * out_c, (convert_float(from[c * in_c]) - mean[c]) * scale[c]);
        for (int c = channels; c < lanes; c++)
            STORE(to, c * out_c, 0.0f);
    }
}
