/* The policy and what it has decided: events go in, batches to be started come out, one at a time,
 * so that whoever starts them can answer requests in between. Refusals are carried out at once.
 * Internal to the engine; the dispatcher's thread, but for e2b_decisions_drain_ns. */
#ifndef E2B_ENGINE_DECISIONS_H
#define E2B_ENGINE_DECISIONS_H

#include "runtime/engine/inflight.h"

struct e2b_decisions {
    struct e2b_device *device;
    struct e2b_served *const *models; /* numbered as the policy names them */
    int model_count;
    const struct e2b_policy_ops *ops;
    struct e2b_policy *policy;
    struct e2b_sched_actions actions;
    struct e2b_inflight *inflight;
    struct e2b_trace *trace;        /* NULL: none */
    int64_t timer_ns;               /* asked for by the policy, INT64_MAX: none */
    bool undecided;                 /* events were fed since the last decision */
    struct e2b_batch *first, *last; /* decided and not started, in order; NULL: none */
    atomic_int_fast64_t drained_ns; /* when what was there at the last decision will have ended */
};

/* device, models, model_count, ops, inflight and trace are set, the rest is zeroed. Finish it also
 * after a failure. */
enum e2b_status e2b_decisions_init(
    struct e2b_decisions *decisions, const int64_t *policy_values, struct e2b_error *err);
void e2b_decisions_finish(struct e2b_decisions *decisions);

/* Tell the policy; it decides later, on all that was fed until then. */
void e2b_decisions_feed(struct e2b_decisions *decisions, struct e2b_sched_event *event);

/* Let the policy decide if anything was fed or its timer has come, unless what it decided before
 * has not been started yet. */
void e2b_decisions_make(struct e2b_decisions *decisions);

/* The next batch to start, whose slots are RUNNING; NULL: none. */
struct e2b_batch *e2b_decisions_next(struct e2b_decisions *decisions);

/* Predicted time until all that waits and runs has ended, 0 where nothing is predicted. Any thread.
 */
int64_t e2b_decisions_drain_ns(const struct e2b_decisions *decisions);

#endif
