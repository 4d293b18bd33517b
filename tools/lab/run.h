/* One run: a load on a rig, and what became of each request. Latency is counted from the time at
 * which a request was meant to be sent, which is fixed before the run (open loop). */
#ifndef E2B_TOOLS_LAB_RUN_H
#define E2B_TOOLS_LAB_RUN_H

#include "tools/lab/arrivals.h"
#include "tools/lab/latency.h"
#include "tools/lab/rig.h"

struct e2b_lab_load {
    const struct e2b_lab_arrivals *arrivals;
    double rates[E2B_LAB_MAX_MODELS]; /* requests a second for each model; closed loop: unused */
    int64_t warm_up_ns;               /* requests meant to be sent before are not counted */
    int64_t duration_ns;              /* after the warm-up */
    uint64_t seed;
    bool deadlines; /* tell the scheduler each request's deadline: its model's target */
};

/* What became of the requests of one model, or of all, that count. */
struct e2b_lab_tally {
    int sent;
    int right;    /* answered, with the right answer: in time or late */
    int late;     /* of those: after the model's target */
    int refused;  /* no slot was free, or the policy's queue was full */
    int hopeless; /* the policy saw that the target could not be met */
    int failed, wrong;
    struct e2b_lab_latency latency; /* of the right ones */
};

#define E2B_LAB_QUANTILES 103 /* 0, 1 .. 99 %, 99.5, 99.9, 100 */

struct e2b_lab_outcome {
    double offered_per_s, throughput_per_s, goodput_per_s; /* sent, right, right and in time */
    struct e2b_lab_tally all, models[E2B_LAB_MAX_MODELS];
    double violations;       /* share of the requests that were not answered right and in time */
    double worst_violations; /* the same of the model that has most */
    double upload_ms, wait_ms, queue_ms, compute_ms, download_ms; /* means of the right ones */
    uint64_t batches, padded_samples, batch_count[E2B_SCHED_MAX_SIZES];
    double mean_batch;
    /* Of batches' durations, at the end of the run: of the model that is predicted worst. */
    struct e2b_sched_prediction prediction;
    uint64_t gaps;                   /* in the order of slots, see e2b_pool_gap_count */
    double mean_lag_ms, most_lag_ms; /* how late requests were sent: the generator's fault */
    int64_t quantile_ns[E2B_LAB_QUANTILES];
    uint64_t hash; /* of every request's fate and latency: equal runs have equal ones */
};

double e2b_lab_quantile_share(int index); /* 0 .. 1 */

enum e2b_status e2b_lab_run(struct e2b_lab_rig *rig, const struct e2b_lab_load *load,
    struct e2b_lab_outcome *out, struct e2b_error *err);

#endif
