#include "sched/aimd.h"

#include "sched/batcher.h"

enum option { TARGET_US, INCREASE, DECREASE_PERCENT, REPLICAS, OPTION_COUNT };

static const struct e2b_policy_option options[] = {
    [TARGET_US] = {"target_us", "target of a batch of a model that has none of its own", 20000, 1,
        INT64_C(3600000000)},
    [INCREASE] = {"increase", "added to the batch limit after a batch in time", 1, 1, 1 << 20},
    [DECREASE_PERCENT] = {"decrease_percent", "taken off the batch limit after a late batch", 10, 1,
        99},
    [REPLICAS] = {"replicas", "batches of a model at once", 1, 1, 1 << 10},
    {0},
};

static int64_t arrival(const struct e2b_batcher_model *model, const int64_t *values,
    const struct e2b_sched_event *ready) {
    (void)model;
    (void)values;
    return ready->arrival_ns;
}

static int64_t moment(const struct e2b_batcher_model *model, const int64_t *values, int64_t now_ns,
    struct e2b_batcher_candidate *candidate) {
    (void)model;
    (void)values;
    (void)now_ns;
    candidate->reason = E2B_SCHED_LIMIT_REASON;
    return candidate->due_ns;
}

static void adapt(struct e2b_batcher_model *model, const int64_t *values, int64_t duration_ns) {
    const struct e2b_sched_instances *instances = &model->slots.instances;
    double largest = instances->sizes[instances->size_count - 1];
    int64_t target_ns = model->target_ns > 0 ? model->target_ns : 1000 * values[TARGET_US];
    if (duration_ns <= 0)
        return;
    if (duration_ns <= target_ns)
        model->limit += (double)values[INCREASE];
    else
        model->limit *= 1 - (double)values[DECREASE_PERCENT] / 100;
    if (model->limit > largest)
        model->limit = largest;
    if (model->limit < 1)
        model->limit = 1;
}

static const struct e2b_batcher_rules rules = {
    .due = arrival, .moment = moment, .completed = adapt};

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    const struct e2b_batcher_spec spec = {.rules = &rules,
        .values = values,
        .value_count = OPTION_COUNT,
        .per_model = values[REPLICAS],
        .in_all = INT64_MAX,
        .limit = 1};
    return e2b_batcher_create(models, model_count, &spec, out, err);
}

const struct e2b_policy_ops e2b_policy_aimd = {
    .name = "aimd",
    .help = "all that waits up to a limit that adapts to the target, as Clipper",
    .options = options,
    .create = create,
    .destroy = e2b_batcher_destroy,
    .on_event = e2b_batcher_on_event,
    .waiting = e2b_batcher_waiting,
};
