/* "elastic": the product's policy. It decides at every event, from a forecast of what runs
 * (sched/forecast.h), which waiting requests run now, as which batches, and which wait.
 *
 * Admission. A request is due at its deadline or at arrival + the model's target, whichever is
 * earlier. On arrival its end is predicted: what runs, then what is due before it, at the best
 * throughput of the tables or, on a busy device, in the batches that it can form as it lies in the
 * slots, then its own batch. What would end late, or make an admitted request
 * late, is refused (OVERLOAD); how much of its time a request may be foreseen to need is learnt
 * from the promises that were kept and broken (sched/trust.h). While the device is asked for more
 * than it can give, each model may queue what its share by weight serves within its target, and
 * lend what it does not need (SHARE): any less, and it would be served in small batches, which is
 * what overloads the device. So many as would be let in may be on their way (room). What waits and
 * can no longer be met is dropped (HOPELESS).
 *
 * Dispatch. For the oldest request and those around it each free size is weighed - filled, or
 * padded where that is allowed - alone, together with smaller ones for the rest, and against
 * waiting for what runs to make room. What makes fewest requests late wins, then what makes the sum
 * of all predicted ends least: of the batch, of those that run beside it and are slowed, of those
 * left behind, and of those that will arrive until the backlog is gone, to whom device time is
 * worth the more the higher the load. So a device with room starts at once, one that gains nothing
 * from company runs one batch at a time, short queues get the best latency and long ones the best
 * throughput. A batch is held for the next request (GROWING) if at the measured rate of arrivals
 * that lowers the same sum, for at most half a batch, and only within the slack.
 *
 * A device that one batch fills gains nothing from company: each batch ends later and none earlier.
 * So when much is asked of it, or more waits than half a full batch, batches run one after another,
 * each the one that gives most samples in time for its duration, with what fits beside it; one that
 * needs more room than there is waits for it, as smaller ones beside one another would keep it from
 * ever getting any. Of several models with targets each has a lane then: its batches run one after
 * another, beside those of the others, so that none waits for another's, whatever their targets.
 * Their size is what leaves time for two, one under way and the next, slowed by all lanes (pace.c).
 * What is foreseen in lanes and what outside is trusted by records of their own.
 *
 * Models: by priority, then the urgent by due time, then by device time received over weight. A
 * request or model that waits for room lets few others pass, so none starves.
 *
 * Where durations are not known nothing is refused but what is past its deadline, and the largest
 * batches that are filled run at once. */
#ifndef E2B_SCHED_ELASTIC_H
#define E2B_SCHED_ELASTIC_H

#include "sched/policy.h"

extern const struct e2b_policy_ops e2b_policy_elastic;

#endif
