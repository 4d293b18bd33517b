#include "sched/elastic/choice.h"

#include "sched/elastic/pace.h"

#include <limits.h>
#include <stddef.h>

#define LATE_WORTH 1e-3   /* of an answer that is late, next to one in time */
#define MAX_PASSES 8      /* batches that may pass a head */
#define MAX_FUTURE 4096.0 /* requests to come that are thought of */

double e2b_elastic_followers(const struct e2b_policy *policy, int index) {
    double work_ns = 0, rate = 0, asked = 0;
    int others = 0;
    for (int i = 0; i < policy->forecast.running_count; i++)
        work_ns += policy->forecast.running[i].left_ns * policy->forecast.running[i].demand;
    for (int i = 0; i < policy->model_count; i++) {
        int waiting = policy->models[i].slots.waiting.slots.count;
        work_ns += waiting * policy->forecast.models[i].sample_ns;
        rate += e2b_elastic_rate(&policy->models[i], policy->forecast.now_ns);
        asked += e2b_elastic_asked(policy, i);
        others += i == index ? 0 : waiting;
    }
    double future =
        rate * work_ns / (1 - (asked < E2B_ELASTIC_OVERLOADED ? asked : E2B_ELASTIC_OVERLOADED));
    return others + (future < MAX_FUTURE ? future : MAX_FUTURE);
}

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
    double come = solo_ns * e2b_elastic_rate(&policy->models[index], policy->forecast.now_ns);
    int padding = table->sizes[start->size_index] - start->count;
    bool shares = table->demand[start->size_index] < 1;
    return shares ? 3 * solo_ns * (come < padding ? come : padding) : 0;
}

/* Of those left behind, how many are due before a batch of the rest could end, if it starts when
 * ahead_ns of device time are done? What starts now is thought to be what is due first. */
static int late_of_rest(
    const struct e2b_policy *policy, int index, int rest, int started, double ahead_ns) {
    const struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    if (rest <= 0 || table->sample_ns <= 0)
        return 0;
    double end_ns = table->margin * (ahead_ns + table->solo_ns[e2b_forecast_size(table, rest)]);
    int due = e2b_sched_backlog_until(
        &model->strict, policy->forecast.now_ns + (int64_t)end_ns + model->reply_ns);
    due -= started;
    return due < 0 ? 0 : due < rest ? due : rest;
}

/* What batches that start together keep others from, on a busy device: what is left of it beside
 * them is used only if another model may do so. */
static double time_of(const struct e2b_policy *policy, int index,
    const struct e2b_forecast_start *starts, int start_count) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    double longest_ns = 0;
    for (int i = 0; i < start_count; i++)
        if (table->solo_ns[starts[i].size_index] > longest_ns)
            longest_ns = table->solo_ns[starts[i].size_index];
    return longest_ns;
}

/* How many of the batch are late if it ends ends_ns from now? */
static int late_of(const struct e2b_policy *policy, int index, const struct e2b_sched_batch *batch,
    double ends_ns) {
    const struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_bitset *waits = &model->slots.waiting.slots;
    int64_t end_ns = policy->forecast.now_ns + model->reply_ns + (int64_t)ends_ns;
    int late = 0;
    for (int slot = batch->first; slot < batch->first + batch->span;
         slot = e2b_bitset_next(waits, slot + 1))
        late += e2b_elastic_must_end(model, slot) < end_ns;
    return late;
}

static void weigh(const struct e2b_policy *policy, int index, double followers,
    const struct e2b_forecast_start *starts, int start_count, struct e2b_elastic_choice *choice) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    int rest = policy->models[index].slots.waiting.slots.count, started = 0;
    for (int i = 0; i < start_count; i++)
        started += starts[i].count;
    rest -= started;
    choice->outcome = start_count > 0 ? e2b_forecast_walk(&policy->forecast, starts, start_count)
                                      : policy->running;
    choice->start = start_count > 0;
    if (policy->forecast.exclusive) {
        const struct e2b_elastic_pace *pace = &policy->models[index].pace;
        int size = table->sizes[choice->batch.size_index];
        int late =
            late_of(policy, index, &choice->batch, e2b_elastic_batch_ns(pace, table, size));
        double good = late < started ? started - late : started * LATE_WORTH;
        choice->cost = -good / time_of(policy, index, starts, start_count);
        return;
    }
    int late =
        choice->outcome.late + late_of_rest(policy, index, rest, started, choice->outcome.area_ns);
    if (start_count > 0)
        late += late_of(policy, index, &choice->batch, table->margin * choice->outcome.first_ns);
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
    if (policy->lanes)
        return policy->models[index].slots.in_flight == 0;
    if (!policy->forecast.exclusive || policy->forecast.demand + more <= 0)
        return true;
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

/* By size: slot and those around it as a batch, of count 0 where it is not filled and the next
 * smaller one holds as many. */
static void form_all(const struct e2b_policy *policy, int index, int slot,
    struct e2b_sched_batch formed[E2B_SCHED_MAX_SIZES]) {
    const struct e2b_sched_slots *slots = &policy->models[index].slots;
    const struct e2b_sched_instances *instances = &slots->instances;
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    bool can_pad = table->sample_ns > 0;
    int most = policy->forecast.exclusive ? policy->models[index].pace.count : INT_MAX;
    int smaller = 0;
    for (int i = 0; i < instances->size_count; i++) {
        bool found = e2b_sched_instances_free(instances, i) && table->sizes[i] <= most
            && e2b_sched_slots_window(slots, slot, i, &formed[i]);
        int count = found ? formed[i].count : 0;
        bool is_full = count == instances->sizes[i];
        if (!found || (!is_full && (!can_pad || smaller >= count)))
            formed[i].count = 0;
        smaller = count;
    }
}

/* The best batch around slot; false if none can be formed. */
static bool choose_around(const struct e2b_policy *policy, int index, int slot, double followers,
    struct e2b_elastic_choice *best) {
    const struct e2b_elastic_model *model = &policy->models[index];
    struct e2b_sched_batch formed[E2B_SCHED_MAX_SIZES];
    struct e2b_forecast_start starts[E2B_FORECAST_MAX_STARTS];
    bool found = false;
    form_all(policy, index, slot, formed);
    for (int i = model->slots.instances.size_count - 1; i >= 0; i--) {
        struct e2b_elastic_choice choice = {.batch = formed[i]};
        if (formed[i].count == 0)
            continue;
        starts[0] = (struct e2b_forecast_start){index, i, formed[i].count, INT64_MAX};
        int together = policy->lanes ? 1 : add_smaller(policy, index, starts);
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
    const struct e2b_policy *policy, int index, double followers, struct e2b_elastic_choice *best) {
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    struct e2b_elastic_choice wait = {0};
    if (policy->in_flight == 0 || policy->forecast.exclusive || table->sample_ns <= 0)
        return;
    weigh(policy, index, followers, NULL, 0, &wait);
    if (wait.cost < best->cost)
        *best = wait;
}

/* The largest free size that neighbours somewhere behind the head fill; false if they are not more
 * than the head and its own. */
static bool choose_elsewhere(const struct e2b_policy *policy, int index, int head, double followers,
    struct e2b_elastic_choice *best) {
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
static bool can_pass(const struct e2b_policy *policy, int index, int head,
    const struct e2b_elastic_choice *own, const struct e2b_elastic_choice *other) {
    const struct e2b_elastic_model *model = &policy->models[index];
    const struct e2b_forecast_model *table = &policy->forecast.models[index];
    int64_t must_end_ns = e2b_elastic_must_end(model, head);
    double left_ns = (double)(must_end_ns - model->reply_ns - policy->forecast.now_ns);
    double needs_ns =
        other->outcome.last_ns + table->full_ns + table->solo_ns[own->batch.size_index];
    return must_end_ns == INT64_MAX || table->margin * needs_ns < left_ns;
}

bool e2b_elastic_choose(
    const struct e2b_policy *policy, int index, double followers, struct e2b_elastic_choice *best) {
    const struct e2b_elastic_model *model = &policy->models[index];
    int head = e2b_sched_waiting_head(&model->slots.waiting);
    struct e2b_elastic_choice other;
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
