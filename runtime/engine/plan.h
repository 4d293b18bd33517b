/* A plan: a graph for one batch size on one device, as launches whose arguments are bound to memory
 * that does not move. It holds no device memory of its own but packed weights, which all plans of a
 * model share; runtime/engine/instance.h runs it. */
#ifndef E2B_ENGINE_PLAN_H
#define E2B_ENGINE_PLAN_H

#include "backends/device.h"
#include "runtime/engine/programs.h"
#include "runtime/engine/tuning.h"
#include "runtime/engine/weights.h"
#include "runtime/model/graph.h"

/* Which neighbouring launches become one (merge.h). */
enum e2b_merge_rule { E2B_MERGE_WHERE_IT_PAYS, E2B_MERGE_NEVER, E2B_MERGE_ALWAYS };

struct e2b_plan_options {
    const struct e2b_tuning *tuning; /* measured choices, or NULL */
    const char *force_variant; /* "conv.tile_local": refuse others for that operator; or NULL */
    int candidate;             /* tuning candidate of the forced variant */
    struct e2b_text *explain;  /* a line a node: the variant, and why better ones were refused */
    bool quiet;                /* no progress on the terminal */
    enum e2b_merge_rule merge;
    int group_items;  /* of launches that are not merged, as in struct e2b_call; 0: any */
    bool times;       /* as in struct e2b_merge_options */
    bool one_by_one;  /* arguments, also where they could be a structure (entry.h) */
    bool defer_build; /* the caller builds the programs of several plans, before their instances */
};

/* Where a kernel argument's memory is. */
enum e2b_place {
    E2B_PLACE_ARENA,
    E2B_PLACE_WEIGHTS,
    E2B_PLACE_GRAPH_INPUT,
    E2B_PLACE_GRAPH_OUTPUT
};

/* Bytes of a place that a kernel may touch: all of begin .. end - 1, or, with a pitch, of each run
 * of `pitch` bytes only those that begin's is the first of, `width` in number. Empty where it is of
 * no interest: values, and weights, which nobody writes. */
struct e2b_footprint {
    int64_t begin, end, pitch, width;
    bool written;
};

/* One kernel argument, bound. Values (kind INT, FLOAT) are final; buffers have place and offset. */
struct e2b_bound_arg {
    bool is_value;
    bool without_offset; /* a buffer that is followed by no offset argument */
    int32_t value;       /* bits of the int or float */
    enum e2b_place place;
    int index;                /* of the graph input or output */
    struct e2b_packed packed; /* WEIGHTS */
    int element_bytes;        /* WEIGHTS that an offset follows */
    int64_t offset;           /* elements */
    int64_t slot_stride;      /* GRAPH_INPUT, GRAPH_OUTPUT: elements from one slot to the next */
    struct e2b_footprint footprint;
};

struct e2b_chain;
struct e2b_entry;

/* A launch with bound arguments: for instances. */
struct e2b_step {
    struct e2b_launch launch;
    struct e2b_chain *chain; /* of what this launch was merged from, or NULL: see merge.h */
    struct e2b_entry *entry; /* with which its arguments are fewer, or NULL: see entry.h */
    int node;                /* the first's, of a chain */
    const char *variant;
    int program; /* in the programs table, -1 for a routine */
    struct e2b_bound_arg args[E2B_MAX_ARGS];
    int64_t zero_offset,
        zero_bytes; /* part of the arena to clear before this launch, 0 bytes: none */
};

struct e2b_plan;

/* graph, weights and programs stay the caller's and outlive the plan. Compiles what is missing. */
enum e2b_status e2b_plan_create(struct e2b_device *device, const struct e2b_graph *graph,
    struct e2b_weights *weights, struct e2b_programs *programs,
    const struct e2b_plan_options *options, struct e2b_plan **out, struct e2b_error *err);
void e2b_plan_destroy(struct e2b_plan *plan);

struct e2b_device *e2b_plan_device(const struct e2b_plan *plan);
const struct e2b_graph *e2b_plan_graph(const struct e2b_plan *plan);
int e2b_plan_step_count(const struct e2b_plan *plan);
const struct e2b_step *e2b_plan_step(const struct e2b_plan *plan, int index);
struct e2b_program *e2b_plan_program(const struct e2b_plan *plan, const struct e2b_step *step);
int64_t e2b_plan_arena_bytes(const struct e2b_plan *plan);

/* Sets those options of a graph that depend on the device that it will run on. */
void e2b_plan_suit_graph(const struct e2b_traits *traits, struct e2b_graph_options *options);

#endif
