/* Shape inference over a network, and folding of what is known on the host. */
#ifndef E2B_MODEL_INFER_H
#define E2B_MODEL_INFER_H

#include "runtime/model/network.h"

/* For each node in order: the operator's shape rule, checks of what it said, row-major strides, and
 * folding where possible (see fold.h). Inputs of the graph must have their tensors. Folded nodes
 * are removed, but the network is not tidied. */
enum e2b_status e2b_network_infer(struct e2b_network *net, struct e2b_error *err);

/* The same for one node. */
enum e2b_status e2b_network_infer_node(struct e2b_network *net, int node, struct e2b_error *err);

#endif
