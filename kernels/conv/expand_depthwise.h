/* A 1x1 convolution, which expands channels, and the depthwise one that reads it
 * ("expand_depthwise"), in one pass over the image, so that what lies between them never leaves a
 * core's cache. Inputs are those of the depthwise convolution, with X the narrow image (N,C,H,W),
 * then the weights (E,C,1,1) and bias (E, optional) of the 1x1 one. Its params are the depthwise
 * one's; both have its activation. No residual. */
#ifndef E2B_KERNELS_CONV_EXPAND_DEPTHWISE_H
#define E2B_KERNELS_CONV_EXPAND_DEPTHWISE_H

#include "kernels/conv/conv.h"

enum e2b_expand_input { E2B_EXPAND_W = E2B_CONV_RESIDUAL + 1, E2B_EXPAND_BIAS };

extern const struct e2b_op e2b_op_expand_depthwise;

#endif
