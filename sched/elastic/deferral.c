#include "sched/elastic/deferral.h"

bool e2b_elastic_pays_to_hold(const struct e2b_policy *policy, int index, double followers,
    const struct e2b_elastic_choice *choice, int64_t *until_ns) {
    const struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    int count = choice->batch.count, waiting = model->slots.waiting.slots.count;
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    double rate = e2b_elastic_rate(model, policy->forecast.now_ns), solo_ns = table->solo_ns[0];
    int size_index = e2b_forecast_size(table, count + 1);
    if (!policy->hold || waiting > count || table->sizes[size_index] <= count || rate <= 0
        || !e2b_sched_instances_free(&model->slots.instances, size_index))
        return false;
    const struct e2b_forecast_start start = {index, size_index, count + 1, INT64_MAX};
    struct e2b_forecast_outcome held = e2b_forecast_walk(&policy->forecast, &start, 1);
    double gap_ns = 1 / rate;
    double demand = policy->forecast.demand + table->demand[choice->batch.size_index];
    double behind_ns = choice->outcome.area_ns - gap_ns;
    bool room = policy->forecast.contention * (demand + table->demand[0]) <= 1;
    double next_ns = solo_ns + (room || behind_ns < 0 ? 0 : behind_ns);
    double alone_ns = solo_ns * (table->demand[0] < 1 ? table->demand[0] : 1);
    double now_cost =
        choice->outcome.sum_ns + next_ns + followers * (choice->outcome.area_ns + alone_ns);
    double held_cost = held.sum_ns + count * gap_ns + followers * held.area_ns;
    int64_t since_ns =
        model->held_ns < policy->forecast.now_ns ? model->held_ns : policy->forecast.now_ns;
    int64_t must_end_ns = e2b_elastic_must_end(model, head);
    *until_ns = since_ns + (int64_t)(table->solo_ns[size_index] / 2);
    if (must_end_ns != INT64_MAX) {
        int64_t last_ns = must_end_ns - model->reply_ns - (int64_t)(table->margin * held.last_ns);
        *until_ns = *until_ns < last_ns ? *until_ns : last_ns;
    }
    return held_cost<now_cost && * until_ns> policy->forecast.now_ns + (int64_t)gap_ns;
}
