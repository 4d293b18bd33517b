/* Operators that move elements and change none (Cast and "convert" change their type). Kernels take
 * any strides in and out. "convert" is internal: passes insert it where dtype or layout changes;
 * it takes what its input and output tensors say. */
#ifndef E2B_KERNELS_MOVE_MOVE_H
#define E2B_KERNELS_MOVE_MOVE_H

#include "kernels/op.h"

struct e2b_cast_params {
    enum e2b_dtype to;
};

struct e2b_transpose_params {
    int32_t rank;               /* 0: reverse all; set by infer */
    int32_t perm[E2B_MAX_RANK]; /* output dimension i is input dimension perm[i] */
};

struct e2b_concat_params {
    int32_t axis; /* not negative after infer */
};

/* Output index i reads input index start + i * step, for every dimension; complete after infer. */
struct e2b_slice_params {
    int32_t listed; /* as imported: attributes starts, ends, axes */
    int32_t has_axes;
    int64_t start[E2B_MAX_RANK], end[E2B_MAX_RANK], axes[E2B_MAX_RANK];
    int64_t step[E2B_MAX_RANK]; /* 0 until infer */
};

/* Parts lie one after the other on the axis; lengths come from the output shapes. */
struct e2b_split_params {
    int32_t axis;   /* not negative after infer */
    int32_t listed; /* lengths given as attribute */
    int32_t num_outputs;
    int32_t opset;
    int64_t length[E2B_MAX_OUTPUTS];
};

extern const struct e2b_op e2b_op_convert, e2b_op_cast, e2b_op_transpose, e2b_op_concat,
    e2b_op_slice, e2b_op_split, e2b_op_expand, e2b_op_tile, e2b_op_pad, e2b_op_gather,
    e2b_op_resize, e2b_op_depth_to_space, e2b_op_space_to_depth;

#endif
