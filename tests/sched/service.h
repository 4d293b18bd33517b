/* A service in virtual time, to compare policies by: Poisson arrivals, a pool of slots taken in
 * ring order, where one that is refused at once is the next to be taken, and a device on which
 * batches share time as sched/policy.h's `demand` says. Everything is a function of the seed. */
#ifndef E2B_TESTS_SCHED_SERVICE_H
#define E2B_TESTS_SCHED_SERVICE_H

#include "sched/policy.h"

#define E2B_SERVICE_MAX_MODELS 4

struct e2b_service_spec {
    const struct e2b_sched_model *models; /* as the policy is told, and as the device is but for: */
    double slower; /* true durations are the told ones times this; 0 means 1 */
    double noise;  /* and vary by a factor of 1 - noise .. 1 + noise */
    double closer; /* true demands are the told ones times this; 0 means 1 */
    int model_count;
    double rates[E2B_SERVICE_MAX_MODELS]; /* requests a second, of each model */
    int64_t seconds_ns;                   /* how long requests arrive; then all are answered */
    uint64_t seed;
    const char *policy_options; /* as e2b_script_policy */
};

/* Of one model. */
struct e2b_service_result {
    long offered, answered, in_target;
    long refused;     /* by the policy, at the event that brought the request */
    long dropped;     /* by the policy, later */
    long turned_away; /* no free slot */
    double mean_ns;   /* latency of what was answered */
    int64_t p99_ns, max_ns;
    double throughput; /* answered a second, from the first arrival to the last answer */
    long batches;
    double padded; /* share of computed slots */
};

void e2b_service_play(const struct e2b_policy_ops *ops, const struct e2b_service_spec *spec,
    struct e2b_service_result results[E2B_SERVICE_MAX_MODELS]);

/* The arrival times of one model of a spec, ascending. The caller frees them. */
int64_t *e2b_service_arrivals(const struct e2b_service_spec *spec, int model, long *count);

#endif
