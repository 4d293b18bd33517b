/* What could be had of one model on a device, given all arrivals in advance: a bound that no policy
 * exceeds, and what a clairvoyant one reaches. The truth lies between the two.
 *
 * The bound is a fluid server: n samples cost at least n x sample_ns of device time, sample_ns
 * being the least of duration x min(demand, 1) / size over the sizes, the device does no more than
 * one nanosecond of work in a nanosecond, and a batch takes at least the shortest duration of any
 * size alone. Batches that end as a whole, finite instances and compositions cost more.
 *
 * The clairvoyant one runs one batch at a time, and is the best of all that do: it knows what will
 * come, waits for a fuller batch where that pays, and gives up a request before it costs anything.
 */
#ifndef E2B_SCHED_OPTIMAL_H
#define E2B_SCHED_OPTIMAL_H

#include "sched/policy.h"

struct e2b_optimal {
    double mean_ns;  /* least mean latency when all are answered */
    long in_target;  /* most requests within the model's target (all, if it has none) */
    double capacity; /* most samples a second */
};

/* arrivals: ns, ascending. reply_ns of the model is added to every latency. */
struct e2b_optimal e2b_optimal_of(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count);
/* The shortest target that a share of the requests could keep, by the bound. */
int64_t e2b_optimal_quantile(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count, double share);

/* The same of the clairvoyant one: -1 when out of memory. */
long e2b_clairvoyant_in_target(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count);
int64_t e2b_clairvoyant_quantile(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count, double share);

#endif
