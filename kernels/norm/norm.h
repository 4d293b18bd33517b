/* Normalisation. Inputs of "batch_norm": X (N,C,...), scale, B, mean, variance (C each), constants;
 * Y = activation((X - mean) / sqrt(variance + epsilon) * scale + B). "layer_norm": X, scale, B
 * (optional), over the dimensions from axis on. "instance_norm": X (N,C,...), scale, B; with
 * num_groups channels are normalised in groups ("GroupNormalization"). "lrn": across channels. */
#ifndef E2B_KERNELS_NORM_NORM_H
#define E2B_KERNELS_NORM_NORM_H

#include "kernels/activation.h"
#include "kernels/op.h"

struct e2b_batch_norm_params {
    float epsilon;
    struct e2b_epilogue epilogue; /* activation only */
};

struct e2b_layer_norm_params {
    float epsilon;
    int32_t axis; /* not negative after infer */
};

struct e2b_instance_norm_params {
    float epsilon;
    int32_t groups;      /* 0: one group a channel */
    int32_t scale_group; /* 1: scale and B have one number a group, not a channel */
};

struct e2b_lrn_params {
    int32_t size;
    float alpha, beta, bias;
};

extern const struct e2b_op e2b_op_batch_norm, e2b_op_layer_norm, e2b_op_instance_norm, e2b_op_lrn;

#endif
