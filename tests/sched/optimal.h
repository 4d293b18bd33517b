/* What no policy can beat, given all arrivals of one model in advance: bounds, not a schedule. They
 * hold for any device on which
 * - a batch takes at least quickest_ns, the shortest duration of any size alone, and
 * - n samples cost at least n x sample_ns of device time, sample_ns being the least of
 *   duration x min(demand, 1) / size over the sizes, and the device does not do more than one
 *   nanosecond of work in a nanosecond.
 * A fluid server of that speed, that starts each sample when it arrives, has finished k samples
 * no later than any schedule. Batches that end as a whole, finite instances and
 * compositions cost more, so the bounds are not always reached. */
#ifndef E2B_TESTS_SCHED_OPTIMAL_H
#define E2B_TESTS_SCHED_OPTIMAL_H

#include "sched/policy.h"

struct e2b_optimal {
    double mean_ns;  /* least mean latency when all are answered */
    long in_target;  /* most requests within the model's target (all, if it has none) */
    double capacity; /* most samples a second */
};

struct e2b_optimal e2b_optimal_of(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count);

#endif
