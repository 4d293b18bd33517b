/* "activation": Y = f(X) for every function of kernels/activation.h, one operator for all of them.
 * Input 1 and 2 of ONNX Clip are moved into params by infer. params are a struct e2b_activation. */
#ifndef E2B_KERNELS_POINTWISE_ACTIVATION_OP_H
#define E2B_KERNELS_POINTWISE_ACTIVATION_OP_H

#include "kernels/activation.h"
#include "kernels/op.h"

extern const struct e2b_op e2b_op_activation;

#endif
