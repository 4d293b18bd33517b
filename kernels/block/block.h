/* A block of three convolutions ("conv_block"): a 1x1 one that expands channels, the
 * depthwise one that reads it, and the 1x1 one that projects to few channels again; without the
 * expansion, where X is wide already; and a bottleneck, whose first one leaves few channels to a
 * full one. As one node, what lies between them need not be in memory. Inputs: X (N,C,H,W), weights
 * (E,C,1,1) and bias (E) of the expansion, weights (E,1,kH,kW) and bias (E) of the depthwise
 * convolution, or (F,E,kH,kW) and (F) of a full one, weights (M,F,1,1) and bias (M) of the
 * projection, residual (as Y); or in its place weights (M,C,1,1) and bias (M) of a shortcut, a 1x1
 * convolution of X that is added. Biases, the residual, the shortcut and the expansion may be
 * absent; without it E = C. */
#ifndef E2B_KERNELS_BLOCK_BLOCK_H
#define E2B_KERNELS_BLOCK_BLOCK_H

#include "kernels/conv/conv.h"

enum e2b_block_input {
    E2B_BLOCK_X,
    E2B_BLOCK_EXPANSION_W,
    E2B_BLOCK_EXPANSION_BIAS,
    E2B_BLOCK_MIDDLE_W,
    E2B_BLOCK_MIDDLE_BIAS,
    E2B_BLOCK_PROJECTION_W,
    E2B_BLOCK_PROJECTION_BIAS,
    E2B_BLOCK_RESIDUAL,
    E2B_BLOCK_SHORTCUT_W,
    E2B_BLOCK_SHORTCUT_BIAS,
    E2B_BLOCK_INPUTS
};

struct e2b_conv_block_params {
    struct e2b_conv_params middle; /* its activation is the expansion's too */
    struct e2b_epilogue epilogue;  /* of the projection */
};

/* Whether one launch is expected to be faster than the convolutions apart. */
bool e2b_block_is_faster(const struct e2b_call *call);

extern const struct e2b_op e2b_op_conv_block;

#endif
