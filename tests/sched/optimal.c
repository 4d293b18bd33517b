#include "tests/sched/optimal.h"

struct e2b_optimal e2b_optimal_of(
    const struct e2b_sched_model *model, const int64_t *arrivals, long count) {
    double sample_ns = 1e300, quickest_ns = 1e300, latency_ns = 0;
    for (int i = 0; i < model->size_count; i++) {
        double solo_ns = (double)model->solo_ns[i];
        double share = model->demand[i] > 0 && model->demand[i] < 1 ? model->demand[i] : 1;
        if (solo_ns * share / model->sizes[i] < sample_ns)
            sample_ns = solo_ns * share / model->sizes[i];
        quickest_ns = solo_ns < quickest_ns ? solo_ns : quickest_ns;
    }
    struct e2b_optimal optimal = {.capacity = 1e9 / sample_ns};
    double all_ns = 0, kept_ns = 0; /* when the fluid has done what came, or what is kept */
    for (long i = 0; i < count; i++) {
        double arrival_ns = (double)arrivals[i], target_ns = (double)model->target_ns;
        all_ns = (all_ns > arrival_ns ? all_ns : arrival_ns) + sample_ns;
        double end_ns = arrival_ns + quickest_ns;
        latency_ns += (all_ns > end_ns ? all_ns : end_ns) - arrival_ns;
        double ends_ns = (kept_ns > arrival_ns ? kept_ns : arrival_ns) + sample_ns;
        if (target_ns > 0 && (ends_ns > arrival_ns + target_ns || quickest_ns > target_ns))
            continue; /* equal jobs with agreeable deadlines: dropping the late one is optimal */
        kept_ns = ends_ns;
        optimal.in_target++;
    }
    optimal.mean_ns = count > 0 ? latency_ns / (double)count : 0;
    return optimal;
}
