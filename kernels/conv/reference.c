#include "kernels/conv/variants.h"

#include <math.h>

/* The sum of one output element, in row-major tensors. */
static double sum_at(const struct e2b_conv_params *params, const struct e2b_conv_geometry *g,
    const double *x, const double *w, int64_t oy, int64_t ox) {
    double sum = 0;
    for (int64_t c = 0; c < g->group_c; c++)
        for (int64_t r = 0; r < g->kh; r++) {
            int64_t iy = oy * params->stride[0] - params->pad[0] + r * params->dilation[0];
            if (iy < 0 || iy >= g->h)
                continue;
            for (int64_t s = 0; s < g->kw; s++) {
                int64_t ix = ox * params->stride[1] - params->pad[1] + s * params->dilation[1];
                if (ix >= 0 && ix < g->w)
                    sum += x[(c * g->h + iy) * g->w + ix] * w[(c * g->kh + r) * g->kw + s];
            }
        }
    return sum;
}

void e2b_conv_reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_conv_params *params = call->params;
    const double *bias = call->input_count > E2B_CONV_BIAS ? in[E2B_CONV_BIAS] : NULL;
    const double *residual = params->epilogue.residual_input ? in[E2B_CONV_RESIDUAL] : NULL;
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const int64_t window[] = {e2b_conv_pool_side(params, 0), e2b_conv_pool_side(params, 1)};
    int64_t at = 0;
    for (int64_t n = 0; n < g.n; n++)
        for (int64_t m = 0; m < g.m; m++) {
            int64_t channel = n * g.c + m / g.group_m * g.group_c;
            const double *x = in[E2B_CONV_X] + channel * g.h * g.w;
            const double *w = in[E2B_CONV_W] + m * g.group_c * g.kh * g.kw;
            for (int64_t oy = 0; oy < g.oh; oy += window[0])
                for (int64_t ox = 0; ox < g.ow; ox += window[1], at++) {
                    double more = (bias ? bias[m] : 0) + (residual ? residual[at] : 0);
                    for (int64_t i = 0; i < window[0] * window[1]; i++) {
                        double sum =
                            more + sum_at(params, &g, x, w, oy + i / window[1], ox + i % window[1]);
                        double value = e2b_activation_apply(&params->epilogue.activation, sum);
                        out[0][at] = i == 0 ? value : fmax(out[0][at], value);
                    }
                }
        }
}
