/* The first half of making a graph: batch bound, every shape a number, constants folded. */
#ifndef E2B_MODEL_SPECIALISE_H
#define E2B_MODEL_SPECIALISE_H

#include "runtime/model/model.h"

/* A new network whose shapes are known and where no host operator is left. Uses options->batch and
 * ->image. The caller destroys *out. */
enum e2b_status e2b_specialise(struct e2b_model *model, const struct e2b_graph_options *options,
    struct e2b_network **out, struct e2b_error *err);

#endif
