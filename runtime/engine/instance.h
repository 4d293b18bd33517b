/* An instance runs a plan on its own in-order queue, with its own activation arena and its own
 * kernel objects. Arguments are set once; only the slot offsets of the kernels at the graph's edges
 * change from run to run. Several instances of several plans run at the same time. */
#ifndef E2B_ENGINE_INSTANCE_H
#define E2B_ENGINE_INSTANCE_H

#include "runtime/engine/plan.h"

/* The graph's inputs and outputs, by index: buffers of slots, strides as the graph was made for.
 * They stay the caller's and outlive the instance. */
struct e2b_io_buffers {
    struct e2b_buffer *const *inputs, *const *outputs;
};

struct e2b_instance;

enum e2b_status e2b_instance_create(const struct e2b_plan *plan, const struct e2b_io_buffers *io,
    struct e2b_instance **out, struct e2b_error *err);
void e2b_instance_destroy(struct e2b_instance *instance); /* waits for its runs */
struct e2b_queue *e2b_instance_queue(const struct e2b_instance *instance);

/* Enqueue one run whose samples start at slot `first`, and flush. begin and end (may be NULL) are
 * the events of the first and the last launch; begin stays NULL if there is but one. One thread at
 * a time. */
enum e2b_status e2b_instance_run(struct e2b_instance *instance, int first, struct e2b_event **begin,
    struct e2b_event **end, struct e2b_error *err);

/* What the enqueueing thread does between the launches of a run (function NULL: nothing), since all
 * of them may take it longer than its other work can wait. It must not run the instance. */
void e2b_instance_set_between(
    struct e2b_instance *instance, void (*function)(void *context), void *context);

/* The same with an event for each step (an array of e2b_plan_step_count), for per-layer times. */
enum e2b_status e2b_instance_run_traced(
    struct e2b_instance *instance, int first, struct e2b_event **events, struct e2b_error *err);

/* What the jobs of a merged step told of their times in the last run, which has ended: words of
 * kernels/chain.h, one set a job. For plans that were asked for times. */
enum e2b_status e2b_instance_read_times(
    struct e2b_instance *instance, int step, uint32_t *times, struct e2b_error *err);

#endif
