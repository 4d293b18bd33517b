/* The requests that were submitted and are not answered yet. Each is answered exactly once, when
 * its last sample is: by its outputs, or by the first failure of a sample. Internal to the engine;
 * the dispatcher's thread, but for the count. */
#ifndef E2B_ENGINE_INFLIGHT_H
#define E2B_ENGINE_INFLIGHT_H

#include "runtime/engine/batch.h"
#include "runtime/engine/request.h"
#include "runtime/engine/trace.h"

/* Zeroed, but for device and trace, is empty. */
struct e2b_inflight {
    struct e2b_device *device;
    struct e2b_trace *trace;   /* NULL: none */
    struct e2b_request *first; /* a list */
    atomic_int count;          /* its length, with those whose message is under way */
};

/* A request whose message has arrived; it was counted when it was sent. */
void e2b_inflight_add(struct e2b_inflight *inflight, struct e2b_request *request);

/* Give up one slot, those of a batch, or all of a request. The device does not use them. */
void e2b_inflight_fail(struct e2b_inflight *inflight, struct e2b_served *served, int slot,
    const struct e2b_error *error);
void e2b_inflight_fail_batch(
    struct e2b_inflight *inflight, const struct e2b_batch *batch, const struct e2b_error *error);
void e2b_inflight_fail_request(
    struct e2b_inflight *inflight, struct e2b_request *request, const struct e2b_error *error);

/* The outputs of a batch are on the host. Finishes the batch, whose place may be taken by another
 * one from then on. */
void e2b_inflight_answer(struct e2b_inflight *inflight, struct e2b_batch *batch);

#endif
