/* "view": Identity, Dropout, Flatten, Reshape, Squeeze and Unsqueeze. The output is the input's
 * memory under another shape; no kernel runs. A Dropout's mask (output 1) reads as true and has no
 * memory. */
#ifndef E2B_KERNELS_VIEW_VIEW_H
#define E2B_KERNELS_VIEW_VIEW_H

#include "kernels/op.h"

enum e2b_view_kind {
    E2B_VIEW_SAME,
    E2B_VIEW_FLATTEN, /* to two dimensions at axis list[0] */
    E2B_VIEW_RESHAPE, /* list is the shape, with 0 and -1 */
    E2B_VIEW_SQUEEZE, /* list: axes; none: every dimension of 1 */
    E2B_VIEW_UNSQUEEZE,
};

struct e2b_view_params {
    int32_t kind;
    int32_t allow_zero; /* Reshape: 0 means 0, not "as the input" */
    int32_t has_list;   /* list came as an attribute; else it is input 1 */
    int32_t count;
    int64_t list[E2B_MAX_RANK];
};

extern const struct e2b_op e2b_op_view;

#endif
