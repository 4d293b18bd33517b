/* Which model is served next: by priority of its head, the urgent by due time, then by device time
 * received over weight. */
#ifndef E2B_SCHED_ELASTIC_TURNS_H
#define E2B_SCHED_ELASTIC_TURNS_H

#include "sched/elastic/state.h"

/* Of those of which something waits and that were not passed over; -1 if none is left. */
int e2b_elastic_next(const struct e2b_policy *policy);
/* Device time that the model receives. One that comes back from idleness has no claim to what it
 * left to others. */
void e2b_elastic_charge(struct e2b_policy *policy, int index, int size_index);

#endif
