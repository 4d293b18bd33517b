/* What could be had of a simulated run, had its arrivals been known (sched/optimal.h): the bound
 * that no policy exceeds, and what the best clairvoyant one with one batch at a time reaches. */
#ifndef E2B_TOOLS_LAB_BOUND_H
#define E2B_TOOLS_LAB_BOUND_H

#include "tools/lab/setup.h"

struct e2b_lab_bound {
    double sent_per_s, most_in_time_per_s, clairvoyant_in_time_per_s;
    int64_t least_p99_ns, clairvoyant_p99_ns; /* of all that was sent, if all had to be answered
                                                 but for 1 % */
};

/* Known of one model with times from a table, and where send times do not depend on answers. */
bool e2b_lab_has_bound(const struct e2b_lab_setup *setup, const struct e2b_lab_arrivals *arrivals);
/* Of what e2b_lab_probe runs with the same arguments, its warm-up included. */
enum e2b_status e2b_lab_bound(const struct e2b_lab_setup *setup,
    const struct e2b_lab_arrivals *arrivals, double load_percent, uint64_t seed,
    struct e2b_lab_bound *out, struct e2b_error *err);

#endif
