/* "softmax": Softmax and LogSoftmax over one dimension, or, before opset 13, over all from axis on.
 */
#ifndef E2B_KERNELS_SOFTMAX_SOFTMAX_H
#define E2B_KERNELS_SOFTMAX_SOFTMAX_H

#include "kernels/op.h"

struct e2b_softmax_params {
    int32_t axis;      /* not negative after infer */
    int32_t flattened; /* over all dimensions from axis on */
    int32_t logarithm;
};

extern const struct e2b_op e2b_op_softmax;

#endif
