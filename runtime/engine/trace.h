/* Records what an engine does as a Chrome trace (JSON that Perfetto and chrome://tracing open): one
 * process a model, in it a track for each instance with its batches, one with the copies out of
 * them, one for the copies to the device, one for the thread that enqueues, one for each slot with
 * the stages of the requests in it (COPYING and DRAINING are the copies as the host sees them), the
 * decisions with their reasons, and how many slots wait. Times are those of the device's clock, in
 * microseconds.
 *
 * One thread at a time, the dispatcher. The recording functions take NULL for "no trace". */
#ifndef E2B_ENGINE_TRACE_H
#define E2B_ENGINE_TRACE_H

#include "runtime/pool/pool.h"
#include "sched/policy.h"

struct e2b_trace;

/* Writes to path as it goes. After `limit` events it records no more, so that the file stays small
 * enough to be looked at. */
enum e2b_status e2b_trace_create(
    const char *path, int64_t limit, struct e2b_trace **out, struct e2b_error *err);
/* Completes the file and frees the trace; no engine uses it any more. IO if it could not be
 * written. NULL is fine. */
enum e2b_status e2b_trace_close(struct e2b_trace *trace, struct e2b_error *err);

/* Names the tracks of a model. models are numbered as the policy names them. */
void e2b_trace_model(struct e2b_trace *trace, int model, const struct e2b_sched_model *description);

void e2b_trace_decision(
    struct e2b_trace *trace, int64_t now_ns, const struct e2b_sched_action *action);

struct e2b_trace_batch {
    int model, size, size_index, instance, first, count;
    int64_t started_ns, ended_ns;
};
void e2b_trace_batch(struct e2b_trace *trace, const struct e2b_trace_batch *batch);

/* A copy by the device's own times: out of a batch's slots by the queue of its instance, or into
 * those of a request, where size_index is -1. */
struct e2b_trace_copy {
    int model, size_index, instance, first, count;
    struct e2b_event_times times;
};
void e2b_trace_copy(struct e2b_trace *trace, const struct e2b_trace_copy *copy);

/* The thread that owns all enqueues was at this batch; what came meanwhile may have been handled in
 * between. */
void e2b_trace_enqueue(
    struct e2b_trace *trace, int model, int count, int64_t from_ns, int64_t to_ns);

/* A slot is about to be given back: the stages that it went through since it was FREE. status: of
 * its answer. */
void e2b_trace_slot(struct e2b_trace *trace, int model, int number, const struct e2b_slot *slot,
    int64_t now_ns, enum e2b_status status);

void e2b_trace_queue(struct e2b_trace *trace, int64_t now_ns, int model, int waiting);

#endif
