#include "tools/lab/bound.h"

#include "runtime/engine/served.h"
#include "sched/optimal.h"

bool e2b_lab_has_bound(const struct e2b_lab_setup *setup, const struct e2b_lab_arrivals *arrivals) {
    return setup->spec.rig.table && setup->rig.model_count == 1 && arrivals->kind != E2B_LAB_CLOSED;
}

/* Times of the table. A sample cannot be answered before its own copies are done. */
static void describe(const struct e2b_lab_setup *setup, struct e2b_sched_model *out) {
    const struct e2b_lab_model *model = &setup->rig.models[0];
    const struct e2b_lab_timing *timing = e2b_lab_table_find(setup->spec.rig.table, model->name);
    e2b_served_describe(model->served, out);
    out->reply_ns = timing->upload_ns + timing->download_ns;
    for (int i = 0; i < out->size_count; i++) {
        int size = 0;
        while (size < timing->size_count - 1 && timing->sizes[size] < out->sizes[i])
            size++;
        out->solo_ns[i] = timing->solo_ns[size];
        out->demand[i] = timing->demand[size];
    }
}

enum e2b_status e2b_lab_bound(const struct e2b_lab_setup *setup,
    const struct e2b_lab_arrivals *arrivals, double load_percent, uint64_t seed,
    struct e2b_lab_bound *out, struct e2b_error *err) {
    struct e2b_lab_load load;
    struct e2b_sched_model model;
    struct e2b_lab_times times;
    e2b_lab_probe_load(setup, arrivals, load_percent, seed, &load);
    int64_t length_ns = load.warm_up_ns + load.duration_ns;
    if (e2b_lab_arrivals_draw(
            arrivals, load.rates[0], length_ns, seed, setup->rig.models[0].name, &times, err)
        != E2B_OK)
        return err->status;
    describe(setup, &model);
    double seconds = (double)length_ns / 1e9;
    long clairvoyant = e2b_clairvoyant_in_target(&model, times.ns, times.count);
    *out = (struct e2b_lab_bound){.sent_per_s = times.count / seconds,
        .most_in_time_per_s =
            (double)e2b_optimal_of(&model, times.ns, times.count).in_target / seconds,
        .clairvoyant_in_time_per_s = (double)clairvoyant / seconds,
        .least_p99_ns = e2b_optimal_quantile(&model, times.ns, times.count, 0.99),
        .clairvoyant_p99_ns = e2b_clairvoyant_quantile(&model, times.ns, times.count, 0.99)};
    e2b_lab_times_finish(&times);
    if (clairvoyant < 0 || out->clairvoyant_p99_ns < 0)
        return e2b_fail_memory(err, "a clairvoyant schedule");
    return E2B_OK;
}
