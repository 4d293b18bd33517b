#include "runtime/engine/decisions.h"

#include <stdlib.h>

static int64_t now_of(const struct e2b_decisions *decisions) {
    return decisions->device->ops->now_ns(decisions->device);
}

enum e2b_status e2b_decisions_init(
    struct e2b_decisions *decisions, const int64_t *policy_values, struct e2b_error *err) {
    struct e2b_sched_model *models = calloc((size_t)decisions->model_count + 1, sizeof *models);
    decisions->timer_ns = INT64_MAX;
    if (!models)
        return e2b_fail_memory(err, "the scheduler");
    for (int i = 0; i < decisions->model_count; i++) {
        e2b_served_describe(decisions->models[i], &models[i]);
        e2b_trace_model(decisions->trace, i, &models[i]);
    }
    decisions->ops->create(models, decisions->model_count, policy_values, &decisions->policy, err);
    free(models);
    return err->status;
}

void e2b_decisions_finish(struct e2b_decisions *decisions) {
    if (decisions->policy)
        decisions->ops->destroy(decisions->policy);
    e2b_sched_actions_finish(&decisions->actions);
}

static bool waits(const struct e2b_served *served, int slot) {
    return slot >= 0 && slot < served->waiting.capacity && e2b_bitset_has(&served->waiting, slot);
}

/* All that waits side by side is in the batch, which has room for more. */
static void note_split(struct e2b_served *served, const struct e2b_sched_action *action) {
    int largest = served->sizes[served->size_count - 1].size;
    if (action->count == largest || served->waiting.count == 0 || waits(served, action->first - 1)
        || waits(served, action->first + action->span))
        return;
    pthread_mutex_lock(&served->stats_lock);
    served->stats.splits++;
    pthread_mutex_unlock(&served->stats_lock);
}

/* The slots are taken now; the device gets the batch when its turn comes. */
static void take_batch(
    struct e2b_decisions *decisions, const struct e2b_sched_action *action, int64_t now_ns) {
    struct e2b_served *served = decisions->models[action->model];
    struct e2b_batch *batch = &served->batches[action->first];
    *batch = (struct e2b_batch){.served = served,
        .first = action->first,
        .span = action->span,
        .count = action->count,
        .size_index = action->size_index,
        .instance = action->instance};
    for (int slot = action->first; slot < action->first + action->span;
         slot = e2b_bitset_next(&served->waiting, slot + 1)) {
        e2b_batch_take(batch, slot);
        e2b_pool_move(served->pool, slot, E2B_SLOT_RUNNING, now_ns);
        e2b_bitset_remove(&served->waiting, slot);
    }
    note_split(served, action);
    if (decisions->first)
        decisions->last->next = batch;
    else
        decisions->first = batch;
    decisions->last = batch;
}

static void reject(struct e2b_decisions *decisions, const struct e2b_sched_action *action) {
    struct e2b_served *served = decisions->models[action->model];
    struct e2b_error error = {0};
    e2b_served_refuse(served, action->reason, &error);
    pthread_mutex_lock(&served->stats_lock);
    served->stats.refused[action->reason]++;
    pthread_mutex_unlock(&served->stats_lock);
    e2b_bitset_remove(&served->waiting, action->first);
    e2b_inflight_fail(decisions->inflight, served, action->first, &error);
}

static void carry_out(struct e2b_decisions *decisions, const struct e2b_sched_action *action) {
    int64_t now_ns = now_of(decisions);
    if (decisions->trace)
        e2b_trace_decision(decisions->trace, now_ns, action);
    switch (action->kind) {
    case E2B_SCHED_RUN:
        take_batch(decisions, action, now_ns);
        break;
    case E2B_SCHED_REJECT:
        reject(decisions, action);
        break;
    case E2B_SCHED_SET_TIMER:
        decisions->timer_ns = action->timer_ns;
        break;
    }
}

static void note_room(struct e2b_decisions *decisions) {
    for (int i = 0; decisions->ops->room && i < decisions->model_count; i++)
        atomic_store_explicit(&decisions->models[i]->room,
            decisions->ops->room(decisions->policy, i), memory_order_relaxed);
}

static void note_drain(struct e2b_decisions *decisions, int64_t now_ns) {
    if (decisions->ops->drain_ns)
        atomic_store_explicit(&decisions->drained_ns,
            now_ns + decisions->ops->drain_ns(decisions->policy), memory_order_relaxed);
}

static void note_prediction(struct e2b_decisions *decisions, struct e2b_served *served) {
    struct e2b_sched_prediction prediction;
    if (!decisions->ops->prediction)
        return;
    decisions->ops->prediction(decisions->policy, served->index, &prediction);
    pthread_mutex_lock(&served->stats_lock);
    served->stats.prediction = prediction;
    pthread_mutex_unlock(&served->stats_lock);
}

static void tell(struct e2b_decisions *decisions, struct e2b_sched_event *event) {
    decisions->ops->on_event(decisions->policy, event, &decisions->actions);
    if (!event->more) {
        note_drain(decisions, event->now_ns);
        note_room(decisions);
    }
    for (int i = 0; i < decisions->actions.count; i++)
        carry_out(decisions, &decisions->actions.list[i]);
    decisions->actions.count = 0;
}

void e2b_decisions_feed(struct e2b_decisions *decisions, struct e2b_sched_event *event) {
    event->now_ns = now_of(decisions);
    struct e2b_served *served = decisions->models[event->model];
    event->more = decisions->undecided = true;
    if (event->kind == E2B_SCHED_READY) {
        e2b_bitset_add(&served->waiting, event->slot);
        event->turned_away = atomic_exchange(&served->turned_away, 0);
    } else if (event->kind == E2B_SCHED_CANCELLED) {
        e2b_bitset_remove(&served->waiting, event->slot);
    }
    tell(decisions, event);
    if (event->kind == E2B_SCHED_COMPLETED)
        note_prediction(decisions, served);
}

static void trace_queues(const struct e2b_decisions *decisions) {
    for (int i = 0; decisions->trace && i < decisions->model_count; i++)
        e2b_trace_queue(
            decisions->trace, now_of(decisions), i, decisions->ops->waiting(decisions->policy, i));
}

void e2b_decisions_make(struct e2b_decisions *decisions) {
    struct e2b_sched_event event = {.kind = E2B_SCHED_TIMER, .now_ns = now_of(decisions)};
    bool timer_came = event.now_ns >= decisions->timer_ns;
    if (decisions->first || (!decisions->undecided && !timer_came))
        return;
    if (timer_came)
        decisions->timer_ns = INT64_MAX;
    decisions->undecided = false;
    trace_queues(decisions);
    tell(decisions, &event);
    trace_queues(decisions);
}

struct e2b_batch *e2b_decisions_next(struct e2b_decisions *decisions) {
    struct e2b_batch *batch = decisions->first;
    if (batch)
        decisions->first = batch->next;
    return batch;
}

int64_t e2b_decisions_drain_ns(const struct e2b_decisions *decisions) {
    if (!decisions->ops->drain_ns)
        return 0;
    int64_t left_ns =
        atomic_load_explicit(&decisions->drained_ns, memory_order_relaxed) - now_of(decisions);
    return left_ns > 0 ? left_ns : 0;
}
