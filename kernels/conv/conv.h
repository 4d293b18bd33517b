/* Convolution ("conv"): Y = activation(X * W + bias + residual), channels-last on the device;
 * where a pool is fused, the largest of each window of that.
 * Inputs: X (N,C,H,W or N,C,W), W (M,C/group,kH,kW), bias (M, optional), residual (as Y, optional).
 * Rank-3 images are treated as H = 1: their kernel, stride and dilation are index 1 of each pair.
 */
#ifndef E2B_KERNELS_CONV_CONV_H
#define E2B_KERNELS_CONV_CONV_H

#include "kernels/activation.h"
#include "kernels/op.h"

enum e2b_conv_input { E2B_CONV_X, E2B_CONV_W, E2B_CONV_BIAS, E2B_CONV_RESIDUAL };

/* Images of so few channels may be read as they lie. */
#define E2B_CONV_PLANAR_CHANNELS 4

enum e2b_auto_pad { E2B_PAD_EXPLICIT, E2B_PAD_SAME_UPPER, E2B_PAD_SAME_LOWER, E2B_PAD_VALID };

struct e2b_conv_params {
    int64_t rank;      /* of the images that the attributes speak of, 1 or 2; 0: they do not tell */
    int64_t kernel[2]; /* of W; 0 until infer */
    int64_t stride[2], dilation[2];
    int64_t pad[4]; /* top, left, bottom, right; with auto_pad set, infer computes them */
    int64_t group;
    enum e2b_auto_pad auto_pad;
    int64_t pool[2]; /* Y is the largest of each so many rows by columns, no residual; 0: of one */
    struct e2b_epilogue epilogue;
};

/* A convolution as plain numbers, read from a call whose shapes are inferred. */
struct e2b_conv_geometry {
    int64_t n, c, h, w; /* input */
    int64_t m, oh, ow;  /* output, before a pool those of its windows */
    int64_t kh, kw;
    int64_t group, group_c, group_m; /* channels of input and output in one group */
};
void e2b_conv_geometry(const struct e2b_call *call, struct e2b_conv_geometry *out);

/* Whether the device, call->traits, is expected to do the call, which has a pool, faster than a
 * convolution and then a pool. */
bool e2b_conv_pools(const struct e2b_call *call);

extern const struct e2b_op e2b_op_conv;

#endif
