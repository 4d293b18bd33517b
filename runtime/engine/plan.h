/* A plan: a graph for one batch size on one device, as launches with their arguments bound to memory
 * that does not move. Plans of one model share a weight store: a packed weight exists once a device.
 * An instance runs a plan on its own queue, with its own arena and its own kernel objects, whose
 * arguments are set once; only the slot offsets of the kernels at the graph's edges change by run. */
#ifndef E2B_ENGINE_PLAN_H
#define E2B_ENGINE_PLAN_H

#include "backends/device.h"
#include "runtime/model/graph.h"

/* Packed weights on one device, by the content they are made from. Any thread, one at a time. */
struct e2b_weights;
enum e2b_status e2b_weights_create(
    struct e2b_device *device, struct e2b_weights **out, struct e2b_error *err);
void e2b_weights_destroy(struct e2b_weights *weights); /* after all plans that use it */
int64_t e2b_weights_bytes(const struct e2b_weights *weights);

/* Compiled programs of one device, each built once. */
struct e2b_programs;
enum e2b_status e2b_programs_create(
    struct e2b_device *device, struct e2b_programs **out, struct e2b_error *err);
void e2b_programs_destroy(struct e2b_programs *programs);

/* Why a variant was taken for a node, or not: filled while planning if asked for. */
struct e2b_plan_options {
    const char *force_variant;   /* "conv.tile_local": refuse others for that operator; or NULL */
    struct e2b_text *explain;    /* a line a node; or NULL */
    bool quiet;                  /* no progress on the terminal */
};

struct e2b_plan;
/* Takes over nothing: graph, weights and programs outlive the plan. Compiles what is missing, in
 * parallel, with progress. */
enum e2b_status e2b_plan_create(struct e2b_device *device, const struct e2b_graph *graph,
    struct e2b_weights *weights, struct e2b_programs *programs,
    const struct e2b_plan_options *options, struct e2b_plan **out, struct e2b_error *err);
void e2b_plan_destroy(struct e2b_plan *plan);
int e2b_plan_launch_count(const struct e2b_plan *plan);
int64_t e2b_plan_arena_bytes(const struct e2b_plan *plan);

/* What a launch is: for reports. */
struct e2b_plan_launch {
    const char *node, *op, *variant, *kernel;
    double flops, bytes;
};
void e2b_plan_describe(const struct e2b_plan *plan, int launch, struct e2b_plan_launch *out);

/* The graph's inputs and outputs, by index: buffers that hold at least the run's samples. */
struct e2b_io_buffers {
    struct e2b_buffer *const *inputs, *const *outputs;
};

struct e2b_instance;
enum e2b_status e2b_instance_create(const struct e2b_plan *plan, const struct e2b_io_buffers *io,
    struct e2b_instance **out, struct e2b_error *err);
void e2b_instance_destroy(struct e2b_instance *instance);
struct e2b_queue *e2b_instance_queue(const struct e2b_instance *instance);

/* Enqueue one run whose samples start at slot `first` of the io buffers, and flush. event (may be
 * NULL) is that of the last launch. One thread at a time. */
enum e2b_status e2b_instance_run(struct e2b_instance *instance, int first,
    struct e2b_event **event, struct e2b_error *err);
/* The same with an event a launch (array of launch_count), for per-layer times. */
enum e2b_status e2b_instance_run_traced(struct e2b_instance *instance, int first,
    struct e2b_event **events, struct e2b_error *err);

#endif
