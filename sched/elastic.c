#include "sched/elastic.h"

#include "sched/instances.h"
#include "sched/waiting.h"
#include <stdlib.h>

enum option { MAX_IN_FLIGHT, PATIENCE_US };

static const struct e2b_policy_option options[] = {
    [MAX_IN_FLIGHT] = {"max_in_flight", "batches on the device at once, 0: one an instance", 0, 0,
        1 << 20},
    [PATIENCE_US] = {"patience_us", "wait after which a request without deadline or target is due",
        100000, 1, INT64_C(3600000000)},
    {0},
};

struct model {
    struct e2b_sched_waiting waiting;
    struct e2b_sched_instances instances;
    int64_t window_ns; /* from arrival to due */
};

struct e2b_policy {
    int model_count, in_flight, max_in_flight;
    int64_t timer_ns; /* asked for, INT64_MAX if none */
    struct model models[];
};

struct batch {
    int model, first, size_index;
};

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        e2b_sched_waiting_finish(&policy->models[i].waiting);
    free(policy);
}

static bool model_init(
    struct model *model, const struct e2b_sched_model *from, int64_t patience_ns) {
    double window_ns = (double)(from->target_ns > 0 ? from->target_ns : patience_ns) / from->weight;
    model->window_ns = window_ns < 1e15 ? (int64_t)window_ns : (int64_t)1e15;
    e2b_sched_instances_init(&model->instances, from);
    return e2b_sched_waiting_init(&model->waiting, from->slot_count);
}

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    if (e2b_sched_models_check(models, model_count, err) != E2B_OK)
        return err->status;
    struct e2b_policy *policy =
        calloc(1, sizeof *policy + (size_t)model_count * sizeof *policy->models);
    if (!policy)
        return e2b_fail_memory(err, "a policy");
    policy->timer_ns = INT64_MAX;
    policy->max_in_flight = values[MAX_IN_FLIGHT] ? (int)values[MAX_IN_FLIGHT]
                                                  : e2b_sched_models_instances(models, model_count);
    for (int i = 0; i < model_count; i++) {
        policy->model_count++;
        if (!model_init(&policy->models[i], &models[i], 1000 * values[PATIENCE_US])) {
            destroy(policy);
            return e2b_fail_memory(err, "a policy");
        }
    }
    *out = policy;
    return E2B_OK;
}

static void ready(struct model *model, const struct e2b_sched_event *event) {
    int64_t due_ns = event->arrival_ns + model->window_ns;
    if (due_ns > event->deadline_ns)
        due_ns = event->deadline_ns;
    e2b_sched_waiting_add(
        &model->waiting, event->slot, event->priority, due_ns, event->deadline_ns);
}

static void completed(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct e2b_sched_instances *instances = &policy->models[event->model].instances;
    e2b_sched_instances_give(instances, event->size_index, event->instance);
    e2b_sched_instances_learn(instances, event->size_index, event->duration_ns);
    policy->in_flight--;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct model *model = &policy->models[event->model];
    switch (event->kind) {
    case E2B_SCHED_READY:
        ready(model, event);
        break;
    case E2B_SCHED_COMPLETED:
        completed(policy, event);
        break;
    case E2B_SCHED_CANCELLED:
        e2b_sched_waiting_remove(&model->waiting, event->slot);
        break;
    case E2B_SCHED_TIMER:
        if (event->now_ns >= policy->timer_ns)
            policy->timer_ns = INT64_MAX;
        break;
    }
}

/* The last moment at which a batch of the model could meet the deadline. */
static int64_t last_chance(const struct model *model, int64_t deadline_ns) {
    int64_t best_ns = e2b_sched_instances_best_ns(&model->instances);
    return deadline_ns == INT64_MAX ? INT64_MAX : deadline_ns - best_ns;
}

static void drop_hopeless(
    struct e2b_policy *policy, int index, int64_t now_ns, struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    int slot;
    while (last_chance(model, e2b_sched_waiting_deadline(&model->waiting, &slot)) < now_ns) {
        struct e2b_sched_action *action = e2b_sched_actions_add(actions);
        if (!action)
            return;
        *action = (struct e2b_sched_action){.kind = E2B_SCHED_REJECT,
            .reason = E2B_SCHED_HOPELESS_REASON,
            .model = index,
            .first = slot,
            .count = 1};
        e2b_sched_waiting_remove(&model->waiting, slot);
    }
}

/* The largest free size that the neighbours of slot fill. */
static bool fit(const struct model *model, int slot, struct batch *out) {
    const struct e2b_sched_instances *instances = &model->instances;
    for (int i = instances->size_count - 1; i >= 0; i--) {
        int count;
        if (!e2b_sched_instances_free(instances, i))
            continue;
        out->first = e2b_sched_waiting_run(&model->waiting, slot, instances->sizes[i], &count);
        out->size_index = i;
        if (count == instances->sizes[i])
            return true;
    }
    return false;
}

static bool find_batch(const struct model *model, struct batch *out) {
    const struct e2b_sched_instances *instances = &model->instances;
    int head = e2b_sched_waiting_head(&model->waiting), least = 0;
    if (head < 0)
        return false;
    if (fit(model, head, out))
        return true;
    while (least < instances->size_count && !e2b_sched_instances_free(instances, least))
        least++;
    if (least == instances->size_count)
        return false;
    int slot = e2b_sched_waiting_find(&model->waiting, head, instances->sizes[least]);
    return slot >= 0 && fit(model, slot, out);
}

static bool precedes(const struct e2b_policy *policy, int a, int b) {
    const struct e2b_sched_waiting *x = &policy->models[a].waiting, *y = &policy->models[b].waiting;
    return e2b_sched_key_less(e2b_sched_waiting_key(x, e2b_sched_waiting_head(x)),
        e2b_sched_waiting_key(y, e2b_sched_waiting_head(y)));
}

/* Of the models that can run something, that whose head is due first. */
static bool choose(const struct e2b_policy *policy, struct batch *out) {
    bool found = false;
    for (int i = 0; i < policy->model_count; i++) {
        struct batch batch = {.model = i};
        if (find_batch(&policy->models[i], &batch) && (!found || precedes(policy, i, out->model))) {
            *out = batch;
            found = true;
        }
    }
    return found;
}

static void dispatch(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    struct batch batch = {0};
    while (policy->in_flight < policy->max_in_flight && choose(policy, &batch)) {
        struct model *model = &policy->models[batch.model];
        struct e2b_sched_action *action = e2b_sched_actions_add(actions);
        if (!action)
            return;
        int size = model->instances.sizes[batch.size_index];
        *action = (struct e2b_sched_action){.kind = E2B_SCHED_RUN,
            .reason = E2B_SCHED_GREEDY_REASON,
            .model = batch.model,
            .first = batch.first,
            .count = size,
            .size_index = batch.size_index,
            .instance = e2b_sched_instances_take(&model->instances, batch.size_index)};
        e2b_sched_waiting_remove_run(&model->waiting, batch.first, size);
        policy->in_flight++;
    }
}

/* Wake up when the next slot becomes hopeless. An earlier timer still stands. */
static void set_timer(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    int64_t next_ns = INT64_MAX;
    for (int i = 0; i < policy->model_count; i++) {
        const struct model *model = &policy->models[i];
        int slot;
        int64_t last_ns = last_chance(model, e2b_sched_waiting_deadline(&model->waiting, &slot));
        if (last_ns < next_ns)
            next_ns = last_ns + 1;
    }
    if (next_ns >= policy->timer_ns)
        return;
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return;
    *action = (struct e2b_sched_action){.kind = E2B_SCHED_SET_TIMER, .timer_ns = next_ns};
    policy->timer_ns = next_ns;
}

static void on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    take_note(policy, event);
    if (event->more)
        return;
    for (int i = 0; i < policy->model_count; i++)
        drop_hopeless(policy, i, event->now_ns, actions);
    dispatch(policy, actions);
    set_timer(policy, actions);
}

static int waiting(const struct e2b_policy *policy, int model) {
    return policy->models[model].waiting.slots.count;
}

const struct e2b_policy_ops e2b_policy_elastic = {
    .name = "elastic",
    .help = "largest batches that ready requests fill, side by side, at once (Ebird, E2bird)",
    .options = options,
    .create = create,
    .destroy = destroy,
    .on_event = on_event,
    .waiting = waiting,
};
