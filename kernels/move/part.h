/* Movers as data: a part copies elements of one input to one output along a walk. Described with
 * dense strides it is the reference, with the device's strides a launch. */
#ifndef E2B_KERNELS_MOVE_PART_H
#define E2B_KERNELS_MOVE_PART_H

#include "kernels/common/strided.h"

struct e2b_part {
    int input, output;
    struct e2b_walk walk; /* operand 0 is the output, operand 1 the input */
    int64_t base[2];      /* elements to skip in each */
};

/* Describes the parts of an operator's calls. */
struct e2b_mover {
    int (*count)(const struct e2b_call *call);        /* NULL: one */
    void (*choose)(struct e2b_part *part, int index); /* its input and output; NULL: 0 and 0 */
    /* Build the walk for the strides that the operands have in `in` and `out`. lane_dim is the
     * output's dimension 1 if the part ends its channels, else -1. */
    void (*lay)(const struct e2b_call *call, const struct e2b_tensor *in,
        const struct e2b_tensor *out, struct e2b_part *part);
};

void e2b_mover_reference(const struct e2b_mover *mover, const struct e2b_call *call,
    const double *const *in, double *const *out);
enum e2b_status e2b_mover_emit(const struct e2b_mover *mover, const struct e2b_call *call,
    struct e2b_launch_list *list, struct e2b_error *err);

#endif
