/* "pool": MaxPool, AveragePool, GlobalMaxPool and GlobalAveragePool on images N,C,H,W or N,C,W (as
 * H = 1: kernel, stride, dilation and pad of W are the second of each pair). */
#ifndef E2B_KERNELS_POOL_POOL_H
#define E2B_KERNELS_POOL_POOL_H

#include "kernels/conv/conv.h"
#include "kernels/op.h"

struct e2b_pool_params {
    int32_t average; /* else maximum */
    int32_t global;  /* the window is the image */
    int32_t ceil_mode, include_pad;
    int32_t rank; /* dimensions that the attributes list: 1 or 2 */
    enum e2b_auto_pad auto_pad;
    int64_t kernel[2], stride[2], dilation[2];
    int64_t pad[4]; /* top, left, bottom, right; with auto_pad or global set by infer */
};

extern const struct e2b_op e2b_op_pool;

#endif
