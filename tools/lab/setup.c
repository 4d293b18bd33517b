#include "tools/lab/setup.h"

#include <stdio.h>
#include <string.h>

#define CALIBRATION_NS 1000000000
#define MOST_PERCENT 300.0
#define RESOLUTION_PERCENT 2.0

static int largest_size(const struct e2b_lab_rig *rig, int model) {
    int most = e2b_served_max_batch(rig->models[model].served);
    return most > 0 ? most : 1;
}

/* Twice the largest batch asks at once: one batch runs while the next one gathers. */
static enum e2b_status saturate(struct e2b_lab_setup *setup, int model, struct e2b_error *err) {
    struct e2b_lab_rig_spec spec = setup->spec.rig;
    struct e2b_lab_contender contender;
    struct e2b_lab_arrivals arrivals = {.kind = E2B_LAB_CLOSED};
    struct e2b_lab_outcome outcome;
    spec.models[0] = spec.models[model];
    spec.models[0].target_ns = 0;
    spec.model_count = 1;
    if (e2b_lab_contender_parse("greedy_idle", &contender, err) != E2B_OK
        || e2b_lab_rig_init(&setup->rig, &spec, &contender, err) != E2B_OK)
        return err->status;
    arrivals.clients = 2 * largest_size(&setup->rig, 0);
    arrivals.clients = arrivals.clients < spec.slots ? arrivals.clients : spec.slots;
    const struct e2b_lab_load load = {.arrivals = &arrivals,
        .warm_up_ns = CALIBRATION_NS / 10,
        .duration_ns = CALIBRATION_NS,
        .seed = 1};
    if (e2b_lab_run(&setup->rig, &load, &outcome, err) != E2B_OK)
        return err->status;
    setup->capacity_per_s[model] = outcome.throughput_per_s;
    setup->largest_ms[model] = outcome.compute_ms;
    if (outcome.all.wrong > 0)
        return e2b_fail(err, E2B_DEVICE, "model \"%s\": %d of %d answers are wrong at saturation",
            setup->rig.models[0].name, outcome.all.wrong, outcome.all.sent);
    if (!(outcome.throughput_per_s > 0))
        return e2b_fail(err, E2B_DEVICE, "model \"%s\" answers nothing within a second",
            setup->rig.models[0].name);
    e2b_lab_rig_finish(&setup->rig);
    return E2B_OK;
}

enum e2b_status e2b_lab_setup_init(
    struct e2b_lab_setup *setup, const struct e2b_lab_setup_spec *spec, struct e2b_error *err) {
    struct e2b_lab_contender contender;
    memset(setup, 0, sizeof *setup);
    setup->spec = *spec;
    for (int i = 0; i < spec->rig.model_count; i++) {
        if (saturate(setup, i, err) != E2B_OK)
            return err->status;
        double target_ms =
            spec->target_ms > 0 ? spec->target_ms : spec->target_factor * setup->largest_ms[i];
        setup->spec.rig.models[i].target_ns = (int64_t)(target_ms * 1e6);
    }
    if (e2b_lab_contender_parse("greedy_idle", &contender, err) != E2B_OK)
        return err->status;
    return e2b_lab_rig_init(&setup->rig, &setup->spec.rig, &contender, err);
}

void e2b_lab_setup_finish(struct e2b_lab_setup *setup) {
    e2b_lab_rig_finish(&setup->rig);
}

void e2b_lab_probe_load(const struct e2b_lab_setup *setup, const struct e2b_lab_arrivals *arrivals,
    double load_percent, uint64_t seed, struct e2b_lab_load *out) {
    int count = setup->spec.rig.model_count;
    *out = (struct e2b_lab_load){.arrivals = arrivals,
        .warm_up_ns = (int64_t)(setup->spec.seconds * 1e8),
        .duration_ns = (int64_t)(setup->spec.seconds * 1e9),
        .seed = seed,
        .deadlines = setup->spec.deadlines};
    for (int i = 0; i < count; i++)
        out->rates[i] = load_percent / 100 * setup->capacity_per_s[i] / count;
}

enum e2b_status e2b_lab_probe(struct e2b_lab_setup *setup,
    const struct e2b_lab_contender *contender, const struct e2b_lab_arrivals *arrivals,
    double load_percent, uint64_t seed, struct e2b_lab_outcome *out, struct e2b_error *err) {
    struct e2b_lab_load load;
    e2b_lab_probe_load(setup, arrivals, load_percent, seed, &load);
    if (e2b_lab_rig_use(&setup->rig, contender, err) != E2B_OK
        || e2b_lab_run(&setup->rig, &load, out, err) != E2B_OK)
        return e2b_error_while(
            err, "running %s at %g %% of %s", contender->name, load_percent, arrivals->name);
    return E2B_OK;
}

enum e2b_status e2b_lab_peak(struct e2b_lab_setup *setup, const struct e2b_lab_contender *contender,
    const struct e2b_lab_arrivals *arrivals, uint64_t seed, double *load_percent,
    struct e2b_lab_outcome *at_peak, struct e2b_error *err) {
    double low = 0, high = MOST_PERCENT, load = 100, allowed = 1 - setup->spec.rig.percentile;
    memset(at_peak, 0, sizeof *at_peak);
    while (high - low > RESOLUTION_PERCENT) {
        struct e2b_lab_outcome outcome;
        if (e2b_lab_probe(setup, contender, arrivals, load, seed, &outcome, err) != E2B_OK)
            return err->status;
        bool kept = outcome.worst_violations <= allowed + 1e-12;
        *(kept ? &low : &high) = load;
        if (kept)
            *at_peak = outcome;
        /* until a load is too high, go on by halves of 100 */
        load = high == MOST_PERCENT && load < MOST_PERCENT - 50 ? load + 50 : (low + high) / 2;
    }
    *load_percent = low;
    return E2B_OK;
}
