#include "sched/elastic.h"

#include "sched/backlog.h"
#include "sched/forecast.h"
#include "sched/slots.h"
#include "sched/trust.h"
#include <stdlib.h>

#define URGENT_BATCHES 4 /* a model is urgent when its head is due within so many batches */
#define RATE_WINDOWS 4   /* arrivals are averaged over so many windows, */
#define MAX_RATE_NS 1e9  /* and over no more than this */
#define MAX_PASSES 8     /* batches that may pass a head */
#define OVERLOADED 0.98  /* share of the device that is asked for */
#define BUSY 0.75        /* from this share on, batches run one after another, */
#define BUSY_BATCHES 0.5 /* and where more than so much of a full batch waits */
#define FIRST_TRUST 0.9
#define FIRST_TRUST_IN_COMPANY 0.6 /* what runs together is predicted less well */
#define MAX_FUTURE 4096.0          /* requests to come that are thought of */

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

/* What was foreseen for a request when it was admitted. */
struct promise {
    int64_t must_end_ns;
    double share; /* of the time that it has, that was foreseen to pass; 0: no promise */
};

struct model {
    struct e2b_sched_slots slots;
    struct e2b_sched_backlog backlog;     /* of what was admitted */
    struct e2b_sched_backlog strict;      /* of that, what has to end when it is due */
    struct e2b_bitset newcomers;          /* waiting slots that are not yet admitted */
    int64_t window_ns;                    /* from arrival to due */
    int64_t target_ns, reply_ns, copy_ns; /* copy_ns: the last one's */
    double weight, received_ns;           /* device time over weight */
    double arrivals;                      /* a count that decays, */
    int64_t counted_ns;                   /* and when it was taken */
    struct promise *promises;             /* by slot */
    struct e2b_sched_trust trust;
    int passes;                       /* batches that ran while this head waited */
    int64_t held_ns;                  /* since when a batch is held, INT64_MAX: none is */
    bool passed_over, waits_for_room; /* in this decision */
};

struct e2b_policy {
    struct e2b_forecast forecast;
    bool admission, hold;
    bool lanes; /* of a busy device each model has one batch, beside those of others */
    int model_count, in_flight, max_in_flight;
    int64_t timer_ns; /* asked for, INT64_MAX if none */
    struct model models[];
};

/* What may be done for a model now. */
struct choice {
    struct e2b_sched_batch batch;
    struct e2b_forecast_outcome outcome;
    double cost;
    bool start; /* false: wait for room */
};

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++) {
        e2b_sched_slots_finish(&policy->models[i].slots);
        e2b_bitset_finish(&policy->models[i].newcomers);
        free(policy->models[i].promises);
    }
    e2b_forecast_finish(&policy->forecast);
    free(policy);
}

/* The thread that answers may be enqueueing another batch meanwhile. */
static int64_t longest_enqueue_ns(const struct e2b_sched_model *models, int model_count) {
    int64_t longest_ns = 0;
    for (int i = 0; i < model_count; i++)
        for (int j = 0; j < models[i].size_count; j++) {
            int64_t host_ns = models[i].launches[j] * models[i].launch_ns;
            longest_ns = host_ns > longest_ns ? host_ns : longest_ns;
        }
    return longest_ns;
}

static bool model_init(
    struct model *model, const struct e2b_sched_model *from, int64_t patience_ns) {
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
        made = model_init(
            &policy->models[policy->model_count++], &models[i], 1000 * values[PATIENCE_US]);
    for (int i = 0; made && i < model_count; i++) {
        e2b_sched_trust_init(&policy->models[i].trust,
            policy->forecast.models[i].gains ? FIRST_TRUST_IN_COMPANY : FIRST_TRUST);
        policy->models[i].reply_ns += longest_enqueue_ns(models, model_count);
    }
    if (!made) {
        destroy(policy);
        return e2b_fail_memory(err, "a policy");
    }
    *out = policy;
    return E2B_OK;
}

/* Arrivals a nanosecond. The decay is the exponential's series, cut off. */

static double rate_window_ns(const struct model *model) {
    double window_ns = RATE_WINDOWS * (double)model->window_ns;
    return window_ns < MAX_RATE_NS ? window_ns : MAX_RATE_NS;
}

static double decayed(const struct model *model, int64_t now_ns) {
    double x = (double)(now_ns - model->counted_ns) / rate_window_ns(model);
    return model->arrivals / (1 + x + x * x / 2 + x * x * x / 6);
}

static double rate_of(const struct model *model, int64_t now_ns) {
    return decayed(model, now_ns) / rate_window_ns(model);
}

/* Events. */

static bool waits_in_heap(const struct model *model, int slot) {
    return e2b_bitset_has(&model->slots.waiting.slots, slot);
}

static int64_t due_of(const struct model *model, int slot) {
    return waits_in_heap(model, slot) ? e2b_sched_waiting_key(&model->slots.waiting, slot)->second
                                      : model->slots.held_keys[slot].due_ns;
}

/* By when it has to end, INT64_MAX if it need not. */
static int64_t must_end_of(const struct model *model, int slot) {
    const struct e2b_sched_heap *heap = &model->slots.waiting.by_deadline;
    if (!waits_in_heap(model, slot))
        return model->slots.held_keys[slot].deadline_ns;
    return heap->place[slot] >= 0 ? heap->keys[slot].first : INT64_MAX;
}

/* Has it to end when it is due? Others have a deadline later than that, or none: they only take
 * their turn by it. */
static bool is_strict(const struct model *model, int slot) {
    return must_end_of(model, slot) <= due_of(model, slot);
}

static void ready(struct model *model, const struct e2b_sched_event *event) {
    int64_t due_ns = event->arrival_ns + model->window_ns, must_end_ns = event->deadline_ns;
    if (model->target_ns > 0 && due_ns < must_end_ns)
        must_end_ns = due_ns;
    if (must_end_ns < due_ns)
        due_ns = must_end_ns;
    e2b_sched_slots_ready(&model->slots, event->slot, event->priority, due_ns, must_end_ns);
    e2b_bitset_add(&model->newcomers, event->slot);
    model->copy_ns = event->copy_ns;
    model->arrivals = decayed(model, event->now_ns) + 1 + event->turned_away;
    model->counted_ns = event->now_ns;
}

static void count_admitted(struct model *model, int slot, int count) {
    e2b_sched_backlog_add(&model->backlog, due_of(model, slot), count);
    if (is_strict(model, slot))
        e2b_sched_backlog_add(&model->strict, due_of(model, slot), count);
}

/* A waiting slot is about to leave. */
static void forget(struct model *model, int slot) {
    if (e2b_bitset_has(&model->newcomers, slot))
        e2b_bitset_remove(&model->newcomers, slot);
    else
        count_admitted(model, slot, -1);
}

/* What comes after a request may still delay it: learn how far to trust what is foreseen. */
static void judge(struct e2b_policy *policy, struct model *model, int slot, bool is_dropped) {
    const struct promise *promise = &model->promises[slot];
    double percentile = policy->forecast.models[model - policy->models].percentile;
    if (promise->share <= 0)
        return;
    e2b_sched_trust_add(&model->trust, promise->share,
        is_dropped || policy->forecast.now_ns + model->reply_ns > promise->must_end_ns);
    e2b_sched_trust_learn(&model->trust, (1 - percentile) / 2);
}

static void completed(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    const struct e2b_forecast_batch *batch =
        e2b_forecast_find(&policy->forecast, event->model, event->size_index, event->instance);
    struct model *model = &policy->models[event->model];
    int first = model->slots.firsts[event->size_index][event->instance];
    for (int slot = first; slot < first + batch->count; slot++)
        judge(policy, model, slot, false);
    e2b_sched_slots_completed(
        &policy->models[event->model].slots, event->size_index, event->instance);
    e2b_forecast_completed(
        &policy->forecast, event->model, event->size_index, event->instance, event->duration_ns);
    policy->in_flight--;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct model *model = &policy->models[event->model];
    e2b_forecast_pass(&policy->forecast, event->now_ns);
    for (int i = 0; i < policy->model_count; i++) {
        e2b_sched_backlog_pass(&policy->models[i].backlog, event->now_ns);
        e2b_sched_backlog_pass(&policy->models[i].strict, event->now_ns);
    }
    switch (event->kind) {
    case E2B_SCHED_READY:
        ready(model, event);
        break;
    case E2B_SCHED_COMPLETED:
        completed(policy, event);
        break;
    case E2B_SCHED_CANCELLED:
        forget(model, event->slot);
        e2b_sched_slots_withdraw(&model->slots, event->slot);
        break;
    case E2B_SCHED_TIMER:
        if (event->now_ns >= policy->timer_ns)
            policy->timer_ns = INT64_MAX;
        break;
    }
}

/* Admission. */

static const struct e2b_forecast_model *table_of(
    const struct e2b_policy *policy, const struct model *model) {
    return &policy->forecast.models[model - policy->models];
}

/* Device time of what is strict and due until due_ns. */
static double work_until(const struct e2b_policy *policy, int64_t due_ns) {
    double work_ns = 0;
    for (int i = 0; i < policy->model_count; i++)
        work_ns += policy->forecast.models[i].sample_ns
            * e2b_sched_backlog_until(&policy->models[i].strict, due_ns);
    return work_ns;
}

/* If the device served this model alone but for `ahead_ns` of other work: how long until a request
 * ends that has `before` of its own model before it. */
static double end_behind(const struct e2b_forecast_model *table, double ahead_ns, int before) {
    double latency_ns = table->solo_ns[e2b_forecast_size(table, before + 1)];
    int rounds = before / table->full_count;
    if (before + 1 > table->full_count || latency_ns > table->full_ns)
        latency_ns = table->full_ns;
    return ahead_ns + rounds * table->full_count * table->sample_ns + latency_ns;
}

/* If a request ran alone and at once: how long until it ends. */
static double end_at_once(const struct e2b_policy *policy, const struct model *model) {
    const struct e2b_forecast_start start = {(int)(model - policy->models), 0, 1, INT64_MAX};
    if (policy->in_flight >= policy->max_in_flight
        || !e2b_sched_instances_free(&model->slots.instances, 0))
        return 1e18;
    return e2b_forecast_walk(&policy->forecast, &start, 1).last_ns;
}

/* Would one more request that is due at due_ns make any later one late? */
static bool makes_late(
    const struct e2b_policy *policy, const struct model *model, int64_t due_ns, double running_ns) {
    const struct e2b_forecast_model *table = table_of(policy, model);
    int64_t now_ns = policy->forecast.now_ns, width_ns = model->backlog.width_ns;
    double work_ns = work_until(policy, due_ns), all_ns = work_until(policy, INT64_MAX / 2);
    for (int64_t at_ns = due_ns + width_ns; work_ns < all_ns; at_ns += width_ns) {
        double until_ns = work_until(policy, at_ns);
        if (until_ns > work_ns
            && running_ns + until_ns + table->sample_ns + table->full_ns
                > model->trust.limit * (double)(at_ns - now_ns))
            return true;
        work_ns = until_ns;
        if (at_ns - due_ns > E2B_BACKLOG_BUCKETS * width_ns)
            return false;
    }
    return false;
}

static double asked_share(const struct e2b_policy *policy, int index) {
    return rate_of(&policy->models[index], policy->forecast.now_ns)
        * policy->forecast.models[index].sample_ns;
}

/* The share of the device that the model may use: all it asks for, if the device can give all that
 * is asked; else by weight, where those who ask for less leave the rest to the others. */
static double fair_share(const struct e2b_policy *policy, int index) {
    double asked = asked_share(policy, index), level = 0, left = OVERLOADED, weights = 0;
    for (int i = 0; i < policy->model_count; i++)
        weights += policy->models[i].weight;
    for (int round = 0; round < policy->model_count && weights > 0; round++) {
        double next = left / weights, satisfied = 0, gone = 0;
        for (int i = 0; i < policy->model_count; i++) {
            double wants = asked_share(policy, i) / policy->models[i].weight;
            if (wants > level && wants <= level + next)
                gone += policy->models[i].weight;
            if (wants > level)
                satisfied +=
                    (wants < level + next ? wants - level : next) * policy->models[i].weight;
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

/* COUNT: admitted, and promised. */
static enum e2b_sched_reason refusal(
    struct e2b_policy *policy, int index, int slot, double running_ns) {
    struct model *model = &policy->models[index];
    const struct e2b_forecast_model *table = table_of(policy, model);
    int64_t must_end_ns = must_end_of(model, slot), now_ns = policy->forecast.now_ns;
    model->promises[slot] = (struct promise){must_end_ns, 0};
    if (!policy->admission || must_end_ns == INT64_MAX || table->sample_ns <= 0)
        return E2B_SCHED_REASON_COUNT;
    int64_t due_ns = due_of(model, slot);
    double slack_ns = (double)(must_end_ns - now_ns - model->reply_ns);
    int before = e2b_sched_backlog_until(&model->backlog, due_ns);
    double others_ns = work_until(policy, due_ns)
        - table->sample_ns * e2b_sched_backlog_until(&model->strict, due_ns);
    double end_ns = end_behind(table, running_ns + others_ns, before);
    bool is_first = before == 0 && others_ns <= 0;
    if (is_first && table->margin * end_at_once(policy, model) <= slack_ns)
        return E2B_SCHED_REASON_COUNT;
    if (end_ns > model->trust.limit * slack_ns
        || (is_strict(model, slot) && makes_late(policy, model, due_ns, running_ns)))
        return E2B_SCHED_OVERLOAD_REASON;
    double share = policy->model_count > 1 ? fair_share(policy, index) : 1;
    if (share < 1 && before * table->sample_ns > share * model->trust.limit * slack_ns)
        return E2B_SCHED_SHARE_REASON;
    model->promises[slot].share = end_ns / slack_ns;
    return E2B_SCHED_REASON_COUNT;
}

/* Until when is the model's next request refused, if nothing comes before it? Meanwhile batches
 * and copies go on, while its slack will be what it is now. With several models that would depend
 * on what the others get: 0. */
static int64_t refused_for(const struct e2b_policy *policy, int index, double running_ns) {
    const struct model *model = &policy->models[index];
    int64_t due_ns = policy->forecast.now_ns + model->window_ns - model->copy_ns;
    if (policy->model_count > 1 || model->target_ns <= 0)
        return 0;
    int before = e2b_sched_backlog_until(&model->backlog, due_ns);
    double slack_ns = (double)(model->target_ns - model->reply_ns - model->copy_ns);
    double excess_ns = end_behind(&policy->forecast.models[index], running_ns, before)
        - model->trust.limit * slack_ns;
    return excess_ns > 0 ? (int64_t)excess_ns : 0;
}

static void admit_newcomers(
    struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    if (model->newcomers.count == 0)
        return;
    struct e2b_forecast_outcome running = e2b_forecast_walk(&policy->forecast, NULL, 0);
    double running_ns =
        policy->forecast.exclusive && !policy->lanes ? running.all_ns : running.area_ns;
    for (int slot = 0; model->newcomers.count > 0; slot++) {
        slot = e2b_bitset_next(&model->newcomers, slot);
        enum e2b_sched_reason reason = refusal(policy, index, slot, running_ns);
        if (reason != E2B_SCHED_REASON_COUNT) {
            if (!e2b_sched_slots_reject(&model->slots, index, reason, slot, actions))
                return;
            actions->list[actions->count - 1].retry_ns = refused_for(policy, index, running_ns);
        } else {
            count_admitted(model, slot, 1);
        }
        e2b_bitset_remove(&model->newcomers, slot);
    }
}

/* The last moment at which a batch could start that meets must_end_ns. */
static int64_t last_chance(
    const struct e2b_policy *policy, const struct model *model, int64_t must_end_ns) {
    int64_t needs_ns = (int64_t)table_of(policy, model)->quickest_ns + model->reply_ns;
    return must_end_ns == INT64_MAX ? INT64_MAX : must_end_ns - needs_ns;
}

static void drop_hopeless(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    int64_t now_ns = policy->forecast.now_ns;
    int slot;
    while (last_chance(policy, model, e2b_sched_waiting_deadline(&model->slots.waiting, &slot))
        < now_ns) {
        struct e2b_sched_action *action = e2b_sched_actions_add(actions);
        if (!action)
            return;
        judge(policy, model, slot, true);
        forget(model, slot);
        e2b_sched_slots_withdraw(&model->slots, slot);
        *action = (struct e2b_sched_action){.kind = E2B_SCHED_REJECT,
            .reason = E2B_SCHED_HOPELESS_REASON,
            .model = index,
            .first = slot,
            .count = 1};
    }
}

/* Choice of a batch. */

/* Sum of the ends of `count` requests that are left behind `ahead_ns` of device time, and of what
 * the future waits for them: if they come in batches of `size` that take latency_ns, one sample
 * every sample_ns. */
static double cost_of_chain(double count, double ahead_ns, double followers, double size,
    double latency_ns, double sample_ns) {
    double later = count > size ? (count - size) / 2 : 0;
    return count * (ahead_ns + later * sample_ns + latency_ns)
        + followers * (ahead_ns + count * sample_ns);
}

/* The same, served in batches of the size that suits best or in the composition of the best
 * throughput. */
static double cost_of_rest(
    const struct e2b_policy *policy, int index, double count, double ahead_ns, double followers) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    if (count <= 0)
        return followers * ahead_ns;
    double best = cost_of_chain(
        count, ahead_ns, followers, table->full_count, table->full_ns, table->sample_ns);
    for (int i = 0; i < table->size_count; i++) {
        double together = table->sizes[i] < count ? table->sizes[i] : count;
        double area_ns = e2b_forecast_area(&policy->forecast, index, i) / together;
        double chain_ns = table->solo_ns[i] / (table->sizes[i] * table->instances[i]);
        double cost = cost_of_chain(count, ahead_ns, followers, together, table->solo_ns[i],
            area_ns > chain_ns ? area_ns : chain_ns);
        if (cost < best)
            best = cost;
    }
    return best;
}

/* Requests that come while a batch runs may get slots that it is padded over, and then wait for its
 * end though the device may get room. */
static double cost_of_padding(
    const struct e2b_policy *policy, int index, const struct e2b_forecast_start *start) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    double solo_ns = table->solo_ns[start->size_index];
    double come = solo_ns * rate_of(&policy->models[index], policy->forecast.now_ns);
    int padding = table->sizes[start->size_index] - start->count;
    bool shares = table->demand[start->size_index] < 1;
    return shares ? 3 * solo_ns * (come < padding ? come : padding) : 0;
}

/* Of those left behind, how many are due before a batch of the rest could end, if it starts when
 * ahead_ns of device time are done? What starts now is thought to be what is due first. */
static int late_of_rest(
    const struct e2b_policy *policy, int index, int rest, int started, double ahead_ns) {
    const struct model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    if (rest <= 0 || table->sample_ns <= 0)
        return 0;
    double end_ns = table->margin * (ahead_ns + table->solo_ns[e2b_forecast_size(table, rest)]);
    int due = e2b_sched_backlog_until(
        &model->strict, policy->forecast.now_ns + (int64_t)end_ns + model->reply_ns);
    due -= started;
    return due < 0 ? 0 : due < rest ? due : rest;
}

static void weigh(const struct e2b_policy *policy, int index, double followers,
    const struct e2b_forecast_start *starts, int start_count, struct choice *choice) {
    int rest = policy->models[index].slots.waiting.slots.count, started = 0;
    for (int i = 0; i < start_count; i++)
        started += starts[i].count;
    rest -= started;
    choice->outcome = e2b_forecast_walk(&policy->forecast, starts, start_count);
    choice->start = start_count > 0;
    if (policy->forecast.exclusive) {
        choice->cost =
            -starts[0].count / e2b_forecast_area(&policy->forecast, index, starts[0].size_index);
        return;
    }
    int late =
        choice->outcome.late + late_of_rest(policy, index, rest, started, choice->outcome.area_ns);
    choice->cost = choice->outcome.sum_ns + (double)policy->models[index].window_ns * late
        + cost_of_rest(policy, index, rest, choice->outcome.area_ns, followers);
    if (start_count > 0)
        choice->cost += cost_of_padding(policy, index, &starts[0]);
}

/* Is there room on the device for a batch beside those that run, with `more` demand planned? A busy
 * device gains nothing from company: each batch ends later, none earlier. */
static bool has_room(const struct e2b_policy *policy, int index, int size_index, double more) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    double demand = policy->forecast.demand + more + table->demand[size_index];
    if (!policy->forecast.exclusive || policy->forecast.demand + more <= 0)
        return true;
    if (policy->lanes)
        return policy->models[index].slots.in_flight == 0;
    return policy->forecast.contention * demand <= E2B_FORECAST_ROOM;
}

/* Behind starts[0], the rest of what waits as largest-first batches of no larger sizes. */
static int add_smaller(
    const struct e2b_policy *policy, int index, struct e2b_forecast_start *starts) {
    const struct e2b_sched_slots *slots = &policy->models[index].slots;
    const struct e2b_sched_instances *instances = &slots->instances;
    int rest = slots->waiting.slots.count - starts[0].count, count = 1;
    int most = policy->max_in_flight - policy->in_flight;
    if (most > E2B_FORECAST_MAX_STARTS)
        most = E2B_FORECAST_MAX_STARTS;
    double demand = policy->forecast.models[index].demand[starts[0].size_index];
    for (int i = starts[0].size_index; i >= 0; i--) {
        int size = instances->sizes[i];
        int unused = __builtin_popcountll(instances->unused[i]) - (i == starts[0].size_index);
        for (; unused > 0 && rest >= size && count < most && has_room(policy, index, i, demand);
             unused--, rest -= size) {
            starts[count++] = (struct e2b_forecast_start){index, i, size, INT64_MAX};
            demand += policy->forecast.models[index].demand[i];
        }
    }
    return count;
}

/* The neighbours of slot as a batch of one size; false where it is neither filled nor the smallest
 * to be padded. */
static bool form(const struct e2b_policy *policy, int index, int slot, int size_index,
    struct e2b_sched_batch *out) {
    const struct e2b_sched_slots *slots = &policy->models[index].slots;
    const struct e2b_sched_instances *instances = &slots->instances;
    int size = instances->sizes[size_index], count;
    if (!e2b_sched_instances_free(instances, size_index))
        return false;
    int first = e2b_sched_waiting_run(&slots->waiting, slot, size, &count);
    *out = (struct e2b_sched_batch){first, count, size_index, -1};
    if (count == size)
        return true;
    bool smaller_holds = size_index > 0 && instances->sizes[size_index - 1] >= count
        && e2b_sched_instances_free(instances, size_index - 1);
    return !smaller_holds && policy->forecast.models[index].sample_ns > 0
        && e2b_sched_slots_can_pad(slots, first + count, first + size);
}

/* The best batch around slot; false if none can be formed. */
static bool choose_around(
    const struct e2b_policy *policy, int index, int slot, double followers, struct choice *best) {
    const struct model *model = &policy->models[index];
    struct e2b_forecast_start starts[E2B_FORECAST_MAX_STARTS];
    bool found = false;
    for (int i = model->slots.instances.size_count - 1; i >= 0; i--) {
        struct choice choice = {0};
        if (!form(policy, index, slot, i, &choice.batch))
            continue;
        starts[0] = (struct e2b_forecast_start){index, i, choice.batch.count,
            must_end_of(model, slot) == INT64_MAX ? INT64_MAX
                                                  : must_end_of(model, slot) - model->reply_ns};
        int together = policy->forecast.exclusive ? 1 : add_smaller(policy, index, starts);
        for (int count = together; count >= 1; count -= together > 1 ? together - 1 : 1) {
            weigh(policy, index, followers, starts, count, &choice);
            choice.start = has_room(policy, index, i, 0);
            if (!found || choice.cost < best->cost)
                *best = choice;
            found = true;
        }
    }
    return found;
}

/* To wait for room: only while something runs. */
static void consider_waiting(
    const struct e2b_policy *policy, int index, double followers, struct choice *best) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    struct choice wait = {0};
    if (policy->in_flight == 0 || policy->forecast.exclusive || table->sample_ns <= 0)
        return;
    weigh(policy, index, followers, NULL, 0, &wait);
    if (wait.cost < best->cost)
        *best = wait;
}

/* The largest free size that neighbours somewhere behind the head fill; false if they are not more
 * than the head and its own. */
static bool choose_elsewhere(
    const struct e2b_policy *policy, int index, int head, double followers, struct choice *best) {
    const struct e2b_sched_slots *slots = &policy->models[index].slots;
    const struct e2b_sched_instances *instances = &slots->instances;
    for (int i = instances->size_count - 1; i >= 0; i--) {
        int size = instances->sizes[i], count;
        if (!e2b_sched_instances_free(instances, i) || slots->waiting.slots.count < size)
            continue;
        e2b_sched_waiting_run(&slots->waiting, head, size, &count);
        if (count == size)
            return false;
        int slot = e2b_sched_waiting_find(&slots->waiting, head, size);
        if (slot >= 0)
            return choose_around(policy, index, slot, followers, best);
    }
    return false;
}

/* Could the head still run as `own` after `other`? */
static bool can_pass(const struct e2b_policy *policy, int index, int head, const struct choice *own,
    const struct choice *other) {
    const struct model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    int64_t must_end_ns = must_end_of(model, head);
    double left_ns = (double)(must_end_ns - model->reply_ns - policy->forecast.now_ns);
    double needs_ns =
        other->outcome.last_ns + table->full_ns + table->solo_ns[own->batch.size_index];
    return must_end_ns == INT64_MAX || table->margin * needs_ns < left_ns;
}

/* The best thing to do for a model whose head waits; false if nothing can be started. */
static bool choose(
    const struct e2b_policy *policy, int index, double followers, struct choice *best) {
    const struct model *model = &policy->models[index];
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    struct choice other;
    bool found = choose_around(policy, index, head, followers, best);
    if ((!found || model->passes < MAX_PASSES)
        && choose_elsewhere(policy, index, head, followers, &other)
        && (!found || (other.cost < best->cost && can_pass(policy, index, head, best, &other)))) {
        *best = other;
        found = true;
    }
    if (found)
        consider_waiting(policy, index, followers, best);
    return found;
}

/* Does it pay to let the batch wait for the next request? Then until when. */
static bool pays_to_hold(const struct e2b_policy *policy, int index, double followers,
    const struct choice *choice, int64_t *until_ns) {
    const struct model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    int count = choice->batch.count, waiting = model->slots.waiting.slots.count;
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    double rate = rate_of(model, policy->forecast.now_ns), solo_ns = table->solo_ns[0];
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
    int64_t must_end_ns = must_end_of(model, head);
    *until_ns = since_ns + (int64_t)(table->solo_ns[size_index] / 2);
    if (must_end_ns != INT64_MAX) {
        int64_t last_ns = must_end_ns - model->reply_ns - (int64_t)(table->margin * held.last_ns);
        *until_ns = *until_ns < last_ns ? *until_ns : last_ns;
    }
    return held_cost<now_cost && * until_ns> policy->forecast.now_ns + (int64_t)gap_ns;
}

/* Dispatch. */

static const struct e2b_sched_key *head_key(const struct model *model) {
    const struct e2b_sched_waiting *waiting = &model->slots.waiting;
    return e2b_sched_waiting_key(waiting, e2b_sched_waiting_head(waiting));
}

static bool is_urgent(const struct e2b_policy *policy, const struct model *model) {
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    const struct e2b_forecast_model *table = table_of(policy, model);
    int64_t must_end_ns = must_end_of(model, head);
    return must_end_ns != INT64_MAX
        && (double)(must_end_ns - policy->forecast.now_ns) < URGENT_BATCHES * table->full_ns;
}

static bool precedes(
    const struct e2b_policy *policy, const struct model *a, const struct model *b) {
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

static int next_model(const struct e2b_policy *policy) {
    int next = -1;
    for (int i = 0; i < policy->model_count; i++) {
        const struct model *model = &policy->models[i];
        if (model->passed_over || model->slots.waiting.slots.count == 0)
            continue;
        if (next < 0 || precedes(policy, model, &policy->models[next]))
            next = i;
    }
    return next;
}

/* Requests that have to wait for what the model does with the device: those of other models, and
 * those that will come until the backlog is gone. */
static double followers_of(const struct e2b_policy *policy, int index) {
    double work_ns = 0, rate = 0, asked = 0;
    int others = 0;
    for (int i = 0; i < policy->forecast.running_count; i++)
        work_ns += policy->forecast.running[i].left_ns * policy->forecast.running[i].demand;
    for (int i = 0; i < policy->model_count; i++) {
        int waiting = policy->models[i].slots.waiting.slots.count;
        work_ns += waiting * policy->forecast.models[i].sample_ns;
        rate += rate_of(&policy->models[i], policy->forecast.now_ns);
        asked += asked_share(policy, i);
        others += i == index ? 0 : waiting;
    }
    double future = rate * work_ns / (1 - (asked < OVERLOADED ? asked : OVERLOADED));
    return others + (future < MAX_FUTURE ? future : MAX_FUTURE);
}

/* Device time that the model receives. One that comes back from idleness has no claim to what it
 * left to others. */
static void charge(struct e2b_policy *policy, int index, int size_index) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    struct model *model = &policy->models[index];
    double demand = table->demand[size_index] < 1 ? table->demand[size_index] : 1;
    double least_ns = -1;
    for (int i = 0; i < policy->model_count; i++) {
        const struct model *other = &policy->models[i];
        if (i != index && other->slots.waiting.slots.count > 0
            && (least_ns < 0 || other->received_ns < least_ns))
            least_ns = other->received_ns;
    }
    if (model->received_ns < least_ns && model->slots.in_flight == 0
        && model->slots.waiting.slots.count == 0)
        model->received_ns = least_ns;
    model->received_ns += table->solo_ns[size_index] * demand / model->weight;
}

static enum e2b_sched_reason reason_of(
    const struct model *model, const struct e2b_sched_batch *batch) {
    const struct e2b_sched_instances *instances = &model->slots.instances;
    if (batch->count < instances->sizes[batch->size_index])
        return E2B_SCHED_PADDED_REASON;
    return batch->size_index == instances->size_count - 1 ? E2B_SCHED_FULL_REASON
                                                          : E2B_SCHED_COMPOSED_REASON;
}

static bool run(struct e2b_policy *policy, int index, struct e2b_sched_batch *batch,
    struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    int64_t due_ns = INT64_MAX;
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    for (int slot = batch->first; slot < batch->first + batch->count; slot++) {
        int64_t must_end_ns = must_end_of(model, slot);
        due_ns = must_end_ns < due_ns ? must_end_ns : due_ns;
        forget(model, slot);
    }
    const struct e2b_forecast_start start = {index, batch->size_index, batch->count,
        due_ns == INT64_MAX ? INT64_MAX : due_ns - model->reply_ns};
    enum e2b_sched_reason reason = reason_of(model, batch);
    if (!e2b_sched_slots_run(&model->slots, index, reason, batch, actions))
        return false;
    bool has_head = head >= batch->first && head < batch->first + batch->count;
    model->passes = has_head ? 0 : model->passes + 1;
    e2b_forecast_start(&policy->forecast, &start, batch->instance);
    charge(policy, index, batch->size_index);
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
    struct model *model = &policy->models[index];
    double followers = followers_of(policy, index);
    struct choice best = {0};
    int64_t until_ns;
    model->passed_over = true;
    if (!choose(policy, index, followers, &best))
        return true;
    model->waits_for_room = !best.start;
    if (!best.start)
        return model->passes < MAX_PASSES;
    if (pays_to_hold(policy, index, followers, &best, &until_ns)) {
        if (model->held_ns == INT64_MAX)
            model->held_ns = policy->forecast.now_ns;
        *held_until_ns = until_ns < *held_until_ns ? until_ns : *held_until_ns;
        return true;
    }
    model->passed_over = false;
    count_passes(policy, index);
    return run(policy, index, &best.batch, actions);
}

/* Would a full batch of another model, run first and alone, make one of this model late? */
static bool is_endangered(const struct e2b_policy *policy, int index) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    double target_ns = (double)policy->models[index].target_ns;
    for (int i = 0; i < policy->model_count; i++)
        if (i != index && target_ns > 0
            && policy->forecast.models[i].full_ns + table->full_ns > target_ns)
            return true;
    return false;
}

/* Much is asked for, or half a full batch waits, of a device that gains nothing from company
 * once a batch fills it. */
static bool is_busy(const struct e2b_policy *policy) {
    double asked = 0, batches = 0;
    for (int i = 0; i < policy->model_count; i++) {
        const struct e2b_forecast_model *table = &policy->forecast.models[i];
        asked += asked_share(policy, i);
        if (table->gains)
            return false;
        if (table->full_count > 0)
            batches += (double)policy->models[i].slots.waiting.slots.count / table->full_count;
    }
    return asked > BUSY || batches > BUSY_BATCHES;
}

static bool any_is_endangered(const struct e2b_policy *policy) {
    for (int i = 0; i < policy->model_count; i++)
        if (is_endangered(policy, i))
            return true;
    return false;
}

/* Returns until when a batch is held, INT64_MAX if none is. */
static int64_t dispatch(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    int64_t held_until_ns = INT64_MAX;
    int index;
    policy->forecast.exclusive = is_busy(policy);
    policy->lanes = policy->forecast.exclusive && any_is_endangered(policy);
    for (int i = 0; i < policy->model_count; i++)
        policy->models[i].passed_over = policy->models[i].waits_for_room = false;
    while (policy->in_flight < policy->max_in_flight && (index = next_model(policy)) >= 0)
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
        const struct model *model = &policy->models[i];
        int slot;
        int64_t last_ns =
            last_chance(policy, model, e2b_sched_waiting_deadline(&model->slots.waiting, &slot));
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
    for (int i = 0; i < policy->model_count; i++) {
        admit_newcomers(policy, i, actions);
        drop_hopeless(policy, i, actions);
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

static int64_t drain_ns(const struct e2b_policy *policy) {
    double left_ns = e2b_forecast_walk(&policy->forecast, NULL, 0).area_ns;
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
    .drain_ns = drain_ns,
};
