/* "greedy_idle": when the device is idle, take all that waits, up to the largest batch size: the
 * oldest request and its ready neighbours, as one batch padded to the smallest size that holds
 * them. One batch in flight, whatever the model; models by their oldest request. It ignores
 * priorities and deadlines and rejects nothing: a strong and simple baseline whose mean latency has
 * a closed-form bound when a batch's time is linear in its size.
 *
 * Where the slots to pad with do not exist or are ready (a gap), the batch is cut to the largest
 * size that it fills. */
#ifndef E2B_SCHED_GREEDY_IDLE_H
#define E2B_SCHED_GREEDY_IDLE_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_greedy_idle;

#endif
