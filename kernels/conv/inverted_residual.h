/* An inverted residual block ("inverted_residual"): a 1x1 convolution that expands channels, the
 * depthwise one that reads it, and the 1x1 one that projects to few channels again; and without the
 * expansion, where X is wide already. As one node, what lies between them need not be in memory.
 * Inputs: X (N,C,H,W), weights (E,C,1,1) and bias (E) of the expansion, weights (E,1,kH,kW) and
 * bias (E) of the depthwise convolution, weights (M,E,1,1) and bias (M) of the projection, residual
 * (as Y). Biases, the residual and the expansion may be absent; without it E = C. */
#ifndef E2B_KERNELS_CONV_INVERTED_RESIDUAL_H
#define E2B_KERNELS_CONV_INVERTED_RESIDUAL_H

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
    E2B_BLOCK_INPUTS
};

struct e2b_inverted_residual_params {
    struct e2b_conv_params middle; /* its activation is the expansion's too */
    struct e2b_epilogue epilogue;     /* of the projection */
};

extern const struct e2b_op e2b_op_inverted_residual;

#endif
