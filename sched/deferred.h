/* "deferred": the deferred dispatch of Symphony (arXiv 2308.07470), for comparison. A model's
 * candidate is as many of its waiting requests, earliest deadline first, as can still meet the
 * earliest deadline d as one batch: now + duration(b) <= d. It is not run at once, but from the
 * moment d - duration(b + 1) on: until then one more request could join and the deadline would
 * hold, afterwards waiting gains nothing. A full batch runs at once. A request whose deadline not
 * even a batch of one can meet is dropped.
 *
 * accelerators is how many batches run at once, of all models. Deadlines are those of the requests,
 * else arrival + the model's target, else arrival + target_us. Durations are the measured ones of a
 * batch alone; while they are unknown nothing is deferred. The original's matching of many models
 * with many accelerators is one queue here; a batch's slots must be neighbours. */
#ifndef E2B_SCHED_DEFERRED_H
#define E2B_SCHED_DEFERRED_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_deferred;

#endif
