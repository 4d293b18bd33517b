#include "sched/elastic/pace.h"

#include <math.h>

#define BUSY 0.75         /* from this share on, batches run one after another, */
#define BUSY_BATCHES 0.5  /* and where more than so much of a full batch waits */
#define SURELY_THERE 0.75 /* of the time, if something waits */
#define LITTLE_ASKED 0.01 /* of the device: a model that is not there */
#define ROUNDS 2 /* of batches, one under way and its own, are what a request has time for; */
#define ROUNDS_IN_TURNS 1.5 /* where more is lost by small ones, its own and half of another */

/* Much is asked for, or half a full batch waits. */
static bool is_busy(const struct e2b_policy *policy) {
    double asked = 0, batches = 0;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_forecast_model *table = &policy->forecast.models[i];
        asked += e2b_elastic_asked(policy, i);
        if (table->full_count > 0)
            batches += (double)policy->models[i].slots.waiting.slots.count / table->full_count;
    }
    return asked > BUSY || batches > BUSY_BATCHES;
}

/* The share of the time in which a batch of the model runs, in a lane of its own. At first nothing
 * is known of rates: what waits now tells more. */
static double presence(const struct e2b_policy *policy, int index) {
    const struct e2b_elastic_model *model = &policy->models[index];
    double least = model->slots.waiting.slots.count > 0 ? SURELY_THERE : 0;
    double asked = e2b_elastic_rate(model, policy->forecast.now_ns) * model->pace.sample_ns;
    return fmin(1, fmax(least, asked));
}

static bool is_there(const struct e2b_policy *policy, int index) {
    const struct e2b_sched_slots *slots = &policy->models[index].slots;
    return slots->waiting.slots.count > 0 || slots->in_flight > 0
        || e2b_elastic_asked(policy, index) > LITTLE_ASKED;
}

double e2b_elastic_batch_ns(
    const struct e2b_elastic_pace *pace, const struct e2b_forecast_model *table, int count) {
    return pace->slowdown * (table->solo_ns[e2b_forecast_size(table, count)] + pace->beside_ns);
}

/* The best one after another, none longer than that; the smallest if all are. */
static struct e2b_elastic_pace pace_alone(
    const struct e2b_forecast_model *table, double slowdown, double beside_ns, double longest_ns) {
    struct e2b_elastic_pace pace = {.slowdown = slowdown, .beside_ns = beside_ns};
    for (int i = 0; i < table->size_count; i++) {
        double batch_ns = e2b_elastic_batch_ns(&pace, table, table->sizes[i]);
        double sample_ns = batch_ns / table->sizes[i];
        if (i > 0 && (batch_ns > longest_ns || sample_ns >= pace.sample_ns))
            continue;
        pace.count = table->sizes[i];
        pace.batch_ns = batch_ns;
        pace.sample_ns = sample_ns;
    }
    return pace;
}

/* How much the model's batches are slowed by one of each other model that is there. */
static double slowdown_in_lanes(const struct e2b_policy *policy, int index) {
    double demand = 0;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_forecast_model *table = &policy->forecast.models[i];
        double share = i == index ? 1 : presence(policy, i);
        demand += share * table->demand[e2b_forecast_size(table, policy->models[i].pace.count)];
    }
    return fmax(1, policy->forecast.contention * demand);
}

static double time_for_a_batch(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model, double rounds) {
    return e2b_elastic_limit(policy, model) * (double)(model->target_ns - model->reply_ns) / rounds;
}

static struct e2b_elastic_pace pace_in_lanes(const struct e2b_policy *policy, int index) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    return pace_alone(table, slowdown_in_lanes(policy, index), table->beside_ns,
        time_for_a_batch(policy, &policy->models[index], ROUNDS));
}

static bool any_gains(const struct e2b_policy *policy) {
    for (int i = 0; i < policy->model_count; i++)
        if (policy->forecast.models[i].gains)
            return true;
    return false;
}

/* Targets bound what each model of several takes; without, they take turns by weight. */
static bool several_have_targets(const struct e2b_policy *policy) {
    int count = 0;
    for (int i = 0; i < policy->model_count; i++) {
        if (!is_there(policy, i))
            continue;
        if (policy->models[i].target_ns <= 0 || policy->forecast.models[i].full_count == 0)
            return false;
        count++;
    }
    return count > 1;
}

/* The composition of the best throughput, or a smaller batch where the target leaves no time for
 * it. */
static struct e2b_elastic_pace pace_in_turns(const struct e2b_policy *policy, int index) {
    const struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    double longest_ns = time_for_a_batch(policy, model, ROUNDS_IN_TURNS);
    if (model->target_ns > 0 && table->full_ns > longest_ns)
        return pace_alone(table, 1, 0, longest_ns);
    return (struct e2b_elastic_pace){table->full_count, table->full_ns, table->sample_ns, 1, 0};
}

void e2b_elastic_set_pace(struct e2b_policy *policy) {
    bool busy = is_busy(policy);
    policy->lanes = busy && several_have_targets(policy);
    policy->forecast.exclusive = policy->lanes || (busy && !any_gains(policy));
    for (int i = 0; i < policy->model_count; i++) {
        bool in_lane = policy->lanes && policy->models[i].target_ns > 0;
        policy->models[i].pace = in_lane ? pace_in_lanes(policy, i) : pace_in_turns(policy, i);
    }
}
