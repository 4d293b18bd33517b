/* Convolutions and matrix products as one implicit GEMM on tensor cores (mma.cl): needs inline PTX
 * of sm_80, one group, constant weights, and rows and channels at multiples of 8 elements. The tile
 * and the number of groups that share a tile's inner dimension are chosen by a model of waves, or
 * by the tuner among those that the model finds cheapest. fp16 accumulates in fp32; fp32 is made of
 * three products of tf32 parts, or of fp16 parts where warpgroups multiply. */
#ifndef E2B_KERNELS_COMMON_MMA_H
#define E2B_KERNELS_COMMON_MMA_H

#include "kernels/activation.h"
#include "kernels/op.h"

/* Rows of a pointwise problem's input or residual are normalised by sums of blocks of 32 columns,
 * as kernels/gemm/gemm.h has them. */
struct e2b_mma_norm {
    int sums_input; /* node input, 0: none */
    int64_t row;    /* elements between rows of sums */
    int64_t columns;
    const struct e2b_constant *scale, *shift;
    float epsilon;
};

/* Strides are in elements: of a sample, an image row and a pixel. A matrix is a column of pixels.
 */
struct e2b_mma_problem {
    int64_t samples, height, width, out_height, out_width;
    int64_t kernel_h, kernel_w, stride[2], dilation[2], pad_top, pad_left;
    int64_t channels;             /* of a pixel; lanes up to a multiple of 8 may be read */
    int64_t outputs, outputs_end; /* columns, and the end of those that are written */
    int64_t x_stride[3], y_stride[3], r_stride[3];
    int residual_input;                        /* node input, 0: none */
    const struct e2b_constant *weights, *bias; /* bias NULL: none */
    int64_t weight_stride[3]; /* elements of the constant between outputs, channels and taps */
    float weight_scale, bias_scale;
    struct e2b_activation activation;
    struct e2b_mma_norm x_norm, r_norm;
    bool tells_sums; /* of its rows, as output 1 */
};

/* NULL, or why it cannot run on call->traits. */
const char *e2b_mma_refuses(const struct e2b_call *call, const struct e2b_mma_problem *problem);

int e2b_mma_candidates(const struct e2b_call *call);

/* What the model expects of the cheapest tile: multiply-adds of a compute unit, one third of whose
 * peak in fp16 they take at efficiency 1 (1.25 T/s on an H200). */
double e2b_mma_cost(const struct e2b_call *call, const struct e2b_mma_problem *problem);

enum e2b_status e2b_mma_emit(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    struct e2b_launch_list *out, struct e2b_error *err);

#endif
