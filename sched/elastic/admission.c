#include "sched/elastic/admission.h"

#include "sched/elastic/pace.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>

#define MOST_WINDOWS 64

/* What comes after a request may still delay it: learn how far to trust what is foreseen. Of what a
 * stalled batch made late nothing is learnt: it would be late whatever else had been refused. */
void e2b_elastic_judge(
    struct e2b_policy *policy, struct e2b_elastic_model *model, int slot, bool is_dropped) {
    const struct e2b_elastic_promise *promise = &model->promises[slot];
    bool is_broken =
        is_dropped || policy->forecast.now_ns + model->reply_ns > promise->must_end_ns;
    if (promise->share > 0 && !(is_broken && promise->made_ns < policy->stalled_ns))
        e2b_sched_trust_add(&model->trust[promise->way], promise->share, is_broken);
}

void e2b_elastic_learn(struct e2b_policy *policy, struct e2b_elastic_model *model) {
    double percentile = e2b_elastic_table(policy, model)->percentile;
    for (int i = 0; i < E2B_ELASTIC_WAYS; i++)
        e2b_sched_trust_learn(&model->trust[i], (1 - percentile) * 0.75);
}

/* Time of what is strict and due until due_ns, of all whom the device serves in turns with the
 * model. */
static double work_until(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model, int64_t due_ns) {
    double work_ns = 0;
    for (int i = 0; i < policy->model_count; i++)
        if (!policy->lanes || model == &policy->models[i])
            work_ns += policy->models[i].pace.sample_ns
                * e2b_sched_backlog_until(&policy->models[i].strict, due_ns);
    return work_ns;
}

static double others_until(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model, int64_t due_ns) {
    return work_until(policy, model, due_ns)
        - model->pace.sample_ns * e2b_sched_backlog_until(&model->strict, due_ns);
}

/* Until what runs, and is in the model's way, has ended. */
static double running_ns(const struct e2b_policy *policy, const struct e2b_elastic_model *model) {
    const struct e2b_forecast *forecast = &policy->forecast;
    double left_ns = 0;
    if (!policy->lanes)
        return forecast->exclusive ? policy->running.all_ns : policy->running.area_ns;
    for (int i = 0; i < forecast->running_count; i++)
        if (&policy->models[forecast->running[i].model] == model
            && forecast->running[i].left_ns > left_ns)
            left_ns = forecast->running[i].left_ns;
    return left_ns * model->pace.slowdown;
}

/* If the device served this model alone but for `ahead_ns` of other work: how long until a request
 * ends that has `before` of its own model before it. */
static double end_behind(const struct e2b_policy *policy, const struct e2b_elastic_model *model,
    double ahead_ns, int before) {
    const struct e2b_forecast_model *table = e2b_elastic_table(policy, model);
    const struct e2b_elastic_pace *pace = &model->pace;
    double latency_ns = e2b_elastic_batch_ns(pace, table, before + 1);
    int rounds = before / pace->count;
    if (before + 1 > pace->count || latency_ns > pace->batch_ns)
        latency_ns = pace->batch_ns;
    return ahead_ns + rounds * pace->count * pace->sample_ns + latency_ns;
}

/* If what waits ran one batch after another as it lies in the slots, from the head on in ring
 * order. */
struct lie {
    double end_ns; /* how long until the batch ends that holds the slot, and may be full by then */
    double start_ns; /* until the last batch starts, */
    int more;        /* and how many fit in behind the last one of it */
};

static int slots_behind(const struct e2b_bitset *waits, int at, int end) {
    int last = at - 1;
    for (int slot = e2b_bitset_next(waits, at); slot < end; slot = e2b_bitset_next(waits, slot + 1))
        last = slot;
    return end - last - 1;
}

/* Looked at until that is more than most_ns; after MOST_WINDOWS the rest is thought to lie as those
 * do. Of a slot that is not among them: behind all of them. */
static struct lie as_it_lies(const struct e2b_policy *policy, const struct e2b_elastic_model *model,
    int slot, double ahead_ns, double most_ns) {
    const struct e2b_forecast_model *table = e2b_elastic_table(policy, model);
    const struct e2b_bitset *waits = &model->slots.waiting.slots;
    int at = e2b_sched_waiting_head(&model->slots.waiting), size = model->pace.count;
    int seen = 0, windows = 0, first = 0, end = size;
    double lie_ns = 0, before_ns = 0;
    while (seen < waits->count && ahead_ns + lie_ns + model->pace.batch_ns <= most_ns) {
        first = at;
        end = at + size < waits->capacity ? at + size : waits->capacity;
        if (slot >= at && slot < end)
            break;
        if (windows++ == MOST_WINDOWS) {
            lie_ns *= (double)waits->count / seen;
            break;
        }
        int count = e2b_bitset_count_in(waits, at, end);
        seen += count;
        before_ns = lie_ns;
        lie_ns += e2b_elastic_batch_ns(&model->pace, table, count);
        at = e2b_bitset_next(waits, end);
        at = at < waits->capacity ? at : e2b_bitset_next(waits, 0);
    }
    return (struct lie){.end_ns = ahead_ns + lie_ns + model->pace.batch_ns,
        .start_ns = ahead_ns + before_ns,
        .more = seen == waits->count ? slots_behind(waits, first, end) : 0};
}

/* If a request ran alone and at once: how long until it ends. */
static double end_at_once(const struct e2b_policy *policy, const struct e2b_elastic_model *model) {
    const struct e2b_forecast_start start = {(int)(model - policy->models), 0, 1, INT64_MAX};
    if (policy->in_flight >= policy->max_in_flight
        || !e2b_sched_instances_free(&model->slots.instances, 0))
        return 1e18;
    return e2b_forecast_walk(&policy->forecast, &start, 1).last_ns;
}

/* Would one more request that is due at due_ns make any later one late? */
static bool makes_late(const struct e2b_policy *policy, const struct e2b_elastic_model *model,
    int64_t due_ns, double ahead_ns) {
    const struct e2b_elastic_pace *pace = &model->pace;
    int64_t now_ns = policy->forecast.now_ns, width_ns = model->backlog.width_ns;
    double work_ns = work_until(policy, model, due_ns),
           all_ns = work_until(policy, model, INT64_MAX / 2);
    for (int64_t at_ns = due_ns + width_ns; work_ns < all_ns; at_ns += width_ns) {
        double until_ns = work_until(policy, model, at_ns);
        if (until_ns > work_ns
            && ahead_ns + until_ns + pace->sample_ns + pace->batch_ns
                > e2b_elastic_limit(policy, model) * (double)(at_ns - now_ns))
            return true;
        work_ns = until_ns;
        if (at_ns - due_ns > E2B_BACKLOG_BUCKETS * width_ns)
            return false;
    }
    return false;
}

/* The share of the device that the model may use: all it asks for, if the device can give all that
 * is asked; else by weight, where those who ask for less leave the rest to the others. */
static double fair_share(const struct e2b_policy *policy, int index) {
    double asked = e2b_elastic_asked(policy, index), level = 0, left = E2B_ELASTIC_OVERLOADED,
           weights = 0;
    for (int i = 0; i < policy->model_count; i++)
        weights += policy->models[i].weight;
    for (int round = 0; round < policy->model_count && weights > 0; round++) {
        double next = left / weights, satisfied = 0, gone = 0;
        for (int i = 0; i < policy->model_count; i++) {
            double wanted = e2b_elastic_asked(policy, i) / policy->models[i].weight;
            if (wanted > level && wanted <= level + next)
                gone += policy->models[i].weight;
            if (wanted > level)
                satisfied +=
                    (wanted < level + next ? wanted - level : next) * policy->models[i].weight;
            else if (round == 0)
                gone += policy->models[i].weight;
        }
        left -= satisfied;
        level += next;
        weights -= gone;
        if (gone <= 0)
            break;
    }
    double fair = level * policy->models[index].weight;
    return asked < fair ? 1 : fair < 1 ? fair : 1;
}

/* What is foreseen for one more request of a model. */
struct outlook {
    double end_ns, most_ns; /* until it ends, and what of its time may be foreseen for that */
    struct lie lies; /* as the slots lie; told less well beyond most_ns, 0 if batches run side by
                      * side */
    double share_ns; /* what the model may still queue of its share, INFINITY: anything */
    double ahead_ns; /* other work before it, */
    int before;      /* and requests of its model */
    bool is_first;   /* of all that is in its way and waits */
};

/* slot: -1, the next one. ahead_ns: see running_ns. */
static struct outlook outlook_of(const struct e2b_policy *policy, int index, int slot,
    int64_t due_ns, double slack_ns, double ahead_ns) {
    const struct e2b_elastic_model *model = &policy->models[index];
    double others_ns = others_until(policy, model, due_ns);
    double share = policy->model_count > 1 ? fair_share(policy, index) : 1;
    struct outlook outlook = {.most_ns = e2b_elastic_limit(policy, model) * slack_ns,
        .share_ns = INFINITY,
        .ahead_ns = ahead_ns + others_ns,
        .before = e2b_sched_backlog_until(&model->backlog, due_ns)};
    outlook.is_first = outlook.before == 0 && others_ns <= 0;
    outlook.end_ns = end_behind(policy, model, outlook.ahead_ns, outlook.before);
    if (policy->forecast.exclusive && outlook.end_ns <= outlook.most_ns)
        outlook.lies = as_it_lies(policy, model, slot, outlook.ahead_ns, outlook.most_ns);
    outlook.end_ns = fmax(outlook.end_ns, outlook.lies.end_ns);
    if (share < 1)
        outlook.share_ns =
            share * outlook.most_ns - outlook.before * e2b_elastic_table(policy, model)->sample_ns;
    return outlook;
}

/* COUNT: admitted, and promised. seen: what it was decided by, zeroed where it needs none. */
static enum e2b_sched_reason refusal(
    struct e2b_policy *policy, int index, int slot, double ahead_ns, struct outlook *seen) {
    struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_forecast_model *table = e2b_elastic_table(policy, model);
    int64_t must_end_ns = e2b_elastic_must_end(model, slot), due_ns = e2b_elastic_due(model, slot);
    model->promises[slot] = (struct e2b_elastic_promise){
        .made_ns = policy->forecast.now_ns, .must_end_ns = must_end_ns};
    if (!policy->admission || must_end_ns == INT64_MAX || model->pace.count == 0)
        return E2B_SCHED_REASON_COUNT;
    double slack_ns = (double)(must_end_ns - policy->forecast.now_ns - model->reply_ns);
    struct outlook outlook = outlook_of(policy, index, slot, due_ns, slack_ns, ahead_ns);
    *seen = outlook;
    if (outlook.is_first && table->margin * end_at_once(policy, model) <= slack_ns)
        return E2B_SCHED_REASON_COUNT;
    if (outlook.end_ns > outlook.most_ns
        || (must_end_ns <= due_ns && makes_late(policy, model, due_ns, ahead_ns)))
        return E2B_SCHED_OVERLOAD_REASON;
    if (outlook.share_ns < 0)
        return E2B_SCHED_SHARE_REASON;
    model->promises[slot].share = outlook.end_ns / slack_ns;
    model->promises[slot].way = e2b_elastic_way(policy);
    return E2B_SCHED_REASON_COUNT;
}

/* The most requests that may be before one that has to end within has_ns, -1: not even none. */
static int most_before(const struct e2b_policy *policy, const struct e2b_elastic_model *model,
    double ahead_ns, double has_ns) {
    int low = -1, high = model->slots.waiting.slots.capacity;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (end_behind(policy, model, ahead_ns, middle) <= has_ns)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How many could be part of the last batch of what waits: those that fit, are there when it starts,
 * and are in time with it. */
static double joining(
    const struct e2b_elastic_model *model, const struct lie *lies, double has_ns) {
    double copied =
        model->least_copy_ns > 0 ? lies->start_ns / (double)model->least_copy_ns : INFINITY;
    return lies->start_ns + model->pace.batch_ns > has_ns ? 0 : fmin(lies->more, copied);
}

/* Of those like the last one that came: while their copy takes its time, the device goes on. */
int e2b_elastic_room(const struct e2b_policy *policy, int index) {
    const struct e2b_elastic_model *model = &policy->models[index];
    int64_t due_ns = policy->forecast.now_ns + model->window_ns - model->copy_ns;
    double slack_ns = (double)(model->target_ns - model->reply_ns - model->copy_ns);
    if (!policy->admission || model->target_ns <= 0 || model->pace.count == 0)
        return INT_MAX;
    double ahead_ns = running_ns(policy, model);
    struct outlook outlook = outlook_of(policy, index, -1, due_ns, slack_ns, ahead_ns);
    double has_ns = outlook.most_ns + (double)model->copy_ns;
    double sample_ns = model->pace.sample_ns;
    double room =
        fmax(1 + (has_ns - outlook.lies.end_ns) / sample_ns, joining(model, &outlook.lies, has_ns));
    room = fmin(room, 1 + outlook.share_ns / sample_ns);
    room = fmin(room, 1 + most_before(policy, model, outlook.ahead_ns, has_ns) - outlook.before);
    int least = model->slots.waiting.slots.count == 0 && model->slots.in_flight == 0;
    return room < least ? least : room < INT_MAX ? (int)room : INT_MAX;
}

void e2b_elastic_admit(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct e2b_elastic_model *model = &policy->models[index];
    if (model->newcomers.count == 0)
        return;
    double ahead_ns = running_ns(policy, model);
    for (int slot = 0; model->newcomers.count > 0; slot++) {
        slot = e2b_bitset_next(&model->newcomers, slot);
        struct outlook seen = {0};
        enum e2b_sched_reason reason = refusal(policy, index, slot, ahead_ns, &seen);
        if (reason != E2B_SCHED_REASON_COUNT) {
            if (!e2b_sched_slots_reject(&model->slots, index, reason, slot, actions))
                return;
            struct e2b_sched_action *action = &actions->list[actions->count - 1];
            action->foreseen_ns = (int64_t)seen.end_ns;
            action->allowed_ns = (int64_t)seen.most_ns;
        } else {
            e2b_elastic_count(model, slot, 1);
        }
        e2b_bitset_remove(&model->newcomers, slot);
    }
}

int64_t e2b_elastic_last_chance(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model, int64_t must_end_ns) {
    int64_t needs_ns = (int64_t)e2b_elastic_table(policy, model)->quickest_ns + model->reply_ns;
    return must_end_ns == INT64_MAX ? INT64_MAX : must_end_ns - needs_ns;
}

void e2b_elastic_drop(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct e2b_elastic_model *model = &policy->models[index];
    int64_t now_ns = policy->forecast.now_ns;
    int slot;
    while (e2b_elastic_last_chance(
               policy, model, e2b_sched_waiting_deadline(&model->slots.waiting, &slot))
        < now_ns) {
        struct e2b_sched_action *action = e2b_sched_actions_add(actions);
        if (!action)
            return;
        e2b_elastic_judge(policy, model, slot, true);
        e2b_elastic_forget(model, slot);
        e2b_sched_slots_withdraw(&model->slots, slot);
        *action = (struct e2b_sched_action){.kind = E2B_SCHED_REJECT,
            .reason = E2B_SCHED_HOPELESS_REASON,
            .model = index,
            .first = slot,
            .count = 1};
        e2b_elastic_learn(policy, model);
    }
}
