/* Convolution, channels-last. One of PANEL, DEPTHWISE_CPU, DEPTHWISE, TILE, DIRECT is defined.
 * -DRESIDUAL adds the residual tensor. Strides are in elements and named after what they step over. */

#ifdef RESIDUAL
#define CONV_TENSORS                                                                               \
    __global const T *x, uint x_at, __global T *y, uint y_at, __global const T *residual,          \
        uint residual_at
#define ADD_RESIDUAL(n, v, at) ((v) + LOAD##n(residual, at))
#else
#define CONV_TENSORS __global const T *x, uint x_at, __global T *y, uint y_at
#define ADD_RESIDUAL(n, v, at) (v)
#endif

#define CONV_GEOMETRY                                                                              \
    int samples, int height, int width, int out_height, int out_width, int kernel_h, int kernel_w, \
        int stride_h, int stride_w, int dilation_h, int dilation_w, int pad_top, int pad_left,     \
        int group_c, int group_m, int groups, int m_end, int x_sample, int x_row, int x_pixel,     \
        int y_sample, int y_row, int y_pixel, int r_sample, int r_row, int r_pixel,                \
        float act_a, float act_b

#ifdef RESIDUAL
#define CONV_BEGIN                                                                                 \
    x += x_at, y += y_at, residual += residual_at
#else
#define CONV_BEGIN x += x_at, y += y_at
#endif

#ifdef PANEL
/* A work-item computes pixels x channels in register tiles of 6 pixels by 2 vectors of channels.
 * Tiles run over the output's pixels in order; what a tap reads outside the image is `zeros`. */
#if LANES == 16
#define VECTOR float16
#define VLOAD vload16
#define VSTORE vstore16
#define LOADV LOAD16
#define STOREV STORE16
#define ACTIVATE activate16
#else
#define VECTOR float8
#define VLOAD vload8
#define VSTORE vstore8
#define LOADV LOAD8
#define STOREV STORE8
#define ACTIVATE activate8
#endif
#define ROWS 6
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)

/* lanes: how many of the vector's channels exist. */
static inline void finish(VECTOR sum, __global T *y, __global const T *residual, int lanes,
    float act_a, float act_b) {
    if (lanes >= LANES) {
#ifdef RESIDUAL
        sum += LOADV(residual, 0);
#endif
        STOREV(y, 0, ACTIVATE(sum, act_a, act_b));
        return;
    }
    float each[LANES];
    VSTORE(sum, 0, each);
    for (int i = 0; i < lanes; i++) {
#ifdef RESIDUAL
        each[i] += LOAD(residual, i);
#endif
        STORE(y, i, activate(each[i], act_a, act_b));
    }
}

#define ROW_ZERO(i) VECTOR low##i = bias_low, high##i = bias_high;
#ifdef INSIDE
#define ROW_TAP(i) __global const T *a##i = x + base[i] + tap;
#else
#define ROW_TAP(i)                                                                                 \
    __global const T *a##i = (uint)(row[i] + tap_y) < (uint)height                                 \
            && (uint)(column[i] + tap_x) < (uint)width                                             \
        ? x + base[i] + tap                                                                        \
        : zeros;
#endif
#define ROW_MULTIPLY(i)                                                                            \
    {                                                                                              \
        VECTOR a = (VECTOR)LOAD(a##i, c);                                                          \
        low##i = fma(a, w_low, low##i);                                                            \
        high##i = fma(a, w_high, high##i);                                                         \
    }
#ifdef RESIDUAL
#define ROW_RESIDUAL(i) residual + r_base[i] + m
#else
#define ROW_RESIDUAL(i) y
#endif
#define ROW_FINISH(i)                                                                              \
    if (i < rows) {                                                                                \
        finish(low##i, y + y_base[i] + m, ROW_RESIDUAL(i), lanes, act_a, act_b);                   \
        finish(high##i, y + y_base[i] + m + LANES, ROW_RESIDUAL(i) + LANES, lanes - LANES, act_a,  \
            act_b);                                                                                \
    }

__kernel void conv_panel(CONV_TENSORS, __global const float *weights, __global const float *bias,
    __global const T *zeros, int group_panels, int panel_blocks, int pixel_blocks, CONV_GEOMETRY) {
    CONV_BEGIN;
    int job = get_group_id(0);
    int panel_block = job / pixel_blocks, pixel_block = job % pixel_blocks;
    int panels = groups * group_panels;
    int panel_begin = (long)panels * panel_block / panel_blocks;
    int panel_end = (long)panels * (panel_block + 1) / panel_blocks;
    int pixels = samples * out_height * out_width;
    int tiles = (pixels + ROWS - 1) / ROWS;
    int tile_begin = (long)tiles * pixel_block / pixel_blocks;
    int tile_end = (long)tiles * (pixel_block + 1) / pixel_blocks;
#ifdef CHANNELS
    const int channels = CHANNELS;
#else
    const int channels = group_c;
#endif
    size_t panel_floats = (size_t)kernel_h * kernel_w * channels * 2 * LANES;

    int first = tile_begin * ROWS;
    int ox = first % out_width, oy = first / out_width % out_height;
    int sample = first / (out_width * out_height);
    for (int tile = tile_begin; tile < tile_end; tile++) {
        int rows = min(ROWS, pixels - tile * ROWS);
        int row[ROWS], column[ROWS];
        int base[ROWS], y_base[ROWS], r_base[ROWS];
        for (int i = 0; i < ROWS; i++) {
            row[i] = oy * stride_h - pad_top;
            column[i] = ox * stride_w - pad_left;
            base[i] = sample * x_sample + row[i] * x_row + column[i] * x_pixel;
            y_base[i] = sample * y_sample + oy * y_row + ox * y_pixel;
            r_base[i] = sample * r_sample + oy * r_row + ox * r_pixel;
            if (i + 1 < rows || rows == ROWS)
                if (++ox == out_width) {
                    ox = 0;
                    if (++oy == out_height)
                        oy = 0, sample++;
                }
        }
        for (int panel = panel_begin; panel < panel_end; panel++) {
            int group = panel / group_panels, in_group = panel % group_panels * 2 * LANES;
            int m = group * group_m + in_group;
            int lanes = (group + 1 == groups ? m_end : (group + 1) * group_m) - m;
            __global const float *w = weights + panel * panel_floats;
            VECTOR bias_low = VLOAD(0, bias + (size_t)panel * 2 * LANES);
            VECTOR bias_high = VLOAD(1, bias + (size_t)panel * 2 * LANES);
            EACH_ROW(ROW_ZERO)
            for (int r = 0; r < kernel_h; r++)
                for (int s = 0; s < kernel_w; s++) {
                    int tap_y = r * dilation_h, tap_x = s * dilation_w;
                    int tap = tap_y * x_row + tap_x * x_pixel + group * channels;
                    EACH_ROW(ROW_TAP)
                    for (size_t c = 0; c < channels; c++) {
                        VECTOR w_low = VLOAD(0, w), w_high = VLOAD(1, w);
                        w += 2 * LANES;
                        EACH_ROW(ROW_MULTIPLY)
                    }
                }
            EACH_ROW(ROW_FINISH)
        }
    }
}
#endif

#ifdef DEPTHWISE_CPU
/* A work-item computes a run of output pixels, 32 channels at a time and then 4. Channels up to
 * m_end are computed, as pad lanes have zero weights. */
__kernel void conv_depthwise_cpu(CONV_TENSORS, __global const float *weights,
    __global const float *bias, int jobs, CONV_GEOMETRY) {
    CONV_BEGIN;
    int pixels = samples * out_height * out_width, job = get_group_id(0);
    int end = (long)pixels * (job + 1) / jobs;
    for (int pixel = (long)pixels * job / jobs; pixel < end; pixel++) {
        int ox = pixel % out_width, oy = pixel / out_width % out_height;
        int sample = pixel / (out_width * out_height);
        int row = oy * stride_h - pad_top, column = ox * stride_w - pad_left;
        int r_begin = row < 0 ? (-row + dilation_h - 1) / dilation_h : 0;
        int s_begin = column < 0 ? (-column + dilation_w - 1) / dilation_w : 0;
        int r_end = min(kernel_h, (height - row + dilation_h - 1) / dilation_h);
        int s_end = min(kernel_w, (width - column + dilation_w - 1) / dilation_w);
        int y_base = sample * y_sample + oy * y_row + ox * y_pixel;
        int r_base = sample * r_sample + oy * r_row + ox * r_pixel;
        int x_base = sample * x_sample + row * x_row + column * x_pixel;
        int m = 0;
        for (; m + 32 <= m_end; m += 32) {
            float8 sum0 = vload8(0, bias + m), sum1 = vload8(1, bias + m);
            float8 sum2 = vload8(2, bias + m), sum3 = vload8(3, bias + m);
            for (int r = r_begin; r < r_end; r++)
                for (int s = s_begin; s < s_end; s++) {
                    size_t at = x_base + r * dilation_h * x_row + s * dilation_w * x_pixel + m;
                    __global const float *w = weights + (size_t)(r * kernel_w + s) * m_end + m;
                    sum0 = fma(LOAD8(x, at), vload8(0, w), sum0);
                    sum1 = fma(LOAD8(x, at + 8), vload8(1, w), sum1);
                    sum2 = fma(LOAD8(x, at + 16), vload8(2, w), sum2);
                    sum3 = fma(LOAD8(x, at + 24), vload8(3, w), sum3);
                }
#define FINISH8(i)                                                                                 \
    sum##i = ADD_RESIDUAL(8, sum##i, r_base + m + 8 * i);                                          \
    STORE8(y, y_base + m + 8 * i, activate8(sum##i, act_a, act_b));
            FINISH8(0)
            FINISH8(1)
            FINISH8(2)
            FINISH8(3)
        }
        for (; m < m_end; m += 4) {
            float4 sum = vload4(0, bias + m);
            for (int r = r_begin; r < r_end; r++)
                for (int s = s_begin; s < s_end; s++) {
                    size_t at = x_base + r * dilation_h * x_row + s * dilation_w * x_pixel + m;
                    __global const float *w = weights + (size_t)(r * kernel_w + s) * m_end + m;
                    sum = fma(LOAD4(x, at), vload4(0, w), sum);
                }
            sum = ADD_RESIDUAL(4, sum, r_base + m);
            STORE4(y, y_base + m, activate4(sum, act_a, act_b));
        }
    }
}
#endif

#ifdef DEPTHWISE
/* Grid: 4 channels, pixel of a sample, sample. */
__kernel void conv_depthwise(CONV_TENSORS, __global const float *weights,
    __global const float *bias, CONV_GEOMETRY) {
    CONV_BEGIN;
    int m = get_global_id(0) * 4, pixel = get_global_id(1), sample = get_global_id(2);
    if (m >= m_end || pixel >= out_height * out_width)
        return;
    int oy = pixel / out_width, ox = pixel % out_width;
    int row = oy * stride_h - pad_top, column = ox * stride_w - pad_left;
    float4 sum = vload4(0, bias + m);
    for (int r = 0; r < kernel_h; r++) {
        int iy = row + r * dilation_h;
        if ((uint)iy >= (uint)height)
            continue;
        for (int s = 0; s < kernel_w; s++) {
            int ix = column + s * dilation_w;
            if ((uint)ix < (uint)width)
                sum = fma(LOAD4(x, sample * x_sample + iy * x_row + ix * x_pixel + m),
                    vload4(0, weights + (r * kernel_w + s) * m_end + m), sum);
        }
    }
    sum = ADD_RESIDUAL(4, sum, sample * r_sample + oy * r_row + ox * r_pixel + m);
    STORE4(y, sample * y_sample + oy * y_row + ox * y_pixel + m, activate4(sum, act_a, act_b));
}
#endif

#ifdef TILE
/* Implicit GEMM: a group of 16x16 work-items computes 64 pixels by 64 channels of one group, in
 * steps of 16 input channels of one tap that it stages in local memory. Work-item (i, j) holds
 * pixels j + 16 p and channels 4 i.. so that stores of neighbours are adjacent. Weights come as
 * panels of 64 channels, [taps][group_c][64]. */
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void conv_tile(CONV_TENSORS,
    __global const float *weights, __global const float *bias, int group_panels, CONV_GEOMETRY) {
    __local float pixels_tile[16][64 + 1], weights_tile[16][64];
    CONV_BEGIN;
    int i = get_local_id(0), j = get_local_id(1), lane = j * 16 + i;
    int panel = get_group_id(0), group = panel / group_panels;
    int pixels = samples * out_height * out_width, first = get_group_id(1) * 64;
    /* What this work-item stages: 4 channels of one pixel, 4 channels of one weight row. */
    int stage_pixel = lane / 4, stage_c = lane % 4 * 4, stage_k = lane / 16, stage_m = lane % 16 * 4;
    int staged = min(first + stage_pixel, pixels - 1);
    int row = staged / out_width % out_height * stride_h - pad_top;
    int column = staged % out_width * stride_w - pad_left;
    int sample = staged / (out_width * out_height);
    int base = sample * x_sample + row * x_row + column * x_pixel + group * group_c;
    __global const float *w = weights + (size_t)panel * kernel_h * kernel_w * group_c * 64;
    float4 sum[4];
    for (int p = 0; p < 4; p++)
        sum[p] = vload4(0, bias + panel * 64 + i * 4);
    for (int r = 0; r < kernel_h; r++)
        for (int s = 0; s < kernel_w; s++) {
            int iy = row + r * dilation_h, ix = column + s * dilation_w;
            bool inside = (uint)iy < (uint)height && (uint)ix < (uint)width;
            int at = base + r * dilation_h * x_row + s * dilation_w * x_pixel;
            for (int c = 0; c < group_c; c += 16) {
                for (int k = 0; k < 4; k++) {
                    int channel = c + stage_c + k;
                    pixels_tile[stage_c + k][stage_pixel] =
                        inside && channel < group_c ? LOAD(x, at + channel) : 0.0f;
                }
                float4 staged_w = c + stage_k < group_c
                    ? vload4(0, w + (size_t)(c + stage_k) * 64 + stage_m)
                    : (float4)0.0f;
                vstore4(staged_w, 0, &weights_tile[stage_k][stage_m]);
                barrier(CLK_LOCAL_MEM_FENCE);
                for (int k = 0; k < 16; k++) {
                    float4 b = vload4(0, &weights_tile[k][i * 4]);
                    for (int p = 0; p < 4; p++)
                        sum[p] = fma((float4)pixels_tile[k][j + 16 * p], b, sum[p]);
                }
                barrier(CLK_LOCAL_MEM_FENCE);
            }
            w += (size_t)group_c * 64;
        }
    int m = group * group_m + panel % group_panels * 64 + i * 4;
    int lanes = (group + 1 == groups ? m_end : (group + 1) * group_m) - m;
    for (int p = 0; p < 4; p++) {
        int pixel = first + j + 16 * p;
        if (pixel >= pixels)
            continue;
        int oy = pixel / out_width % out_height, ox = pixel % out_width;
        int n = pixel / (out_width * out_height);
        int y_base = n * y_sample + oy * y_row + ox * y_pixel + m;
        int r_base = n * r_sample + oy * r_row + ox * r_pixel + m;
        if (lanes >= 4) {
            float4 value = ADD_RESIDUAL(4, sum[p], r_base);
            STORE4(y, y_base, activate4(value, act_a, act_b));
            continue;
        }
        float each[4];
        vstore4(sum[p], 0, each);
        for (int l = 0; l < lanes; l++) {
            float value = ADD_RESIDUAL(, each[l], r_base + l);
            STORE(y, y_base + l, activate(value, act_a, act_b));
        }
    }
}
#endif

#ifdef DIRECT
/* Grid: channel (pad lanes too), pixel of a sample, sample. Weights and bias are any operands;
 * -DBIAS if there is one. */
__kernel void conv_direct(CONV_TENSORS, __global const T *weights, uint weights_at,
    __global const T *bias, uint bias_at, int w_m, int w_c, int w_row, int w_column,
    CONV_GEOMETRY) {
    CONV_BEGIN;
    int m = get_global_id(0), pixel = get_global_id(1), sample = get_global_id(2);
    if (m >= m_end || pixel >= out_height * out_width)
        return;
    int oy = pixel / out_width, ox = pixel % out_width;
    size_t y_index = (size_t)sample * y_sample + oy * y_row + ox * y_pixel + m;
    if (m >= groups * group_m) {
        STORE(y, y_index, 0.0f);
        return;
    }
    weights += weights_at;
    bias += bias_at;
    float sum = 0.0f;
    for (int r = 0; r < kernel_h; r++) {
        int iy = oy * stride_h - pad_top + r * dilation_h;
        if ((uint)iy >= (uint)height)
            continue;
        for (int s = 0; s < kernel_w; s++) {
            int ix = ox * stride_w - pad_left + s * dilation_w;
            if ((uint)ix >= (uint)width)
                continue;
            int at = sample * x_sample + iy * x_row + ix * x_pixel + m / group_m * group_c;
            int w_at = m * w_m + r * w_row + s * w_column;
            for (int c = 0; c < group_c; c++)
                sum = fma(LOAD(x, at + c), LOAD(weights, w_at + c * w_c), sum);
        }
    }
#ifdef BIAS
    sum += LOAD(bias, m);
#endif
    int r_at = sample * r_sample + oy * r_row + ox * r_pixel + m;
    sum = ADD_RESIDUAL(, sum, r_at);
    STORE(y, y_index, activate(sum, act_a, act_b));
}
#endif
