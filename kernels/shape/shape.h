/* Operators whose value the host knows when a graph is made: "shape" and "size" from their input's
 * shape alone (its elements are never read: the reference takes in[0] == NULL), "constant",
 * "constant_of_shape" and "range" from constants. None reaches a device. */
#ifndef E2B_KERNELS_SHAPE_SHAPE_H
#define E2B_KERNELS_SHAPE_SHAPE_H

#include "kernels/op.h"

struct e2b_shape_params {
    int64_t start, end; /* as Python's slice; end INT64_MAX: all */
};

#define E2B_CONSTANT_NUMBERS 64

struct e2b_constant_params {
    const struct e2b_constant *tensor; /* or NULL: */
    int32_t dtype, is_scalar;
    int64_t count;
    int64_t ints[E2B_CONSTANT_NUMBERS];
    double floats[E2B_CONSTANT_NUMBERS];
};

struct e2b_constant_of_shape_params {
    int64_t dtype;
    double value;
};

extern const struct e2b_op e2b_op_shape, e2b_op_size, e2b_op_constant, e2b_op_constant_of_shape,
    e2b_op_range;

#endif
