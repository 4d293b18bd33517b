/* How kernels read operands that may be constants, shared by operators. */
#ifndef E2B_KERNELS_COMMON_OPERAND_H
#define E2B_KERNELS_COMMON_OPERAND_H

#include "kernels/launch.h"
#include "kernels/op.h"

/* The prelude's choice of storage type: "T_F32", for "-D%s". */
const char *e2b_dtype_macro(enum e2b_dtype dtype);

/* Pass operand `input` as two arguments, pointer and offset: the device tensor, or, for a constant,
 * its values converted to `dtype` in row-major order (a packing shared by all that ask for the
 * same). An absent operand passes one zero element. */
enum e2b_status e2b_launch_operand(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct e2b_call *call, int input, enum e2b_dtype dtype, struct e2b_error *err);

/* The strides with which a kernel reads that operand: its tensor's, or dense ones for a constant.
 */
void e2b_operand_strides(const struct e2b_operand *operand, int64_t stride[E2B_MAX_RANK]);

/* A packing of `bytes` zeros, for kernels that point out-of-range reads at them. Returns its index
 * in the list or -1. */
int e2b_pack_zeros(struct e2b_launch_list *list, size_t bytes);

/* A constant vector as float, zero-padded to `count` elements; all zeros if constant is NULL. */
int e2b_pack_vector(
    struct e2b_launch_list *list, const struct e2b_constant *constant, int64_t count);

/* Whether an optional operand exists in this call. */
static inline bool e2b_has_input(const struct e2b_call *call, int input) {
    return input < call->input_count && call->inputs[input].present;
}

#endif
