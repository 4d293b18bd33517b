#include "sched/greedy_idle.h"

#include "sched/instances.h"
#include "sched/waiting.h"
#include <stdlib.h>

struct model {
    int padding; /* slots behind the last */
    struct e2b_sched_waiting waiting;
    struct e2b_sched_instances instances;
};

struct e2b_policy {
    int model_count;
    bool busy;
    struct model models[];
};

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        e2b_sched_waiting_finish(&policy->models[i].waiting);
    free(policy);
}

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    (void)values;
    if (e2b_sched_models_check(models, model_count, err) != E2B_OK)
        return err->status;
    struct e2b_policy *policy =
        calloc(1, sizeof *policy + (size_t)model_count * sizeof *policy->models);
    if (!policy)
        return e2b_fail_memory(err, "a policy");
    for (int i = 0; i < model_count; i++) {
        policy->model_count++;
        policy->models[i].padding = models[i].padding;
        e2b_sched_instances_init(&policy->models[i].instances, &models[i]);
        if (!e2b_sched_waiting_init(&policy->models[i].waiting, models[i].slot_count)) {
            destroy(policy);
            return e2b_fail_memory(err, "a policy");
        }
    }
    *out = policy;
    return E2B_OK;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct model *model = &policy->models[event->model];
    switch (event->kind) {
    case E2B_SCHED_READY:
        e2b_sched_waiting_add(&model->waiting, event->slot, 0, event->arrival_ns, INT64_MAX);
        break;
    case E2B_SCHED_COMPLETED:
        e2b_sched_instances_give(&model->instances, event->size_index, event->instance);
        policy->busy = false;
        break;
    case E2B_SCHED_CANCELLED:
        e2b_sched_waiting_remove(&model->waiting, event->slot);
        break;
    case E2B_SCHED_TIMER:
        break;
    }
}

static int oldest_model(const struct e2b_policy *policy) {
    int oldest = -1;
    const struct e2b_sched_key *least = NULL;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_sched_waiting *waiting = &policy->models[i].waiting;
        int head = e2b_sched_waiting_head(waiting);
        if (head < 0)
            continue;
        const struct e2b_sched_key *key = e2b_sched_waiting_key(waiting, head);
        if (!least || e2b_sched_key_less(key, least)) {
            oldest = i;
            least = key;
        }
    }
    return oldest;
}

/* first .. first + count - 1 wait; may the slots up to first + size - 1 be overwritten? */
static bool can_pad(const struct model *model, int first, int count, int size) {
    const struct e2b_bitset *slots = &model->waiting.slots;
    int last = first + size < slots->capacity ? first + size : slots->capacity;
    return first + size - last <= model->padding && e2b_bitset_next(slots, first + count) >= last;
}

/* Smallest size that holds count, else the largest that count fills: size 1 at least. */
static int choose_size(const struct model *model, int first, int count) {
    const struct e2b_sched_instances *instances = &model->instances;
    int chosen = 0;
    for (int i = 0; i < instances->size_count; i++) {
        if (!e2b_sched_instances_free(instances, i))
            continue;
        if (instances->sizes[i] <= count)
            chosen = i;
        if (instances->sizes[i] >= count && can_pad(model, first, count, instances->sizes[i]))
            return i;
    }
    return chosen;
}

static void dispatch(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    struct e2b_sched_instances *instances = &model->instances;
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return;
    int most = instances->sizes[instances->size_count - 1], count;
    int head = e2b_sched_waiting_head(&model->waiting);
    int first = e2b_sched_waiting_run(&model->waiting, head, most, &count);
    int size_index = choose_size(model, first, count), size = instances->sizes[size_index];
    if (size < count) { /* cut, but keep the oldest */
        first = head < first + size ? first : head - size + 1;
        count = size;
    }
    *action = (struct e2b_sched_action){.kind = E2B_SCHED_RUN,
        .reason = E2B_SCHED_IDLE_REASON,
        .model = index,
        .first = first,
        .count = count,
        .span = count,
        .size_index = size_index,
        .instance = e2b_sched_instances_take(instances, size_index)};
    e2b_sched_waiting_remove_run(&model->waiting, first, count);
    policy->busy = true;
}

static void on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    take_note(policy, event);
    int model = event->more || policy->busy ? -1 : oldest_model(policy);
    if (model >= 0)
        dispatch(policy, model, actions);
}

static int waiting(const struct e2b_policy *policy, int model) {
    return policy->models[model].waiting.slots.count;
}

const struct e2b_policy_ops e2b_policy_greedy_idle = {
    .name = "greedy_idle",
    .help = "when the device is idle, all that waits as one padded batch",
    .create = create,
    .destroy = destroy,
    .on_event = on_event,
    .waiting = waiting,
};
