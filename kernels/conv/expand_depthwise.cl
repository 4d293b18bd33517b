/* A 1x1 convolution and the depthwise one that reads it, for any device: a work-item computes one
 * element, and anew what it needs of the image between them. Weights as [channel in][m_end] and
 * [tap][m_end]. */
#include "kernels/conv/conv.clh"

__kernel void expand_depthwise(CONV_TENSORS, __global const float *expansion,
    __global const float *expansion_bias, __global const float *weights,
    __global const float *bias, int channels, CONV_GEOMETRY) {
    CONV_BEGIN;
    int m = get_global_id(0), pixel = get_global_id(1), sample = get_global_id(2);
    if (m >= m_end || pixel >= out_height * out_width)
        return;
    int oy = pixel / out_width, ox = pixel % out_width;
    float sum = bias[m];
    for (int r = 0; r < kernel_h; r++)
        for (int s = 0; s < kernel_w; s++) {
            int iy = oy * stride_h - pad_top + r * dilation_h;
            int ix = ox * stride_w - pad_left + s * dilation_w;
            if ((uint)iy >= (uint)height || (uint)ix >= (uint)width)
                continue;
            size_t at = (size_t)sample * x_sample + iy * x_row + ix * x_pixel;
            float between = expansion_bias[m];
            for (int c = 0; c < channels; c++)
                between = fma(LOAD(x, at + c), expansion[c * m_end + m], between);
            sum = fma(activate(between, act_a, act_b), weights[(r * kernel_w + s) * m_end + m], sum);
        }
    size_t to = (size_t)sample * y_sample + oy * y_row + ox * y_pixel + m;
    STORE(y, to, activate(sum, act_a, act_b));
}
