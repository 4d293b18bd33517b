/* Checks that shape rules share. Graphs may be hostile: every count, rank, axis and size is checked
 * before it is used, and a refusal is one line that names the operator and the allowed range. */
#ifndef E2B_KERNELS_COMMON_INFER_H
#define E2B_KERNELS_COMMON_INFER_H

#include "kernels/op.h"

/* Elements that one tensor may have: kernels index with 32-bit integers. */
#define E2B_MAX_ELEMENTS INT64_C(0x7fffffff)

/* The first min_inputs are present, there are at most max_inputs, and 1..max_outputs outputs. */
enum e2b_status e2b_expect(const struct e2b_call *call, int min_inputs, int max_inputs,
    int max_outputs, struct e2b_error *err);
enum e2b_status e2b_expect_rank(
    const struct e2b_call *call, int input, int low, int high, struct e2b_error *err);

/* -rank..rank-1 to 0..rank-1. */
enum e2b_status e2b_expect_axis(
    const struct e2b_call *call, int64_t axis, int rank, int *out, struct e2b_error *err);

/* Numbers of a constant input of up to `capacity` elements; refused if its value is not known. */
enum e2b_status e2b_expect_ints(const struct e2b_call *call, int input, int64_t *out, int capacity,
    int *count, struct e2b_error *err);

/* Set an output's type and shape; refuses negative dimensions and too many elements. */
enum e2b_status e2b_set_output(struct e2b_call *call, int output, enum e2b_dtype dtype,
    const struct e2b_shape *shape, struct e2b_error *err);
/* The same type and shape as input 0. */
enum e2b_status e2b_set_output_like(struct e2b_call *call, struct e2b_error *err);

/* Import of operators without attributes. */
enum e2b_status e2b_import_nothing(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err);

/* Element of a constant as a number. */
double e2b_constant_number(const struct e2b_constant *constant, int64_t index);

#endif
