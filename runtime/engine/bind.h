/* Binds launches to memory: where each value and scratch block of a graph lies in the arena, and
 * what each kernel argument is. */
#ifndef E2B_ENGINE_BIND_H
#define E2B_ENGINE_BIND_H

#include "runtime/engine/plan.h"

/* Places of the graph's arena storages and of the nodes' scratch blocks. */
struct e2b_memory_layout {
    int64_t arena_bytes;
    int64_t *storage_offset; /* bytes, one a storage; -1 for those outside the arena */
    int64_t (*scratch_offset)[E2B_MAX_SCRATCH]; /* bytes, one row a node */
};

/* lists: one a node, zeroed where the node has no launches. */
enum e2b_status e2b_memory_layout_init(struct e2b_memory_layout *layout,
    const struct e2b_graph *graph, const struct e2b_launch_list *lists,
    const struct e2b_traits *traits, struct e2b_error *err);
/* Another block, an instance's own; returns its offset. */
int64_t e2b_memory_layout_add(struct e2b_memory_layout *layout, int64_t bytes);
void e2b_memory_layout_finish(struct e2b_memory_layout *layout);

struct e2b_binder {
    const struct e2b_graph *graph;
    int node;
    const struct e2b_launch_list *list;
    struct e2b_weights *weights;
    const struct e2b_memory_layout *memory;
    int channel_align;
};

/* Fills step->args from step->launch.args. */
enum e2b_status e2b_bind_launch(
    const struct e2b_binder *binder, struct e2b_step *step, struct e2b_error *err);

/* Marks the scratch that must read as zero before the node's first launch. */
void e2b_bind_zeroed(const struct e2b_binder *binder, struct e2b_step *step);

/* Whether two arguments lie in one buffer, where packings lie in blocks. */
bool e2b_bound_in_one_buffer(const struct e2b_bound_arg *a, const struct e2b_bound_arg *b);

/* Where the argument begins in that buffer, for slot 0: elements, of a packing E2B_PACKED_ALIGNs;
 * of a value its bits. */
int32_t e2b_bound_word(const struct e2b_bound_arg *arg);

#endif
