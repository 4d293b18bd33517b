#include "sched/batcher.h"

#include <stdlib.h>
#include <string.h>

struct e2b_policy {
    const struct e2b_batcher_rules *rules;
    int64_t values[E2B_BATCHER_MAX_OPTIONS];
    int64_t per_model, in_all, in_flight;
    int64_t timer_ns; /* asked for, INT64_MAX if none */
    int model_count;
    struct e2b_batcher_model models[];
};

void e2b_batcher_destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        e2b_sched_slots_finish(&policy->models[i].slots);
    free(policy);
}

static bool model_init(
    struct e2b_batcher_model *model, const struct e2b_sched_model *from, int64_t limit) {
    int largest = from->sizes[from->size_count - 1];
    model->target_ns = from->target_ns;
    model->limit = limit > 0 && limit < largest ? (double)limit : largest;
    return e2b_sched_slots_init(&model->slots, from);
}

enum e2b_status e2b_batcher_create(const struct e2b_sched_model *models, int model_count,
    const struct e2b_batcher_spec *spec, struct e2b_policy **out, struct e2b_error *err) {
    if (e2b_sched_models_check(models, model_count, err) != E2B_OK)
        return err->status;
    struct e2b_policy *policy =
        calloc(1, sizeof *policy + (size_t)model_count * sizeof *policy->models);
    if (!policy)
        return e2b_fail_memory(err, "a policy");
    policy->rules = spec->rules;
    memcpy(policy->values, spec->values, (size_t)spec->value_count * sizeof *spec->values);
    policy->per_model = spec->per_model;
    policy->in_all = spec->in_all;
    policy->timer_ns = INT64_MAX;
    for (int i = 0; i < model_count; i++)
        if (!model_init(&policy->models[policy->model_count++], &models[i], spec->limit)) {
            e2b_batcher_destroy(policy);
            return e2b_fail_memory(err, "a policy");
        }
    *out = policy;
    return E2B_OK;
}

int64_t e2b_batcher_duration_ns(const struct e2b_batcher_model *model, int count) {
    const struct e2b_sched_instances *instances = &model->slots.instances;
    int i = 0;
    while (i < instances->size_count - 1 && instances->sizes[i] < count)
        i++;
    return instances->best_ns[i];
}

int e2b_batcher_limit(const struct e2b_batcher_model *model) {
    return (int)model->limit;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct e2b_batcher_model *model = &policy->models[event->model];
    switch (event->kind) {
    case E2B_SCHED_READY:
        e2b_sched_slots_ready(&model->slots, event->slot, 0,
            policy->rules->due(model, policy->values, event), INT64_MAX);
        break;
    case E2B_SCHED_COMPLETED:
        e2b_sched_slots_completed(&model->slots, event->size_index, event->instance);
        policy->in_flight--;
        if (policy->rules->completed)
            policy->rules->completed(model, policy->values, event->duration_ns);
        break;
    case E2B_SCHED_CANCELLED:
        e2b_sched_slots_withdraw(&model->slots, event->slot);
        break;
    case E2B_SCHED_TIMER:
        if (event->now_ns >= policy->timer_ns)
            policy->timer_ns = INT64_MAX;
        break;
    }
}

static void drop_hopeless(
    struct e2b_policy *policy, int index, int64_t now_ns, struct e2b_sched_actions *actions) {
    struct e2b_batcher_model *model = &policy->models[index];
    const struct e2b_sched_waiting *waiting = &model->slots.waiting;
    for (;;) {
        int head = e2b_sched_waiting_head(waiting);
        if (head < 0
            || !policy->rules->hopeless(
                model, e2b_sched_waiting_key(waiting, head)->second, now_ns))
            return;
        if (!e2b_sched_slots_reject(&model->slots, index, E2B_SCHED_HOPELESS_REASON, head, actions))
            return;
    }
}

/* When the model's next batch may start, INT64_MAX if nothing waits or all its turns are taken. */
static int64_t moment_of(const struct e2b_policy *policy, const struct e2b_batcher_model *model,
    int64_t now_ns, struct e2b_batcher_candidate *candidate) {
    const struct e2b_sched_waiting *waiting = &model->slots.waiting;
    int head = e2b_sched_waiting_head(waiting);
    if (head < 0 || model->slots.in_flight >= policy->per_model)
        return INT64_MAX;
    *candidate =
        (struct e2b_batcher_candidate){.due_ns = e2b_sched_waiting_key(waiting, head)->second};
    e2b_sched_waiting_run(waiting, head, e2b_batcher_limit(model), &candidate->count);
    return policy->rules->moment(model, policy->values, now_ns, candidate);
}

/* Start the batch whose moment came first; false: none may start. next_ns is the next moment. */
static bool start_one(struct e2b_policy *policy, int64_t now_ns, int64_t *next_ns,
    struct e2b_sched_actions *actions) {
    int64_t first_ns = INT64_MAX;
    int chosen = -1;
    struct e2b_sched_batch batch = {0};
    enum e2b_sched_reason reason = E2B_SCHED_IDLE_REASON;
    *next_ns = INT64_MAX;
    for (int i = 0; i < policy->model_count; i++) {
        struct e2b_batcher_candidate candidate = {0};
        struct e2b_sched_batch formed;
        const struct e2b_batcher_model *model = &policy->models[i];
        int64_t moment_ns = moment_of(policy, model, now_ns, &candidate);
        if (moment_ns > now_ns && moment_ns < *next_ns)
            *next_ns = moment_ns;
        if (moment_ns > now_ns || (chosen >= 0 && moment_ns >= first_ns)
            || !e2b_sched_slots_form(&model->slots, candidate.count, &formed))
            continue;
        chosen = i;
        first_ns = moment_ns;
        batch = formed;
        reason = candidate.reason;
    }
    if (chosen < 0
        || !e2b_sched_slots_run(&policy->models[chosen].slots, chosen, reason, &batch, actions))
        return false;
    policy->in_flight++;
    return true;
}

static void set_timer(
    struct e2b_policy *policy, int64_t next_ns, struct e2b_sched_actions *actions) {
    if (next_ns >= policy->timer_ns)
        return;
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return;
    *action = (struct e2b_sched_action){
        .kind = E2B_SCHED_SET_TIMER, .reason = E2B_SCHED_TIMEOUT_REASON, .timer_ns = next_ns};
    policy->timer_ns = next_ns;
}

void e2b_batcher_on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    take_note(policy, event);
    if (event->more)
        return;
    for (int i = 0; policy->rules->hopeless && i < policy->model_count; i++)
        drop_hopeless(policy, i, event->now_ns, actions);
    int64_t next_ns = INT64_MAX;
    while (
        policy->in_flight < policy->in_all && start_one(policy, event->now_ns, &next_ns, actions))
        ;
    if (policy->in_flight < policy->in_all)
        set_timer(policy, next_ns, actions);
}

int e2b_batcher_waiting(const struct e2b_policy *policy, int model) {
    return e2b_sched_slots_waiting(&policy->models[model].slots);
}
