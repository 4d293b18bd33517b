/* "tfserving": the batching rules of TensorFlow Serving, for comparison. Each model has a queue of
 * batches, of which the last is open. A ready slot joins the open batch; when that holds
 * max_batch_size, a new one is opened, or, if the queue holds max_enqueued_batches (the open one
 * included), the slot is rejected. A free batch thread takes the front batch if it is closed, or
 * the open one once it is full or batch_timeout_micros have passed since its first slot came; what
 * is taken takes no late joiners. Threads are shared by all models, which take turns. A batch is
 * padded to the next batch size of the model. No priorities, no deadlines.
 *
 * Where it differs from the original:
 * - Each sample is a task of its own. The original adds the samples of one request as a whole,
 *   and so may close a batch early.
 * - Nothing is copied to form a batch, so its slots must be neighbours. A batch whose slots are
 *   not runs as several, as does one that cannot be padded because the slots behind it do not
 *   exist, are ready or belong to a running batch. The batch thread is busy until the last of
 *   them ends. What the copy of the original costs is to be measured apart.
 * - A part of a batch waits for a free instance that holds it. The original has no such limit.
 * - The original's idle threads look again every millisecond and so notice a timeout up to that
 *   much late: poll_micros is the grid of those looks (0: on time). Any event looks at once.
 * - A withdrawn slot leaves its batch at once. In the original it stays until the batch forms.
 */
#ifndef E2B_SCHED_TFSERVING_H
#define E2B_SCHED_TFSERVING_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_tfserving;

#endif
