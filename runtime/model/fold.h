/* Constant folding through the operators' references. */
#ifndef E2B_MODEL_FOLD_H
#define E2B_MODEL_FOLD_H

#include "runtime/model/network.h"

/* Whether the node's outputs are known: all its inputs are constants, or its operator is one that
 * works on the host (E2B_LAYOUT_HOST). The latter's shape rule has refused already if it needs
 * values that are not known; the reference gets NULL for those inputs and goes by shapes. */
bool e2b_fold_possible(const struct e2b_network *net, int node);

/* Compute the outputs of an inferred node, make them constants and remove the node. Integers are
 * exact up to 2^53. Refuses results of more than 2^28 elements and work of more than 2^36
 * operations: nobody waits for that at load. */
enum e2b_status e2b_fold_node(struct e2b_network *net, int node, struct e2b_error *err);

/* The number of operations of a call, by its operator's rule. */
double e2b_call_flops(const struct e2b_call *call);

#endif
