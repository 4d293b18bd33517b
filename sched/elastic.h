/* "elastic": event-driven, greedy, largest first, after Ebird and E2bird. At every event the slots
 * that are due first, with their ready neighbours, run as the largest batch size that they fill and
 * that has a free instance; then again, until nothing fits: 7 ready slots become 4 + 2 + 1, side by
 * side. It never waits for a batch to fill and never pads. Slots whose sizes are all busy wait;
 * those elsewhere in the pool that fill a larger free size go meanwhile, in ring order.
 *
 * Order within and between models: priority, then due time, the earlier of the deadline and arrival
 * + window, where window is the model's target (or patience_us if it has none) over its weight. Due
 * times are fixed at arrival, so nothing of equal priority starves. A slot is rejected as hopeless
 * when its deadline is nearer than the model's quickest batch takes alone. */
#ifndef E2B_SCHED_ELASTIC_H
#define E2B_SCHED_ELASTIC_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_elastic;

#endif
