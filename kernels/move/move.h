/* Operators that move elements and change none (Cast and "convert" change their type). Kernels take
 * any strides in and out. "convert" is internal: passes insert it where dtype or layout changes;
 * it takes what its input and output tensors say. */
#ifndef E2B_KERNELS_MOVE_MOVE_H
#define E2B_KERNELS_MOVE_MOVE_H

#include "kernels/activation.h"
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

/* Output index i reads input index start + i * step of each dimension; infer sets both. Before, an
 * old Slice keeps its attributes here. */
struct e2b_slice_params {
    int32_t listed, axes_listed; /* how many; 0: they are inputs, or axes 0, 1, ... */
    int64_t from[E2B_MAX_RANK], to[E2B_MAX_RANK], axes[E2B_MAX_RANK];
    int64_t start[E2B_MAX_RANK], step[E2B_MAX_RANK];
};

/* Parts lie one after the other on the axis; lengths come from the output shapes. */
struct e2b_split_params {
    int32_t axis;   /* not negative after infer */
    int32_t listed; /* how many lengths came as an attribute */
    int32_t uneven; /* the last part may be shorter (opset 18) */
    int64_t length[E2B_MAX_OUTPUTS];
};

struct e2b_tile_params {
    int64_t repeats[E2B_MAX_RANK]; /* set by infer */
};

struct e2b_block_params {
    int32_t block;
    int32_t column_row; /* DepthToSpace mode CRD */
};

enum e2b_pad_mode { E2B_PAD_CONSTANT, E2B_PAD_REFLECT, E2B_PAD_EDGE, E2B_PAD_WRAP };

struct e2b_pad_params {
    int32_t mode;
    int32_t listed; /* how many numbers `given` holds: an old Pad's attribute */
    int64_t given[2 * E2B_MAX_RANK];
    float value;
    int64_t before[E2B_MAX_RANK]; /* negative: cropped; set by infer, with the output's shape */
};

/* Input 2, which passes add: what is added to the elements, broadcast to their shape. */
struct e2b_gather_params {
    int32_t axis;     /* not negative after infer */
    int32_t elements; /* GatherElements */
    struct e2b_epilogue epilogue;
};

/* x_in from x_out, with scale = out / in */
enum e2b_resize_coordinate {
    E2B_RESIZE_HALF_PIXEL,         /* (x + 1/2) / scale - 1/2 */
    E2B_RESIZE_PYTORCH_HALF_PIXEL, /* the same, 0 if the output's length is 1 */
    E2B_RESIZE_ALIGN_CORNERS,      /* x (in - 1) / (out - 1) */
    E2B_RESIZE_ASYMMETRIC,         /* x / scale */
};
enum e2b_resize_round {
    E2B_ROUND_PREFER_FLOOR,
    E2B_ROUND_PREFER_CEIL,
    E2B_ROUND_FLOOR,
    E2B_ROUND_CEIL
};

/* Images are resized along H and W only. */
struct e2b_resize_params {
    int32_t linear; /* else nearest */
    int32_t coordinate, round;
    int32_t input_opset; /* which inputs give sizes: 9 (Upsample), 10 or 11 and later */
    int32_t listed;      /* scales came as an attribute (Upsample 7) */
    float given[4];
    float scale[2]; /* of H and W; set by infer */
};

extern const struct e2b_op e2b_op_convert, e2b_op_cast, e2b_op_transpose, e2b_op_concat,
    e2b_op_slice, e2b_op_split, e2b_op_expand, e2b_op_tile, e2b_op_pad, e2b_op_gather,
    e2b_op_resize, e2b_op_depth_to_space, e2b_op_space_to_depth;

#endif
