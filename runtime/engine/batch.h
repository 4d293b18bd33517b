/* Runs a batch: kernels on its instance's queue, copies of its outputs on the queue beside it,
 * and two notifications. Internal to the engine; the dispatcher's thread only. */
#ifndef E2B_ENGINE_BATCH_H
#define E2B_ENGINE_BATCH_H

#include "runtime/engine/served.h"

/* The first two are called by the device's threads; short. copied: once for each run of neighbours
 * in the batch, which are batch->copies when it has started. between: by the starting thread
 * between launches of the batch, which other batches' answers need not wait for; it starts none. */
struct e2b_batch_callbacks {
    void (*computed)(void *batch, enum e2b_event_state state);
    void (*copied)(void *batch, enum e2b_event_state state);
    void (*between)(void *batch);
};

/* Enqueue the batch and ask for its notifications. On failure nothing of it runs any more and no
 * notification comes. */
enum e2b_status e2b_batch_start(
    struct e2b_batch *batch, const struct e2b_batch_callbacks *callbacks, struct e2b_error *err);

/* The first slot of the batch from `from` on, first + span or more if there is none. A slot is part
 * of it from e2b_batch_take until e2b_batch_leave, which nothing on the device may need any more.
 */
int e2b_batch_next(const struct e2b_batch *batch, int from);
void e2b_batch_take(const struct e2b_batch *batch, int slot);
void e2b_batch_leave(const struct e2b_batch *batch, int slot);

/* When its first kernel began and its last one ended; fallbacks where the device keeps no times. */
void e2b_batch_span(const struct e2b_batch *batch, int64_t *started_ns, int64_t *ended_ns);

/* Releases the events of kernels. */
void e2b_batch_finish(struct e2b_batch *batch);

#endif
