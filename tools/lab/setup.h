/* Models on a rig, how much they can take, and the targets that follow from that. Loads are given
 * in percent of the capacity: what each model alone answers at saturation under greedy_idle,
 * divided evenly among the models that are served together. */
#ifndef E2B_TOOLS_LAB_SETUP_H
#define E2B_TOOLS_LAB_SETUP_H

#include "tools/lab/run.h"

struct e2b_lab_setup_spec {
    struct e2b_lab_rig_spec rig; /* its targets are set here */
    double target_ms;            /* of every model; 0: from target_factor */
    double target_factor;        /* times the duration of the largest batch */
    double seconds;              /* of a run, after its warm-up of a tenth of that */
    bool deadlines;
};

struct e2b_lab_setup {
    struct e2b_lab_setup_spec spec;
    struct e2b_lab_rig rig;
    double capacity_per_s[E2B_LAB_MAX_MODELS];
    double largest_ms[E2B_LAB_MAX_MODELS]; /* mean duration of a batch at saturation */
};

/* The caller finishes it, after failure too. */
enum e2b_status e2b_lab_setup_init(
    struct e2b_lab_setup *setup, const struct e2b_lab_setup_spec *spec, struct e2b_error *err);
void e2b_lab_setup_finish(struct e2b_lab_setup *setup);

/* What e2b_lab_probe runs. */
void e2b_lab_probe_load(const struct e2b_lab_setup *setup, const struct e2b_lab_arrivals *arrivals,
    double load_percent, uint64_t seed, struct e2b_lab_load *out);
/* One run of a contender at a load in percent. */
enum e2b_status e2b_lab_probe(struct e2b_lab_setup *setup,
    const struct e2b_lab_contender *contender, const struct e2b_lab_arrivals *arrivals,
    double load_percent, uint64_t seed, struct e2b_lab_outcome *out, struct e2b_error *err);

/* The highest load in percent, within 2, at which of each model no more than the share that its
 * percentile allows is not answered right and in time. By bisection between 0 and 300. */
enum e2b_status e2b_lab_peak(struct e2b_lab_setup *setup, const struct e2b_lab_contender *contender,
    const struct e2b_lab_arrivals *arrivals, uint64_t seed, double *load_percent,
    struct e2b_lab_outcome *at_peak, struct e2b_error *err);

#endif
