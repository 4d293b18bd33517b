/* "ebird": greedy largest-first, as Ebird (ICCD 2019) released it, for comparison: of the oldest
 * request and its ready neighbours, the largest batch size that they fill and that has a free
 * instance runs, then again, until nothing fits: 11 ready slots become 8 + 2 + 1, side by side. It
 * never waits for a batch to fill, never pads, knows no deadline and rejects nothing. max_inflight
 * bounds the slots, not the batches, that run at once. Models take turns by their oldest request.
 *
 * Where it differs from the original: it decides at every event, not every millisecond; slots that
 * ended early need not wait for older ones; the original serves one model. */
#ifndef E2B_SCHED_EBIRD_H
#define E2B_SCHED_EBIRD_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_ebird;

#endif
