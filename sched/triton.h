/* "triton": the dynamic batcher of Triton Inference Server, for comparison, by its user guide. When
 * an instance of the model is free, the waiting requests form a batch in the order received:
 * - if a preferred size can be formed, the largest such one runs at once;
 * - else, if the batch is full (max_batch_size, or with preferred sizes the largest of them), it
 *   runs at once;
 * - else it is held until its oldest request is max_queue_delay_microseconds old, and then runs as
 *   it is, preferred or not.
 * instance_count batches of a model run at once. max_batch_size is that of the models.
 *
 * Where it differs from the original:
 * - A batch is padded to the next size of the model; its slots must be neighbours, as nothing is
 *   copied to form it.
 * - Queue policies (limits, timeouts) and priority levels, off by default there, are absent.
 * - At most two preferred sizes can be named. */
#ifndef E2B_SCHED_TRITON_H
#define E2B_SCHED_TRITON_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_triton;

#endif
