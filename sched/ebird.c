#include "sched/ebird.h"

#include "sched/slots.h"
#include <stdlib.h>

enum option { MAX_INFLIGHT };

static const struct e2b_policy_option options[] = {
    [MAX_INFLIGHT] = {"max_inflight", "slots that run at once, 0: no bound", 16, 0, 1 << 20},
    {0},
};

struct e2b_policy {
    int model_count, in_flight, max_in_flight; /* slots */
    struct e2b_sched_slots models[];
};

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        e2b_sched_slots_finish(&policy->models[i]);
    free(policy);
}

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    if (e2b_sched_models_check(models, model_count, err) != E2B_OK)
        return err->status;
    struct e2b_policy *policy =
        calloc(1, sizeof *policy + (size_t)model_count * sizeof *policy->models);
    if (!policy)
        return e2b_fail_memory(err, "a policy");
    policy->max_in_flight = values[MAX_INFLIGHT] ? (int)values[MAX_INFLIGHT] : INT32_MAX;
    for (int i = 0; i < model_count; i++)
        if (!e2b_sched_slots_init(&policy->models[policy->model_count++], &models[i])) {
            destroy(policy);
            return e2b_fail_memory(err, "a policy");
        }
    *out = policy;
    return E2B_OK;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct e2b_sched_slots *slots = &policy->models[event->model];
    switch (event->kind) {
    case E2B_SCHED_READY:
        e2b_sched_slots_ready(slots, event->slot, 0, event->arrival_ns, INT64_MAX);
        break;
    case E2B_SCHED_COMPLETED:
        e2b_sched_slots_completed(slots, event->size_index, event->instance);
        policy->in_flight -= slots->instances.sizes[event->size_index];
        break;
    case E2B_SCHED_CANCELLED:
        e2b_sched_slots_withdraw(slots, event->slot);
        break;
    case E2B_SCHED_TIMER:
        break;
    }
}

/* The largest free size of at most `most` that the head's neighbours fill. */
static bool fit(const struct e2b_sched_slots *slots, int most, struct e2b_sched_batch *out) {
    const struct e2b_sched_instances *instances = &slots->instances;
    int head = e2b_sched_waiting_head(&slots->waiting);
    for (int i = instances->size_count - 1; head >= 0 && i >= 0; i--) {
        int count, size = instances->sizes[i];
        if (size > most || !e2b_sched_instances_free(instances, i))
            continue;
        int first = e2b_sched_waiting_run(&slots->waiting, head, size, &count);
        *out = (struct e2b_sched_batch){first, size, size, i, -1};
        if (count == size)
            return true;
    }
    return false;
}

static const struct e2b_sched_key *oldest(const struct e2b_sched_slots *slots) {
    return e2b_sched_waiting_key(&slots->waiting, e2b_sched_waiting_head(&slots->waiting));
}

/* Of the models that can run something, that of the oldest request; -1 if none can. */
static int choose(const struct e2b_policy *policy, struct e2b_sched_batch *out) {
    int chosen = -1, most = policy->max_in_flight - policy->in_flight;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_sched_slots *slots = &policy->models[i];
        struct e2b_sched_batch batch;
        if (!fit(slots, most, &batch)
            || (chosen >= 0 && !e2b_sched_key_less(oldest(slots), oldest(&policy->models[chosen]))))
            continue;
        chosen = i;
        *out = batch;
    }
    return chosen;
}

static void on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    struct e2b_sched_batch batch;
    int chosen;
    take_note(policy, event);
    while (!event->more && (chosen = choose(policy, &batch)) >= 0
        && e2b_sched_slots_run(
            &policy->models[chosen], chosen, E2B_SCHED_GREEDY_REASON, &batch, actions))
        policy->in_flight += batch.count;
}

static int waiting(const struct e2b_policy *policy, int model) {
    return e2b_sched_slots_waiting(&policy->models[model]);
}

const struct e2b_policy_ops e2b_policy_ebird = {
    .name = "ebird",
    .help = "largest batches that ready requests fill, side by side, at once (Ebird)",
    .options = options,
    .create = create,
    .destroy = destroy,
    .on_event = on_event,
    .waiting = waiting,
};
