#include "sched/elastic.h"

#include "sched/elastic/admission.h"
#include "sched/elastic/deferral.h"
#include "sched/elastic/pace.h"
#include "sched/elastic/turns.h"
#include <stdlib.h>

#define MAX_PASSES 8  /* batches of others that may pass a head that waits for room */
#define STALLED 1.25  /* times as long as foreseen, with the company that it had */
#define MOST_STALLS 3 /* in a row */
#define FIRST_TRUST 0.95
#define FIRST_TRUST_IN_COMPANY 0.8  /* what runs together is predicted less well; */
#define FIRST_TRUST_AFTER_ALL 0.875 /* and if it runs one by one, company promised too much */

enum option { MAX_IN_FLIGHT, PATIENCE_US, ADMISSION, HOLD };

static const struct e2b_policy_option options[] = {
    [MAX_IN_FLIGHT] = {"max_in_flight", "batches on the device at once, 0: one an instance", 0, 0,
        1 << 20},
    [PATIENCE_US] = {"patience_us", "wait after which a request without deadline or target is due",
        100000, 1, INT64_C(3600000000)},
    [ADMISSION] = {"admission", "1: refuse what cannot keep its target, 0: targets only order", 1,
        0, 1},
    [HOLD] = {"hold", "1: hold a batch for the next request if that pays, 0: never", 1, 0, 1},
    {0},
};

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        e2b_elastic_model_finish(&policy->models[i]);
    e2b_forecast_finish(&policy->forecast);
    free(policy);
}

/* The thread that answers may be at a launch of another batch meanwhile. */
static int64_t longest_launch_ns(const struct e2b_sched_model *models, int model_count) {
    int64_t longest_ns = 0;
    for (int i = 0; i < model_count; i++)
        longest_ns = models[i].launch_ns > longest_ns ? models[i].launch_ns : longest_ns;
    return longest_ns;
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
    policy->admission = values[ADMISSION];
    policy->hold = values[HOLD];
    policy->max_in_flight = values[MAX_IN_FLIGHT] ? (int)values[MAX_IN_FLIGHT]
                                                  : e2b_sched_models_instances(models, model_count);
    bool made = e2b_forecast_init(&policy->forecast, models, model_count);
    for (int i = 0; made && i < model_count; i++)
        made = e2b_elastic_model_init(
            &policy->models[policy->model_count++], &models[i], 1000 * values[PATIENCE_US]);
    for (int i = 0; made && i < model_count; i++) {
        for (int way = 0; way < E2B_ELASTIC_WAYS; way++)
            e2b_sched_trust_init(&policy->models[i].trust[way], FIRST_TRUST);
        policy->models[i].reply_ns += longest_launch_ns(models, model_count);
        if (!policy->forecast.models[i].gains)
            continue;
        struct e2b_sched_trust *trust = policy->models[i].trust;
        e2b_sched_trust_init(&trust[E2B_ELASTIC_SIDE_BY_SIDE], FIRST_TRUST_IN_COMPANY);
        e2b_sched_trust_init(&trust[E2B_ELASTIC_ONE_BY_ONE], FIRST_TRUST_AFTER_ALL);
    }
    if (!made) {
        destroy(policy);
        return e2b_fail_memory(err, "a policy");
    }
    e2b_elastic_set_pace(policy);
    *out = policy;
    return E2B_OK;
}

/* Soon as long as the longer ones. */
static void learn_reply(struct e2b_elastic_model *model, int64_t answer_ns) {
    if (answer_ns > 0)
        model->reply_ns += (answer_ns - model->reply_ns) / (answer_ns > model->reply_ns ? 8 : 64);
}

static bool is_long(const struct e2b_forecast_batch *batch) {
    return batch->left_ns < (1 - STALLED) * batch->solo_ns;
}

static void completed(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct e2b_elastic_model *model = &policy->models[event->model];
    bool was_long = is_long(
        e2b_forecast_find(&policy->forecast, event->model, event->size_index, event->instance));
    learn_reply(model, event->answer_ns);
    const struct e2b_bitset *running = &model->slots.running;
    int first = model->slots.firsts[event->size_index][event->instance];
    int end = first + model->slots.instances.sizes[event->size_index];
    for (int slot = first; slot < end && slot < running->capacity; slot++)
        if (e2b_bitset_has(running, slot))
            e2b_elastic_judge(policy, model, slot, false);
    e2b_elastic_learn(policy, model);
    e2b_sched_slots_completed(&model->slots, event->size_index, event->instance);
    e2b_forecast_completed(
        &policy->forecast, event->model, event->size_index, event->instance, event->duration_ns);
    if (event->duration_ns > 0 && event->enqueue_ns > 0)
        e2b_forecast_enqueued(
            &policy->forecast, event->model, event->size_index, event->enqueue_ns);
    model->long_in_a_row = was_long ? model->long_in_a_row + 1 : 0;
    policy->in_flight--;
}

/* A batch that is long after several that were, too, does not stall: the device is slower than is
 * known. */
static void look_for_stalls(struct e2b_policy *policy) {
    const struct e2b_forecast *forecast = &policy->forecast;
    for (int i = 0; i < forecast->running_count; i++)
        if (is_long(&forecast->running[i])
            && policy->models[forecast->running[i].model].long_in_a_row < MOST_STALLS)
            policy->stalled_ns = forecast->now_ns;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct e2b_elastic_model *model = &policy->models[event->model];
    e2b_forecast_pass(&policy->forecast, event->now_ns);
    look_for_stalls(policy);
    for (int i = 0; i < policy->model_count; i++) {
        e2b_sched_backlog_pass(&policy->models[i].backlog, event->now_ns);
        e2b_sched_backlog_pass(&policy->models[i].strict, event->now_ns);
    }
    switch (event->kind) {
    case E2B_SCHED_READY:
        e2b_elastic_ready(model, event);
        break;
    case E2B_SCHED_COMPLETED:
        completed(policy, event);
        break;
    case E2B_SCHED_CANCELLED:
        e2b_elastic_forget(model, event->slot);
        e2b_sched_slots_withdraw(&model->slots, event->slot);
        break;
    case E2B_SCHED_TIMER:
        if (event->now_ns >= policy->timer_ns)
            policy->timer_ns = INT64_MAX;
        break;
    }
}

static enum e2b_sched_reason reason_of(
    const struct e2b_elastic_model *model, const struct e2b_sched_batch *batch) {
    const struct e2b_sched_instances *instances = &model->slots.instances;
    if (batch->count < instances->sizes[batch->size_index])
        return E2B_SCHED_PADDED_REASON;
    return batch->size_index == instances->size_count - 1 ? E2B_SCHED_FULL_REASON
                                                          : E2B_SCHED_COMPOSED_REASON;
}

/* Once for all who ask, until time goes on or another batch starts. */
static void foresee_running(struct e2b_policy *policy) {
    policy->running = e2b_forecast_walk(&policy->forecast, NULL, 0);
}

static bool run(struct e2b_policy *policy, int index, struct e2b_sched_batch *batch,
    struct e2b_sched_actions *actions) {
    struct e2b_elastic_model *model = &policy->models[index];
    int64_t due_ns = INT64_MAX;
    const struct e2b_bitset *waits = &model->slots.waiting.slots;
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    for (int slot = batch->first; slot < batch->first + batch->span;
         slot = e2b_bitset_next(waits, slot + 1)) {
        int64_t must_end_ns = e2b_elastic_must_end(model, slot);
        due_ns = must_end_ns < due_ns ? must_end_ns : due_ns;
        e2b_elastic_forget(model, slot);
    }
    const struct e2b_forecast_start start = {index, batch->size_index, batch->count,
        due_ns == INT64_MAX ? INT64_MAX : due_ns - model->reply_ns};
    enum e2b_sched_reason reason = reason_of(model, batch);
    struct e2b_sched_action *action =
        e2b_sched_slots_run(&model->slots, index, reason, batch, actions);
    if (!action)
        return false;
    action->foreseen_ns = (int64_t)e2b_forecast_walk(&policy->forecast, &start, 1).last_ns;
    action->allowed_ns = due_ns == INT64_MAX ? 0 : start.due_ns - policy->forecast.now_ns;
    bool has_head = head >= batch->first && head < batch->first + batch->span;
    model->passes = has_head ? 0 : model->passes + 1;
    e2b_forecast_start(&policy->forecast, &start, batch->instance);
    foresee_running(policy);
    e2b_elastic_charge(policy, index, batch->size_index);
    model->held_ns = INT64_MAX;
    policy->in_flight++;
    return true;
}

/* What waits for room has been passed by a batch of another model. */
static void count_passes(struct e2b_policy *policy, int index) {
    for (int i = 0; i < policy->model_count; i++)
        if (i != index && policy->models[i].waits_for_room)
            policy->models[i].passes++;
}

/* Start, hold or pass over a model's next batch. False: no other model may go either. */
static bool serve(struct e2b_policy *policy, int index, int64_t *held_until_ns,
    struct e2b_sched_actions *actions) {
    struct e2b_elastic_model *model = &policy->models[index];
    double followers = e2b_elastic_followers(policy, index);
    struct e2b_elastic_choice best = {0};
    int64_t until_ns;
    model->passed_over = true;
    if (!e2b_elastic_choose(policy, index, followers, &best))
        return true;
    model->waits_for_room = !best.start;
    if (!best.start)
        return model->passes < MAX_PASSES;
    if (e2b_elastic_pays_to_hold(policy, index, followers, &best, &until_ns)) {
        if (model->held_ns == INT64_MAX)
            model->held_ns = policy->forecast.now_ns;
        *held_until_ns = until_ns < *held_until_ns ? until_ns : *held_until_ns;
        return true;
    }
    model->passed_over = false;
    count_passes(policy, index);
    return run(policy, index, &best.batch, actions);
}

/* Returns until when a batch is held, INT64_MAX if none is. */
static int64_t dispatch(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    int64_t held_until_ns = INT64_MAX;
    int index;
    for (int i = 0; i < policy->model_count; i++)
        policy->models[i].passed_over = policy->models[i].waits_for_room = false;
    while (policy->in_flight < policy->max_in_flight && (index = e2b_elastic_next(policy)) >= 0)
        if (!serve(policy, index, &held_until_ns, actions))
            break;
    return held_until_ns;
}

/* Wake up when a held batch has to go or the next slot becomes hopeless. An earlier timer still
 * stands. */
static void set_timer(
    struct e2b_policy *policy, int64_t held_until_ns, struct e2b_sched_actions *actions) {
    int64_t next_ns = held_until_ns;
    enum e2b_sched_reason reason = E2B_SCHED_GROWING_REASON;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_elastic_model *model = &policy->models[i];
        int slot;
        int64_t last_ns = e2b_elastic_last_chance(
            policy, model, e2b_sched_waiting_deadline(&model->slots.waiting, &slot));
        if (last_ns < next_ns) {
            next_ns = last_ns + 1;
            reason = E2B_SCHED_EXPIRY_REASON;
        }
    }
    if (next_ns >= policy->timer_ns)
        return;
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return;
    *action = (struct e2b_sched_action){
        .kind = E2B_SCHED_SET_TIMER, .reason = reason, .timer_ns = next_ns};
    policy->timer_ns = next_ns;
}

static void on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    take_note(policy, event);
    if (event->more)
        return;
    e2b_elastic_set_pace(policy);
    foresee_running(policy);
    for (int i = 0; i < policy->model_count; i++) {
        e2b_elastic_admit(policy, i, actions);
        e2b_elastic_drop(policy, i, actions);
    }
    set_timer(policy, dispatch(policy, actions), actions);
}

static int waiting(const struct e2b_policy *policy, int model) {
    return e2b_sched_slots_waiting(&policy->models[model].slots);
}

static void prediction(
    const struct e2b_policy *policy, int model, struct e2b_sched_prediction *out) {
    e2b_forecast_prediction(&policy->forecast, model, out);
}

static int room(const struct e2b_policy *policy, int model) {
    return e2b_elastic_room(policy, model);
}

static int64_t drain_ns(const struct e2b_policy *policy) {
    double left_ns = policy->running.area_ns;
    for (int i = 0; i < policy->model_count; i++)
        left_ns += waiting(policy, i) * policy->forecast.models[i].sample_ns;
    return (int64_t)left_ns;
}

const struct e2b_policy_ops e2b_policy_elastic = {
    .name = "elastic",
    .help = "batches of any number by predicted ends, side by side, within targets (E2bird)",
    .options = options,
    .create = create,
    .destroy = destroy,
    .on_event = on_event,
    .waiting = waiting,
    .prediction = prediction,
    .room = room,
    .drain_ns = drain_ns,
};
