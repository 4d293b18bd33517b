/* Merges neighbouring launches of a plan into chains (kernels/chain.h): one launch that runs the
 * groups of all of them, each stage as soon as those are done whose memory it needs. For what a
 * launch costs, and for branches that then run side by side. */
#ifndef E2B_ENGINE_MERGE_H
#define E2B_ENGINE_MERGE_H

#include "runtime/engine/bind.h"

struct e2b_chain {
    struct e2b_step *stages; /* as they were bound, in order */
    int stage_count;
    struct e2b_bound_arg *buffers; /* what the launch takes */
    int buffer_count;
    int64_t counters_offset;         /* bytes, in the arena */
    int64_t times_offset;            /* the same, of what jobs told of their times; 0: nothing */
    int64_t *ends;                   /* for each stage the number of jobs up to its end */
    struct e2b_buffer *table_buffer; /* kernels/chain.h */
};

struct e2b_merge_options {
    bool always;              /* also where it does not pay */
    enum e2b_dtype precision; /* of the graph */
    bool times; /* jobs tell when they ran, where the device can (e2b_instance_read_times) */
};

/* Replaces steps, an array from malloc, by chains where that pays, and asks for their programs. */
enum e2b_status e2b_merge(struct e2b_device *device, struct e2b_programs *programs,
    const struct e2b_merge_options *options, struct e2b_memory_layout *memory,
    struct e2b_step **steps, int *step_count, struct e2b_error *err);
void e2b_chain_destroy(struct e2b_device *device, struct e2b_chain *chain);

/* Which stages each stage has to wait for: waits[s * count + i] is set where stage s must wait for
 * stage i, and no other wait of s implies it. count * count bools. */
void e2b_merge_waits(const struct e2b_step *stages, int count, bool *waits);

#endif
