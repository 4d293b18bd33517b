/* Storage sharing between the values of concatenations and of splits: used by storage.c. */
#ifndef E2B_MODEL_STORAGE_H
#define E2B_MODEL_STORAGE_H

#include "runtime/model/passes.h"

struct e2b_placer {
    struct e2b_network *net;
    const struct e2b_graph_options *options;
};

/* Give the value a storage of its own. */
enum e2b_status e2b_place_in_arena(struct e2b_placer *placer, int value, struct e2b_error *err);

/* Concat: if all parts can be written straight into their slices of the output, place them there
 * and make the node a view. Later concats must have been tried before, so that blocks nest. Among
 * channels, parts but the last must be multiples of channel_align long: a kernel writes pad lanes.
 */
enum e2b_status e2b_join_in_place(struct e2b_placer *placer, int node, struct e2b_error *err);

/* Split and Slice without steps: if all parts can be read where they are in the input, which has
 * its storage, place them there and make the node a view. Among channels, parts must begin at
 * multiples of channel_align. */
enum e2b_status e2b_part_in_place(struct e2b_placer *placer, int node, struct e2b_error *err);

#endif
