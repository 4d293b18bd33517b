/* "aimd": the adaptive batching of Clipper (NSDI 2017), for comparison. A model has `replicas`
 * batches in flight, each of all that waits up to a limit. The limit adapts to the latency target
 * of a batch: after a batch that kept it the limit grows by `increase`, after one that did not it
 * shrinks by `decrease_percent`, 10 in the paper. It starts at 1 and ends at the largest size.
 *
 * The target is the model's, or target_us if it has none. Only the time of the batch itself counts,
 * as in the paper; what a request waits before is not looked at, and nothing is rejected. A batch
 * is padded to the next size of the model, and its slots must be neighbours; as padding may not
 * cover ready slots, a limit between two sizes acts as the smaller one while the queue is long. */
#ifndef E2B_SCHED_AIMD_H
#define E2B_SCHED_AIMD_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_aimd;

#endif
