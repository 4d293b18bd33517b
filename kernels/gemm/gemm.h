/* Matrix product. Operator "gemm" is ONNX Gemm on rank-2 operands:
 *   Y = activation(alpha op(A) op(B) + beta C + residual)
 * and "matmul" the batched product of N-D operands with NumPy broadcasting of the leading
 * dimensions, where alpha = beta = 1 and nothing is transposed. Inputs: A, B, C (optional: the
 * bias, broadcast to Y), residual (optional, Y's shape). Any of them may be a constant.
 *
 * Layer norm without a launch: a product tells, as output 1, of each row of Y and each block of
 * E2B_GEMM_BLOCK columns their sum and the sum of their squared differences from the block's mean,
 * in fp32, [rows..., 2 n / E2B_GEMM_BLOCK]. Another that gets these sums with A or the residual,
 * and scale and shift of a norm over the last dimension, takes the normalised rows in their place.
 * B is one matrix then, and A not transposed. */
#ifndef E2B_KERNELS_GEMM_GEMM_H
#define E2B_KERNELS_GEMM_GEMM_H

#include "kernels/activation.h"
#include "kernels/op.h"

enum e2b_gemm_input {
    E2B_GEMM_A,
    E2B_GEMM_B,
    E2B_GEMM_BIAS,
    E2B_GEMM_RESIDUAL,
    E2B_GEMM_A_SUMS, /* all three of a norm are there or none */
    E2B_GEMM_A_SCALE,
    E2B_GEMM_A_SHIFT,
    E2B_GEMM_RESIDUAL_SUMS,
    E2B_GEMM_RESIDUAL_SCALE,
    E2B_GEMM_RESIDUAL_SHIFT,
    E2B_GEMM_INPUTS
};

#define E2B_GEMM_BLOCK 32
#define E2B_GEMM_LONGEST_ROW 2048 /* that fast variants normalise */

struct e2b_gemm_params {
    float alpha, beta;
    int32_t trans_a, trans_b; /* 0 or 1 */
    struct e2b_epilogue epilogue;
    float a_epsilon, residual_epsilon; /* of their norms */
};

extern const struct e2b_op e2b_op_gemm, e2b_op_matmul;

#endif
