#include "sched/forecast.h"

#include "sched/instances.h"
#include <stdlib.h>

#define LEARN 0.125 /* of an error, each time */
#define MOST_BESIDE 0.1 /* of an error, that is thought to be a wait */
#define MIN_CONTENTION 0.25
#define MAX_CONTENTION 4.0
#define LEAST_LEFT 0.0625 /* of its duration: what a batch that is overdue is thought to need */
#define CLEARLY_MORE 1.1
#define USUAL 0.9        /* share of durations that a margin covers: a device stalls now and then */
#define HOST_SHARE 0.7   /* of the enqueueing thread, for launches: it copies and answers too */
#define FIRST_ERROR 0.01 /* upper bound of the first bucket, */
#define ERROR_GROWTH 1.15 /* and from bucket to bucket */

static double slowdown(double contention, double demand, int count) {
    double all = contention * demand;
    return count > 1 && all > 1 ? all : 1;
}

static double area_of(const struct e2b_forecast *forecast, double duration_ns, double demand) {
    double with_another = forecast->contention * (demand + forecast->least_demand);
    bool takes_all = demand >= 1 || (forecast->exclusive && with_another > E2B_FORECAST_ROOM);
    return duration_ns * (takes_all ? 1 : demand);
}

/* Samples a nanosecond when sizes low .. high run all the time. */
static double throughput_of(const struct e2b_forecast *forecast,
    const struct e2b_forecast_model *model, int low, int high) {
    double rate = 0, demand = 0, host = 0;
    int count = 0;
    for (int i = low; i <= high; i++) {
        double batches = model->instances[i] / model->solo_ns[i];
        rate += batches * model->sizes[i];
        host += batches * model->host_ns[i];
        demand += model->instances[i] * model->demand[i];
        count += model->instances[i];
    }
    double slow = slowdown(forecast->contention, demand, count), busy = host / HOST_SHARE;
    return rate / (slow > busy ? slow : busy);
}

/* Durations that are not known are taken from the nearest size, by proportion. */
static void complete_table(struct e2b_forecast_model *model) {
    int known = -1;
    for (int i = 0; i < model->size_count && known < 0; i++)
        known = model->solo_ns[i] > 0 ? i : -1;
    for (int i = 0; known >= 0 && i < model->size_count; i++) {
        if (model->solo_ns[i] <= 0)
            model->solo_ns[i] = model->solo_ns[known] * model->sizes[i] / model->sizes[known];
        known = i;
    }
}

static void take_composition(
    const struct e2b_forecast *forecast, struct e2b_forecast_model *model, int low, int high) {
    double demand = 0;
    int count = 0;
    model->full_count = 0;
    for (int i = low; i <= high; i++) {
        model->full_count += model->instances[i] * model->sizes[i];
        demand += model->instances[i] * model->demand[i];
        count += model->instances[i];
    }
    model->full_ns = model->solo_ns[high] * slowdown(forecast->contention, demand, count);
}

/* The size that gives most alone; does company? */
static double take_alone(struct e2b_forecast_model *model) {
    double best = 0;
    for (int i = 0; i < model->size_count; i++)
        if (model->sizes[i] / model->solo_ns[i] > best) {
            best = model->sizes[i] / model->solo_ns[i];
            model->full_count = model->sizes[i];
            model->full_ns = model->solo_ns[i];
        }
    return best;
}

/* Of all ranges of sizes, the one whose batches together give the best throughput; one batch unless
 * several give clearly more, as company makes each of them slower. */
static void find_best(const struct e2b_forecast *forecast, struct e2b_forecast_model *model) {
    model->sample_ns = model->full_ns = model->quickest_ns = 0;
    if (model->solo_ns[0] <= 0)
        return;
    double alone = take_alone(model), best = alone;
    for (int low = 0; low < model->size_count; low++)
        for (int high = low; high < model->size_count; high++) {
            double rate = throughput_of(forecast, model, low, high);
            if (rate <= best || rate <= CLEARLY_MORE * alone)
                continue;
            best = rate;
            take_composition(forecast, model, low, high);
        }
    model->gains = best > alone;
    model->sample_ns = 1 / best;
    model->quickest_ns = model->solo_ns[0];
    for (int i = 1; i < model->size_count; i++)
        if (model->solo_ns[i] < model->quickest_ns)
            model->quickest_ns = model->solo_ns[i];
}

static void model_init(struct e2b_forecast_model *model, const struct e2b_sched_model *from) {
    *model = (struct e2b_forecast_model){.size_count = from->size_count,
        .beside_ns = (double)from->beside_ns,
        .percentile = from->percentile > 0 ? from->percentile / 100 : 0.99,
        .margin = 1};
    for (int i = 0; i < from->size_count; i++) {
        model->sizes[i] = from->sizes[i];
        model->instances[i] = from->instances[i];
        model->solo_ns[i] = (double)from->solo_ns[i];
        model->demand[i] = from->demand[i] > 0 ? from->demand[i] : 1;
        model->host_ns[i] = (double)(from->launches[i] * from->launch_ns);
    }
    complete_table(model);
}

bool e2b_forecast_init(
    struct e2b_forecast *forecast, const struct e2b_sched_model *models, int model_count) {
    size_t most = (size_t)e2b_sched_models_instances(models, model_count);
    *forecast = (struct e2b_forecast){.model_count = model_count, .contention = 1};
    forecast->models = calloc((size_t)model_count, sizeof *forecast->models);
    forecast->running = calloc(most, sizeof *forecast->running);
    if (!forecast->models || !forecast->running) {
        e2b_forecast_finish(forecast);
        return false;
    }
    forecast->least_demand = 1;
    for (int i = 0; i < model_count; i++) {
        model_init(&forecast->models[i], &models[i]);
        for (int j = 0; j < models[i].size_count; j++)
            if (forecast->models[i].demand[j] < forecast->least_demand)
                forecast->least_demand = forecast->models[i].demand[j];
        find_best(forecast, &forecast->models[i]);
    }
    return true;
}

void e2b_forecast_finish(struct e2b_forecast *forecast) {
    free(forecast->models);
    free(forecast->running);
    *forecast = (struct e2b_forecast){0};
}

void e2b_forecast_pass(struct e2b_forecast *forecast, int64_t now_ns) {
    double slow = slowdown(forecast->contention, forecast->demand, forecast->running_count);
    double done_ns = (double)(now_ns - forecast->now_ns) / slow;
    forecast->enqueued_ns -= (double)(now_ns - forecast->now_ns);
    if (forecast->enqueued_ns < 0)
        forecast->enqueued_ns = 0;
    forecast->now_ns = now_ns;
    for (int i = 0; i < forecast->running_count; i++)
        forecast->running[i].left_ns -= done_ns;
}

struct step {
    double left_ns, demand;
    int count;
    int64_t due_ns;
    double margin;
    bool is_start, is_first;
};

static struct step step_of_running(
    const struct e2b_forecast *forecast, const struct e2b_forecast_batch *batch) {
    double least_ns = LEAST_LEFT * batch->solo_ns;
    return (struct step){.left_ns = batch->left_ns > least_ns ? batch->left_ns : least_ns,
        .demand = batch->demand,
        .count = batch->count,
        .due_ns = batch->due_ns,
        .margin = forecast->models[batch->model].margin};
}

static bool is_beside(const struct e2b_forecast *forecast, const struct e2b_forecast_start *starts,
    int count, int model) {
    for (int i = 0; i < forecast->running_count; i++)
        if (forecast->running[i].model != model)
            return true;
    for (int i = 0; i < count; i++)
        if (starts[i].model != model)
            return true;
    return false;
}

/* The starts in the order in which they will end. A batch is not there before those enqueued ahead
 * of it are. */
static double sort_starts(const struct e2b_forecast *forecast,
    const struct e2b_forecast_start *starts, int count, struct step *steps) {
    double demand = 0, host_ns = forecast->enqueued_ns;
    for (int i = 0; i < count; i++) {
        const struct e2b_forecast_model *model = &forecast->models[starts[i].model];
        int size_index = starts[i].size_index, at = i;
        bool beside = is_beside(forecast, starts, i, starts[i].model);
        double beside_ns = beside ? model->beside_ns : 0;
        const struct step step = {.left_ns = model->solo_ns[size_index] + beside_ns + host_ns,
            .demand = model->demand[size_index],
            .count = starts[i].count,
            .due_ns = starts[i].due_ns,
            .margin = model->margin,
            .is_start = true,
            .is_first = i == 0};
        for (; at > 0 && steps[at - 1].left_ns > step.left_ns; at--)
            steps[at] = steps[at - 1];
        steps[at] = step;
        demand += step.demand;
        host_ns += model->host_ns[size_index];
    }
    return demand;
}

struct e2b_forecast_outcome e2b_forecast_walk(
    const struct e2b_forecast *forecast, const struct e2b_forecast_start *starts, int start_count) {
    struct step sorted[E2B_FORECAST_MAX_STARTS];
    struct e2b_forecast_outcome outcome = {0};
    double demand = forecast->demand + sort_starts(forecast, starts, start_count, sorted);
    double at_ns = 0, left_ns = 0;
    int running = 0, started = 0;
    while (running < forecast->running_count || started < start_count) {
        struct step step;
        bool from_running = running < forecast->running_count;
        if (from_running)
            step = step_of_running(forecast, &forecast->running[running]);
        if (!from_running || (started < start_count && sorted[started].left_ns < step.left_ns))
            step = sorted[started++];
        else
            running++;
        int together = forecast->running_count - running + start_count - started + 1;
        if (step.left_ns > left_ns) {
            at_ns += (step.left_ns - left_ns) * slowdown(forecast->contention, demand, together);
            left_ns = step.left_ns;
        }
        demand -= step.demand;
        outcome.sum_ns += step.count * at_ns;
        outcome.area_ns += area_of(forecast, step.left_ns, step.demand);
        if (step.due_ns != INT64_MAX
            && at_ns * step.margin > (double)(step.due_ns - forecast->now_ns))
            outcome.late += step.count;
        if (step.is_start)
            outcome.last_ns = at_ns;
        if (step.is_first)
            outcome.first_ns = at_ns;
    }
    outcome.all_ns = at_ns;
    return outcome;
}

void e2b_forecast_start(
    struct e2b_forecast *forecast, const struct e2b_forecast_start *start, int instance) {
    const struct e2b_forecast_model *model = &forecast->models[start->model];
    double known_ns = model->solo_ns[start->size_index];
    bool beside = is_beside(forecast, NULL, 0, start->model);
    double beside_ns = beside ? model->beside_ns : 0;
    double solo_ns = known_ns > 0 ? known_ns + beside_ns + forecast->enqueued_ns : 0;
    const struct e2b_forecast_batch batch = {.model = start->model,
        .size_index = start->size_index,
        .instance = instance,
        .count = start->count,
        .started_ns = forecast->now_ns,
        .due_ns = start->due_ns,
        .solo_ns = solo_ns,
        .left_ns = solo_ns,
        .demand = model->demand[start->size_index],
        .in_company = forecast->running_count > 0,
        .beside = beside};
    int at = forecast->running_count++;
    for (int i = 0; i < at; i++)
        forecast->running[i].in_company = true;
    for (; at > 0 && forecast->running[at - 1].left_ns > batch.left_ns; at--)
        forecast->running[at] = forecast->running[at - 1];
    forecast->running[at] = batch;
    forecast->demand += batch.demand;
    forecast->enqueued_ns += model->host_ns[start->size_index];
}

static void count_error(struct e2b_forecast_model *model, double ratio) {
    double error = ratio > 1 ? ratio - 1 : 1 - ratio, bound = FIRST_ERROR;
    int bucket = 0;
    for (; bucket < E2B_FORECAST_ERROR_BUCKETS - 1 && error > bound; bucket++)
        bound *= ERROR_GROWTH;
    model->count++;
    model->under += ratio > 1 + 1e-9;
    model->error_sum += error;
    model->errors[bucket]++;
}

static void move_margin(struct e2b_forecast_model *model, double ratio) {
    e2b_sched_quantile_add(&model->ratios, ratio);
    model->margin = e2b_sched_quantile_get(&model->ratios, USUAL, 1);
    if (model->margin < 1)
        model->margin = 1;
}

/* ratio: measured / predicted with the company that it had. */
static void learn(
    struct e2b_forecast *forecast, const struct e2b_forecast_batch *batch, double ratio) {
    struct e2b_forecast_model *model = &forecast->models[batch->model];
    double error = ratio > 2 ? 1 : ratio - 1;
    model->solo_ns[batch->size_index] *= 1 + error * LEARN;
    if (batch->in_company)
        forecast->contention *= 1 + error * LEARN;
    if (batch->beside) /* whatever stalls tells no more than what is a little late */
        model->beside_ns += LEARN * batch->solo_ns * (error > MOST_BESIDE ? MOST_BESIDE : error);
    if (model->beside_ns < 0)
        model->beside_ns = 0;
    if (forecast->contention < MIN_CONTENTION)
        forecast->contention = MIN_CONTENTION;
    if (forecast->contention > MAX_CONTENTION)
        forecast->contention = MAX_CONTENTION;
    if (error > 1e-3 || error < -1e-3)
        find_best(forecast, model);
}

static void take_out(struct e2b_forecast *forecast, int at) {
    forecast->running_count--;
    for (int i = at; i < forecast->running_count; i++)
        forecast->running[i] = forecast->running[i + 1];
    forecast->demand = 0; /* anew, so that no rounding adds up */
    for (int i = 0; i < forecast->running_count; i++)
        forecast->demand += forecast->running[i].demand;
}

const struct e2b_forecast_batch *e2b_forecast_find(
    const struct e2b_forecast *forecast, int model, int size_index, int instance) {
    const struct e2b_forecast_batch *batch = forecast->running;
    while (batch->model != model || batch->size_index != size_index || batch->instance != instance)
        batch++;
    return batch;
}

void e2b_forecast_completed(struct e2b_forecast *forecast, int model_index, int size_index,
    int instance, int64_t duration_ns) {
    struct e2b_forecast_model *model = &forecast->models[model_index];
    int at =
        (int)(e2b_forecast_find(forecast, model_index, size_index, instance) - forecast->running);
    const struct e2b_forecast_batch batch = forecast->running[at];
    take_out(forecast, at);
    if (duration_ns <= 0)
        return;
    if (batch.solo_ns <= 0) {
        model->solo_ns[size_index] = (double)duration_ns;
        complete_table(model);
        find_best(forecast, model);
        return;
    }
    double ratio = (batch.solo_ns - batch.left_ns) / batch.solo_ns;
    count_error(model, ratio);
    move_margin(model, ratio);
    learn(forecast, &batch, ratio);
}

void e2b_forecast_enqueued(
    struct e2b_forecast *forecast, int model, int size_index, int64_t enqueue_ns) {
    double *host_ns = &forecast->models[model].host_ns[size_index];
    double change_ns = ((double)enqueue_ns - *host_ns) * LEARN;
    *host_ns += change_ns;
    if (change_ns > 1e-2 * *host_ns || change_ns < -1e-2 * *host_ns)
        find_best(forecast, &forecast->models[model]);
}

double e2b_forecast_area(const struct e2b_forecast *forecast, int model, int size_index) {
    const struct e2b_forecast_model *table = &forecast->models[model];
    return area_of(forecast, table->solo_ns[size_index], table->demand[size_index]);
}

int e2b_forecast_size(const struct e2b_forecast_model *model, int count) {
    int i = 0;
    while (i < model->size_count - 1 && model->sizes[i] < count)
        i++;
    return i;
}

void e2b_forecast_prediction(
    const struct e2b_forecast *forecast, int model_index, struct e2b_sched_prediction *out) {
    const struct e2b_forecast_model *model = &forecast->models[model_index];
    double bound = FIRST_ERROR;
    uint64_t seen = 0;
    *out = (struct e2b_sched_prediction){.count = model->count, .under = model->under};
    if (model->count == 0)
        return;
    out->mean_error = model->error_sum / (double)model->count;
    for (int i = 0; i < E2B_FORECAST_ERROR_BUCKETS; i++, bound *= ERROR_GROWTH) {
        seen += model->errors[i];
        if (seen * 100 >= model->count * 99) {
            out->p99_error = bound;
            return;
        }
    }
}
