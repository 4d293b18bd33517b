#include "sched/elastic/turns.h"

#define URGENT_BATCHES 4 /* a model is urgent when its head is due within so many batches */

static const struct e2b_sched_key *head_key(const struct e2b_elastic_model *model) {
    const struct e2b_sched_waiting *waiting = &model->slots.waiting;
    return e2b_sched_waiting_key(waiting, e2b_sched_waiting_head(waiting));
}

static bool is_urgent(const struct e2b_policy *policy, const struct e2b_elastic_model *model) {
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    const struct e2b_forecast_model *table = e2b_elastic_table(policy, model);
    int64_t must_end_ns = e2b_elastic_must_end(model, head);
    return must_end_ns != INT64_MAX
        && (double)(must_end_ns - policy->forecast.now_ns) < URGENT_BATCHES * table->full_ns;
}

static bool precedes(const struct e2b_policy *policy, const struct e2b_elastic_model *a,
    const struct e2b_elastic_model *b) {
    const struct e2b_sched_key *x = head_key(a), *y = head_key(b);
    bool a_urgent = is_urgent(policy, a), b_urgent = is_urgent(policy, b);
    if (x->first != y->first)
        return x->first < y->first;
    if (a_urgent != b_urgent)
        return a_urgent;
    if (!a_urgent && a->received_ns != b->received_ns)
        return a->received_ns < b->received_ns;
    return x->second < y->second;
}

int e2b_elastic_next(const struct e2b_policy *policy) {
    int next = -1;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_elastic_model *model = &policy->models[i];
        if (model->passed_over || model->slots.waiting.slots.count == 0)
            continue;
        if (next < 0 || precedes(policy, model, &policy->models[next]))
            next = i;
    }
    return next;
}

void e2b_elastic_charge(struct e2b_policy *policy, int index, int size_index) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    struct e2b_elastic_model *model = &policy->models[index];
    double demand = table->demand[size_index] < 1 ? table->demand[size_index] : 1;
    double least_ns = -1;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_elastic_model *other = &policy->models[i];
        if (i != index && other->slots.waiting.slots.count > 0
            && (least_ns < 0 || other->received_ns < least_ns))
            least_ns = other->received_ns;
    }
    if (model->received_ns < least_ns && model->slots.in_flight == 0
        && model->slots.waiting.slots.count == 0)
        model->received_ns = least_ns;
    model->received_ns += table->solo_ns[size_index] * demand / model->weight;
}
