#include "sched/triton.h"

#include "sched/batcher.h"

enum option {
    PREFERRED_BATCH_SIZE,
    PREFERRED_BATCH_SIZE_2,
    MAX_QUEUE_DELAY_MICROSECONDS,
    INSTANCE_COUNT,
    OPTION_COUNT
};

static const struct e2b_policy_option options[] = {
    [PREFERRED_BATCH_SIZE] = {"preferred_batch_size", "a batch of this size does not wait, 0: none",
        0, 0, 1 << 20},
    [PREFERRED_BATCH_SIZE_2] = {"preferred_batch_size_2", "another preferred size, 0: none", 0, 0,
        1 << 20},
    [MAX_QUEUE_DELAY_MICROSECONDS] = {"max_queue_delay_microseconds",
        "longest wait for a batch to fill", 0, 0, INT64_C(3600000000)},
    [INSTANCE_COUNT] = {"instance_count", "batches of a model at once", 1, 1, 1 << 10},
    {0},
};

static int64_t arrival(const struct e2b_batcher_model *model, const int64_t *values,
    const struct e2b_sched_event *ready) {
    (void)model;
    (void)values;
    return ready->arrival_ns;
}

/* Preferred sizes bounded by count, the largest of them; 0 if none. */
static int preferred(const int64_t *values, int count) {
    int64_t a = values[PREFERRED_BATCH_SIZE], b = values[PREFERRED_BATCH_SIZE_2];
    a = a > count ? 0 : a;
    b = b > count ? 0 : b;
    return (int)(a > b ? a : b);
}

static int64_t moment(const struct e2b_batcher_model *model, const int64_t *values, int64_t now_ns,
    struct e2b_batcher_candidate *candidate) {
    int64_t delay_ns = 1000 * values[MAX_QUEUE_DELAY_MICROSECONDS];
    int64_t expires_ns = candidate->due_ns + delay_ns;
    int best = preferred(values, candidate->count);
    if (best > 0 && (delay_ns == 0 || expires_ns > now_ns)) {
        candidate->count = best;
        candidate->reason = E2B_SCHED_PREFERRED_REASON;
        return candidate->due_ns;
    }
    if (candidate->count == e2b_batcher_limit(model)) {
        candidate->reason = E2B_SCHED_FULL_REASON;
        return candidate->due_ns;
    }
    candidate->reason = delay_ns ? E2B_SCHED_TIMEOUT_REASON : E2B_SCHED_IDLE_REASON;
    return expires_ns;
}

static const struct e2b_batcher_rules rules = {.due = arrival, .moment = moment};

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    const struct e2b_batcher_spec spec = {.rules = &rules,
        .values = values,
        .value_count = OPTION_COUNT,
        .per_model = values[INSTANCE_COUNT],
        .in_all = INT64_MAX};
    return e2b_batcher_create(models, model_count, &spec, out, err);
}

const struct e2b_policy_ops e2b_policy_triton = {
    .name = "triton",
    .help = "preferred batch sizes and a queue delay, as Triton's dynamic batcher",
    .options = options,
    .create = create,
    .destroy = e2b_batcher_destroy,
    .on_event = e2b_batcher_on_event,
    .waiting = e2b_batcher_waiting,
};
