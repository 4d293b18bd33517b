#include "sched/elastic/state.h"

#include <stdlib.h>

#define RATE_WINDOWS 4  /* arrivals are averaged over so many windows, */
#define MAX_RATE_NS 1e9 /* and over no more than this */

bool e2b_elastic_model_init(
    struct e2b_elastic_model *model, const struct e2b_sched_model *from, int64_t patience_ns) {
    model->window_ns = from->target_ns > 0 ? from->target_ns : patience_ns;
    model->target_ns = from->target_ns;
    model->reply_ns = from->reply_ns;
    model->weight = from->weight;
    model->held_ns = INT64_MAX;
    e2b_sched_backlog_init(&model->backlog, model->window_ns);
    e2b_sched_backlog_init(&model->strict, model->window_ns);
    model->promises = calloc((size_t)from->slot_count, sizeof *model->promises);
    return model->promises && e2b_sched_slots_init(&model->slots, from)
        && e2b_bitset_init(&model->newcomers, from->slot_count);
}

void e2b_elastic_model_finish(struct e2b_elastic_model *model) {
    e2b_sched_slots_finish(&model->slots);
    e2b_bitset_finish(&model->newcomers);
    free(model->promises);
}

/* The decay is the exponential's series, cut off. */

static double rate_window_ns(const struct e2b_elastic_model *model) {
    double window_ns = RATE_WINDOWS * (double)model->window_ns;
    return window_ns < MAX_RATE_NS ? window_ns : MAX_RATE_NS;
}

static double decayed(const struct e2b_elastic_model *model, int64_t now_ns) {
    double x = (double)(now_ns - model->counted_ns) / rate_window_ns(model);
    return model->arrivals / (1 + x + x * x / 2 + x * x * x / 6);
}

double e2b_elastic_rate(const struct e2b_elastic_model *model, int64_t now_ns) {
    return decayed(model, now_ns) / rate_window_ns(model);
}

static bool waits_in_heap(const struct e2b_elastic_model *model, int slot) {
    return e2b_bitset_has(&model->slots.waiting.slots, slot);
}

int64_t e2b_elastic_due(const struct e2b_elastic_model *model, int slot) {
    return waits_in_heap(model, slot) ? e2b_sched_waiting_key(&model->slots.waiting, slot)->second
                                      : model->slots.held_keys[slot].due_ns;
}

int64_t e2b_elastic_must_end(const struct e2b_elastic_model *model, int slot) {
    const struct e2b_sched_heap *heap = &model->slots.waiting.by_deadline;
    if (!waits_in_heap(model, slot))
        return model->slots.held_keys[slot].deadline_ns;
    return heap->place[slot] >= 0 ? e2b_sched_heap_key(heap, slot)->first : INT64_MAX;
}

/* Has it to end when it is due? Others have a deadline later than that, or none: they only take
 * their turn by it. */
static bool is_strict(const struct e2b_elastic_model *model, int slot) {
    return e2b_elastic_must_end(model, slot) <= e2b_elastic_due(model, slot);
}

void e2b_elastic_ready(struct e2b_elastic_model *model, const struct e2b_sched_event *event) {
    int64_t due_ns = event->arrival_ns + model->window_ns, must_end_ns = event->deadline_ns;
    if (model->target_ns > 0 && due_ns < must_end_ns)
        must_end_ns = due_ns;
    if (must_end_ns < due_ns)
        due_ns = must_end_ns;
    e2b_sched_slots_ready(&model->slots, event->slot, event->priority, due_ns, must_end_ns);
    e2b_bitset_add(&model->newcomers, event->slot);
    model->copy_ns = event->copy_ns;
    if (model->least_copy_ns == 0 || event->copy_ns < model->least_copy_ns)
        model->least_copy_ns = event->copy_ns;
    model->arrivals = decayed(model, event->now_ns) + 1 + event->turned_away;
    model->counted_ns = event->now_ns;
}

void e2b_elastic_count(struct e2b_elastic_model *model, int slot, int count) {
    e2b_sched_backlog_add(&model->backlog, e2b_elastic_due(model, slot), count);
    if (is_strict(model, slot))
        e2b_sched_backlog_add(&model->strict, e2b_elastic_due(model, slot), count);
}

void e2b_elastic_forget(struct e2b_elastic_model *model, int slot) {
    if (e2b_bitset_has(&model->newcomers, slot))
        e2b_bitset_remove(&model->newcomers, slot);
    else
        e2b_elastic_count(model, slot, -1);
}

enum e2b_elastic_way e2b_elastic_way(const struct e2b_policy *policy) {
    if (policy->lanes)
        return E2B_ELASTIC_IN_LANES;
    return policy->forecast.exclusive ? E2B_ELASTIC_ONE_BY_ONE : E2B_ELASTIC_SIDE_BY_SIDE;
}

double e2b_elastic_limit(const struct e2b_policy *policy, const struct e2b_elastic_model *model) {
    return model->trust[e2b_elastic_way(policy)].limit;
}

const struct e2b_forecast_model *e2b_elastic_table(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model) {
    return &policy->forecast.models[model - policy->models];
}

double e2b_elastic_asked(const struct e2b_policy *policy, int index) {
    return e2b_elastic_rate(&policy->models[index], policy->forecast.now_ns)
        * policy->forecast.models[index].sample_ns;
}
