/* "image" (internal): a raw image to floats, Y[n][c][h][w] = (X[n][h][w][c] - mean[c]) * scale[c].
 * Input: UINT8 of shape N,H,W,C with any strides, C at most 4; output: float, N,C,H,W. */
#ifndef E2B_KERNELS_IMAGE_IMAGE_H
#define E2B_KERNELS_IMAGE_IMAGE_H

#include "kernels/op.h"

struct e2b_image_params {
    float mean[4], scale[4];
};

extern const struct e2b_op e2b_op_image;

#endif
