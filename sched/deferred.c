#include "sched/deferred.h"

#include "sched/batcher.h"

enum option { TARGET_US, ACCELERATORS, OPTION_COUNT };

static const struct e2b_policy_option options[] = {
    [TARGET_US] = {"target_us", "target of a request that has none of its own", 100000, 1,
        INT64_C(3600000000)},
    [ACCELERATORS] = {"accelerators", "batches at once", 1, 1, 1 << 10},
    {0},
};

static int64_t deadline(const struct e2b_batcher_model *model, const int64_t *values,
    const struct e2b_sched_event *ready) {
    int64_t target_ns = model->target_ns > 0 ? model->target_ns : 1000 * values[TARGET_US];
    int64_t own_ns = ready->arrival_ns + target_ns;
    return ready->deadline_ns < own_ns ? ready->deadline_ns : own_ns;
}

static int64_t moment(const struct e2b_batcher_model *model, const int64_t *values, int64_t now_ns,
    struct e2b_batcher_candidate *candidate) {
    (void)values;
    int64_t due_ns = candidate->due_ns;
    while (
        candidate->count > 1 && now_ns + e2b_batcher_duration_ns(model, candidate->count) > due_ns)
        candidate->count--;
    if (candidate->count == e2b_batcher_limit(model)) {
        candidate->reason = E2B_SCHED_FULL_REASON;
        return now_ns;
    }
    int64_t larger_ns = e2b_batcher_duration_ns(model, candidate->count + 1);
    candidate->reason = E2B_SCHED_DEFERRED_REASON;
    return larger_ns > 0 ? due_ns - larger_ns : now_ns;
}

static bool hopeless(const struct e2b_batcher_model *model, int64_t due_ns, int64_t now_ns) {
    return now_ns + e2b_batcher_duration_ns(model, 1) > due_ns;
}

static const struct e2b_batcher_rules rules = {
    .due = deadline, .moment = moment, .hopeless = hopeless};

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    const struct e2b_batcher_spec spec = {.rules = &rules,
        .values = values,
        .value_count = OPTION_COUNT,
        .per_model = INT64_MAX,
        .in_all = values[ACCELERATORS]};
    return e2b_batcher_create(models, model_count, &spec, out, err);
}

const struct e2b_policy_ops e2b_policy_deferred = {
    .name = "deferred",
    .help = "as late as the deadline of a growing batch allows, as Symphony",
    .options = options,
    .create = create,
    .destroy = e2b_batcher_destroy,
    .on_event = e2b_batcher_on_event,
    .waiting = e2b_batcher_waiting,
};
