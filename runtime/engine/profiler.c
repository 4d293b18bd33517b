#include "runtime/engine/profiler.h"

#include "runtime/base/clock.h"
#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/engine/served.h"
#include "sched/forecast.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RUNS 5
#define SAME 1.3 /* times as long or as short, at most, is no other duration */
#define FIT_ROUNDS 60
#define FIRST_DEMAND 1.0 /* from above: where nothing is slowed, no step shows the way */
#define LEAST_DEMAND 0.01
#define MOST_DEMAND 2.0
#define SAME_NS 1e-3
#define LOW_DEMAND 1e-4 /* how much a lower demand is preferred where nothing was measured */

/* Fitting. */

/* Batches that share the device from when each was enqueued, one behind the other (sched/policy.h).
 * A batch may run while it is enqueued. */
static double makespan_of(
    const struct e2b_forecast *forecast, const struct e2b_composition *composition) {
    const struct e2b_forecast_model *model = &forecast->models[0];
    double left_ns[E2B_PROFILE_MAX_BATCHES], at_ns = 0, next_ns = 0;
    int started = 0, ended = 0;
    while (ended < composition->count) {
        double demand = 0, least_ns = INFINITY;
        if (started < composition->count && next_ns <= at_ns) {
            left_ns[started] = model->solo_ns[composition->size_index[started]];
            next_ns = at_ns + model->host_ns[composition->size_index[started++]];
            continue;
        }
        for (int i = 0; i < started; i++)
            if (left_ns[i] > 0) {
                demand += model->demand[composition->size_index[i]];
                least_ns = fmin(least_ns, left_ns[i]);
            }
        double slowdown = started - ended > 1 ? fmax(demand, 1) : 1;
        double step_ns = least_ns * slowdown;
        if (started < composition->count)
            step_ns = fmin(step_ns, next_ns - at_ns);
        for (int i = 0; i < started; i++)
            if (left_ns[i] > 0) {
                left_ns[i] -= step_ns / slowdown;
                left_ns[i] = left_ns[i] < SAME_NS ? 0 : left_ns[i];
                ended += left_ns[i] <= 0;
            }
        at_ns += step_ns;
    }
    return at_ns;
}

static double error_of(
    const struct e2b_forecast *forecast, const struct e2b_composition *compositions, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        double error =
            log(makespan_of(forecast, &compositions[i]) / (double)compositions[i].makespan_ns);
        sum += error * error;
    }
    for (int i = 0; i < forecast->models[0].size_count; i++)
        sum += LOW_DEMAND * forecast->models[0].demand[i];
    return sum;
}

/* Each demand in turn a step up or down, with smaller and smaller steps. */
static void descend(
    struct e2b_forecast *forecast, const struct e2b_composition *compositions, int count) {
    struct e2b_forecast_model *model = &forecast->models[0];
    double best = error_of(forecast, compositions, count), step = 0.25;
    for (int round = 0; round < FIT_ROUNDS; round++, step *= 0.92)
        for (int i = 0; i < model->size_count; i++)
            for (int sign = -1; sign <= 1; sign += 2) {
                double before = model->demand[i], tried = before * (1 + sign * step);
                model->demand[i] = fmin(fmax(tried, LEAST_DEMAND), MOST_DEMAND);
                double error = error_of(forecast, compositions, count);
                if (error < best)
                    best = error;
                else
                    model->demand[i] = before;
            }
}

enum e2b_status e2b_profile_fit(const struct e2b_sched_model *model,
    const struct e2b_composition *compositions, int count, struct e2b_profile *out,
    struct e2b_error *err) {
    struct e2b_forecast forecast;
    bool held[E2B_SCHED_MAX_SIZES] = {false};
    if (!e2b_forecast_init(&forecast, model, 1))
        return e2b_fail_memory(err, "a profile");
    for (int i = 0; i < count; i++)
        for (int j = 0; j < compositions[i].count; j++)
            held[compositions[i].size_index[j]] = true;
    for (int i = 0; i < model->size_count; i++)
        forecast.models[0].demand[i] = FIRST_DEMAND;
    descend(&forecast, compositions, count);
    double error = 0;
    for (int i = 0; i < count; i++)
        error += fabs(
            makespan_of(&forecast, &compositions[i]) / (double)compositions[i].makespan_ns - 1);
    for (int i = 0; i < model->size_count; i++)
        out->demand[i] = held[i] ? forecast.models[0].demand[i] : 0;
    out->compositions = count;
    out->mean_error = count > 0 ? error / count : 0;
    e2b_forecast_finish(&forecast);
    return E2B_OK;
}

/* Measuring. */

struct profiler {
    struct e2b_served *served;
    struct e2b_profile *profile;
    int64_t until_ns;
    struct e2b_composition compositions[E2B_PROFILE_MAX_COMPOSITIONS];
    int count;
};

static int64_t now_of(const struct e2b_served *served) {
    return served->device->ops->now_ns(served->device);
}

static int64_t typical_ns(int64_t *times_ns, int count) {
    int64_t median_ns = e2b_clock_median_ns(times_ns, count);
    return median_ns > 0 ? median_ns : 1;
}

/* All batches at once, on slots side by side, each on an instance of its own. enqueue_ns: of the
 * host, of all launches. */
static enum e2b_status run_together(struct e2b_served *served,
    const struct e2b_composition *composition, int64_t *took_ns, int64_t *enqueue_ns,
    struct e2b_error *err) {
    struct e2b_instance *instances[E2B_PROFILE_MAX_BATCHES];
    int used[E2B_SCHED_MAX_SIZES] = {0}, first = 0, started = 0;
    int64_t start_ns = now_of(served);
    for (; started < composition->count && err->status == E2B_OK; started++) {
        struct e2b_granularity *size = &served->sizes[composition->size_index[started]];
        instances[started] = size->instances[used[composition->size_index[started]]++];
        e2b_instance_run(instances[started], first, NULL, NULL, err);
        first += size->size;
    }
    *enqueue_ns = now_of(served) - start_ns;
    for (int i = 0; i < started; i++) {
        struct e2b_error late = {0};
        if (served->device->ops->finish(e2b_instance_queue(instances[i]), &late) != E2B_OK
            && err->status == E2B_OK)
            *err = late;
    }
    *took_ns = now_of(served) - start_ns;
    return err->status;
}

static enum e2b_status measure(struct profiler *profiler, struct e2b_composition *composition,
    int64_t *enqueue_ns, struct e2b_error *err) {
    int64_t took_ns[RUNS], enqueued_ns[RUNS];
    int runs = 0;
    do {
        if (run_together(profiler->served, composition, &took_ns[runs], &enqueued_ns[runs], err)
            != E2B_OK)
            return err->status;
        runs++;
    } while (runs < RUNS && now_of(profiler->served) < profiler->until_ns);
    composition->makespan_ns = typical_ns(took_ns, runs);
    *enqueue_ns = typical_ns(enqueued_ns, runs);
    return E2B_OK;
}

static int64_t launches_of(const struct e2b_served *served, int size_index) {
    int count = e2b_plan_step_count(served->sizes[size_index].plan);
    return count > 0 ? count : 1;
}

static enum e2b_status measure_alone(struct profiler *profiler, struct e2b_error *err) {
    struct e2b_served *served = profiler->served;
    for (int i = 0; i < served->size_count; i++) {
        struct e2b_composition alone = {.count = 1, .size_index = {i}};
        int64_t enqueue_ns;
        if (measure(profiler, &alone, &enqueue_ns, err) != E2B_OK)
            return e2b_error_while(err, "timing batch size %d", served->sizes[i].size);
        profiler->profile->solo_ns[i] = alone.makespan_ns;
        int64_t launch_ns = enqueue_ns / launches_of(served, i);
        if (i == 0 || launch_ns < profiler->profile->launch_ns)
            profiler->profile->launch_ns = launch_ns;
    }
    return E2B_OK;
}

static enum e2b_status measure_reply(struct profiler *profiler, struct e2b_error *err) {
    struct e2b_served *served = profiler->served;
    int count = served->sizes[served->size_count - 1].size;
    struct e2b_queue *queue = e2b_instance_queue(served->sizes[0].instances[0]);
    int64_t took_ns[RUNS];
    for (int run = 0; run < RUNS; run++) {
        int64_t start_ns = now_of(served);
        if (e2b_pool_download(served->pool, 0, count, queue, NULL, err) != E2B_OK
            || served->device->ops->finish(queue, err) != E2B_OK)
            return e2b_error_while(err, "timing the copy of outputs");
        took_ns[run] = now_of(served) - start_ns;
    }
    profiler->profile->reply_ns = typical_ns(took_ns, RUNS);
    return E2B_OK;
}

/* Only what has an instance and slots for each batch. */
static void plan_composition(struct profiler *profiler, const int *size_index, int count) {
    const struct e2b_served *served = profiler->served;
    int used[E2B_SCHED_MAX_SIZES] = {0}, slots = 0;
    if (count < 2 || count > E2B_PROFILE_MAX_BATCHES
        || profiler->count == E2B_PROFILE_MAX_COMPOSITIONS)
        return;
    struct e2b_composition *composition = &profiler->compositions[profiler->count];
    *composition = (struct e2b_composition){.count = count};
    for (int i = 0; i < count; i++) {
        composition->size_index[i] = size_index[i];
        slots += served->sizes[size_index[i]].size;
        if (++used[size_index[i]] > served->sizes[size_index[i]].instance_count)
            return;
    }
    profiler->count += slots <= served->options.slot_count;
}

/* Equals, then neighbours, then everything up to a size, then the other pairs: what tells most
 * comes first, as time may run out. */
static void plan_compositions(struct profiler *profiler) {
    const struct e2b_served *served = profiler->served;
    int size_count = served->size_count, all[E2B_PROFILE_MAX_BATCHES], count = 0;
    for (int i = 0; i < size_count; i++)
        plan_composition(profiler, (const int[]){i, i}, 2);
    for (int i = 1; i < size_count; i++)
        plan_composition(profiler, (const int[]){i - 1, i}, 2);
    for (int i = 0; i < size_count; i++) {
        for (int j = 0; j < served->sizes[i].instance_count; j++)
            if (count < E2B_PROFILE_MAX_BATCHES)
                all[count++] = i;
        if (count > 2)
            plan_composition(profiler, all, count);
    }
    for (int i = 0; i < size_count; i++)
        for (int j = i + 2; j < size_count; j++)
            plan_composition(profiler, (const int[]){i, j}, 2);
}

static enum e2b_status measure_together(struct profiler *profiler, struct e2b_error *err) {
    struct e2b_served *served = profiler->served;
    int planned, done = 0;
    plan_compositions(profiler);
    planned = profiler->count;
    for (; done < planned && now_of(served) < profiler->until_ns; done++) {
        int64_t enqueue_ns;
        e2b_progress("timing batches side by side", done, planned, served->name);
        if (measure(profiler, &profiler->compositions[done], &enqueue_ns, err) != E2B_OK)
            return e2b_error_while(err, "timing batches side by side");
    }
    e2b_progress("timing batches side by side", planned, planned, served->name);
    profiler->count = done;
    return E2B_OK;
}

static void describe(const struct profiler *profiler, struct e2b_sched_model *out) {
    e2b_served_describe(profiler->served, out);
    memcpy(out->solo_ns, profiler->profile->solo_ns, sizeof out->solo_ns);
    out->launch_ns = profiler->profile->launch_ns;
}

static enum e2b_status run_profiler(
    struct e2b_served *served, int64_t budget_ns, struct e2b_profile *out, struct e2b_error *err) {
    struct profiler profiler = {served, out, now_of(served) + budget_ns, .count = 0};
    struct e2b_sched_model model;
    *out = (struct e2b_profile){0};
    if (measure_alone(&profiler, err) != E2B_OK || measure_reply(&profiler, err) != E2B_OK
        || measure_together(&profiler, err) != E2B_OK)
        return err->status;
    describe(&profiler, &model);
    return e2b_profile_fit(&model, profiler.compositions, profiler.count, out, err);
}

/* Keeping. */

static uint64_t hash_text(uint64_t hash, const char *text) {
    return e2b_hash(hash, text, strlen(text) + 1);
}

uint64_t e2b_profile_key(const struct e2b_served *served) {
    uint64_t hash = hash_text(E2B_HASH_START, served->device->identity);
    hash = e2b_hash(hash, &served->options.slot_count, sizeof served->options.slot_count);
    for (int i = 0; i < served->size_count; i++) {
        const struct e2b_granularity *size = &served->sizes[i];
        const int counts[] = {size->size, size->instance_count, e2b_plan_step_count(size->plan)};
        hash = e2b_hash(hash, counts, sizeof counts);
        for (int j = 0; j < counts[2]; j++) {
            const struct e2b_step *step = e2b_plan_step(size->plan, j);
            hash = hash_text(hash_text(hash, step->variant),
                step->launch.routine ? step->launch.routine : step->launch.kernel);
            hash = e2b_hash(hash, step->launch.global, sizeof step->launch.global);
            hash = e2b_hash(hash, step->launch.local, sizeof step->launch.local);
        }
    }
    return hash;
}

void e2b_profile_path(
    const char *folder, uint64_t key, const char *extension, char *out, size_t capacity) {
    out[0] = '\0';
    if (folder && folder[0]
        && snprintf(out, capacity, "%s/%016" PRIx64 ".%s", folder, key, extension)
            >= (int)capacity)
        out[0] = '\0';
}

void e2b_profile_write(
    const struct e2b_profile *profile, int size_count, uint64_t key, struct e2b_text *out) {
    size_t start = out->len;
    e2b_text_add(out, "e2bird-profile 1 %016" PRIx64 "\n", key);
    e2b_text_add(out, "device %" PRId64 " %" PRId64 " %d %.6f\n", profile->launch_ns,
        profile->reply_ns, profile->compositions, profile->mean_error);
    for (int i = 0; i < size_count; i++)
        e2b_text_add(out, "size %" PRId64 " %.6f\n", profile->solo_ns[i], profile->demand[i]);
    if (!out->failed)
        e2b_text_add(out, "end %016" PRIx64 "\n",
            e2b_hash(E2B_HASH_START, out->data + start, out->len - start));
}

static bool is_sane(const struct e2b_profile *profile, int size_count) {
    for (int i = 0; i < size_count; i++)
        if (profile->solo_ns[i] < 1 || !(profile->demand[i] >= 0)
            || profile->demand[i] > MOST_DEMAND)
            return false;
    return profile->launch_ns >= 0 && profile->reply_ns >= 0 && profile->compositions >= 0;
}

bool e2b_profile_read(
    const char *text, size_t bytes, int size_count, uint64_t key, struct e2b_profile *out) {
    struct e2b_profile profile = {0};
    uint64_t found = 0, sum = 0;
    char copy[4096];
    int used = 0, at = 0;
    if (bytes >= sizeof copy)
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    if (sscanf(copy, "e2bird-profile 1 %16" SCNx64 "\ndevice %" SCNd64 " %" SCNd64 " %d %lf\n%n",
            &found, &profile.launch_ns, &profile.reply_ns, &profile.compositions,
            &profile.mean_error, &used)
            != 5
        || found != key || used == 0)
        return false;
    for (int i = 0; i < size_count; i++, used += at)
        if (at = 0,
            sscanf(copy + used, "size %" SCNd64 " %lf\n%n", &profile.solo_ns[i], &profile.demand[i],
                &at) != 2
                || at == 0)
            return false;
    if (sscanf(copy + used, "end %16" SCNx64, &sum) != 1
        || sum != e2b_hash(E2B_HASH_START, copy, (size_t)used) || !is_sane(&profile, size_count))
        return false;
    *out = profile;
    return true;
}

static bool load(
    const char *path, const struct e2b_served *served, uint64_t key, struct e2b_profile *out) {
    struct e2b_file file = {0};
    struct e2b_error ignored = {0};
    if (e2b_file_map(path, &file, &ignored) != E2B_OK)
        return false;
    bool read = file.data
        && e2b_profile_read((const char *)file.data, file.bytes, served->size_count, key, out);
    e2b_file_unmap(&file);
    if (!read)
        e2b_log(E2B_LOG_WARN, "profiler", "%s is damaged, measuring again", path);
    return read;
}

/* Whether the device is as fast as it was, as far as two runs of each size tell: what was measured
 * beside other work would mislead for ever. */
static enum e2b_status check_again(
    struct e2b_served *served, const struct e2b_profile *profile, bool *holds, struct e2b_error *err) {
    *holds = true;
    for (int i = 0; i < served->size_count && *holds; i++) {
        const struct e2b_composition alone = {.count = 1, .size_index = {i}};
        int64_t took_ns[2], enqueue_ns;
        for (int run = 0; run < 2; run++)
            if (run_together(served, &alone, &took_ns[run], &enqueue_ns, err) != E2B_OK)
                return e2b_error_while(err, "timing batch size %d", served->sizes[i].size);
        double least_ns = (double)(took_ns[0] < took_ns[1] ? took_ns[0] : took_ns[1]);
        double ratio = least_ns / (double)profile->solo_ns[i];
        *holds = ratio < SAME && ratio > 1 / SAME;
    }
    if (!*holds)
        e2b_log(E2B_LOG_INFO, "profiler", "model %s: other durations than kept, measuring again",
            served->name);
    return E2B_OK;
}

static void save(const char *folder, const char *path, const struct e2b_served *served,
    uint64_t key, const struct e2b_profile *profile) {
    struct e2b_error err = {0};
    struct e2b_text text = {0};
    e2b_profile_write(profile, served->size_count, key, &text);
    if (text.failed)
        e2b_fail_memory(&err, "a profile");
    else if (e2b_file_make_folder(folder, &err) == E2B_OK)
        e2b_file_replace(path, text.data, text.len, &err);
    if (err.status != E2B_OK)
        e2b_log(E2B_LOG_WARN, "profiler", "durations are not kept: %s", err.text);
    e2b_text_finish(&text);
}

enum e2b_status e2b_served_profile(struct e2b_served *served, const char *folder, int64_t budget_ns,
    struct e2b_profile *out, struct e2b_error *err) {
    char path[4096];
    uint64_t key = e2b_profile_key(served);
    e2b_profile_path(folder, key, "profile", path, sizeof path);
    bool holds = false;
    if (path[0] && load(path, served, key, out)
        && check_again(served, out, &holds, err) != E2B_OK)
        return err->status;
    if (holds)
        return E2B_OK;
    if (run_profiler(served, budget_ns, out, err) != E2B_OK)
        return e2b_error_while(err, "profiling model \"%s\"", served->name);
    if (path[0])
        save(folder, path, served, key, out);
    return E2B_OK;
}
