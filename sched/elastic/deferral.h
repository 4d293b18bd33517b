/* Whether a batch that could start waits for the next request instead. */
#ifndef E2B_SCHED_ELASTIC_DEFERRAL_H
#define E2B_SCHED_ELASTIC_DEFERRAL_H

#include "sched/elastic/choice.h"

/* Does it pay to let the batch wait for the next request, at the rate at which they come? Then
 * until when: at most half of what the larger batch takes, and not beyond the head's slack. */
bool e2b_elastic_pays_to_hold(const struct e2b_policy *policy, int index, double followers,
    const struct e2b_elastic_choice *choice, int64_t *until_ns);

#endif
