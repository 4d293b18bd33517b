/* Matrix product. Operator "gemm" is ONNX Gemm on rank-2 operands:
 *   Y = activation(alpha op(A) op(B) + beta C + residual)
 * and "matmul" the batched product of N-D operands with NumPy broadcasting of the leading
 * dimensions, where alpha = beta = 1 and nothing is transposed. Inputs: A, B, C (optional: the
 * bias, broadcast to Y), residual (optional, Y's shape). Any of them may be a constant. */
#ifndef E2B_KERNELS_GEMM_GEMM_H
#define E2B_KERNELS_GEMM_GEMM_H

#include "kernels/activation.h"
#include "kernels/op.h"

enum e2b_gemm_input { E2B_GEMM_A, E2B_GEMM_B, E2B_GEMM_BIAS, E2B_GEMM_RESIDUAL };

struct e2b_gemm_params {
    float alpha, beta;
    int32_t trans_a, trans_b; /* 0 or 1 */
    struct e2b_epilogue epilogue;
};

extern const struct e2b_op e2b_op_gemm, e2b_op_matmul;

#endif
