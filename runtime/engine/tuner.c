#include "runtime/engine/tuner.h"

#include "runtime/base/log.h"
#include "runtime/base/thread.h"
#include "runtime/engine/trial.h"
#include "runtime/engine/variant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_GAIN 0.02
#define TOLERANCE_F32 1e-4
#define TOLERANCE_F16 5e-3
#define HOPELESS 1.5      /* times the best: not worth more runs */
#define PROGRAMS_A_CORE 1 /* built at once, before the layers that they are for are measured */

struct option {
    struct e2b_choice choice;
    uint64_t fingerprint, identity; /* identity: with arguments, to tell equal ones */
    int64_t time_ns;                /* INT64_MAX: did not run */
};

/* A distinct call. */
struct task {
    const struct e2b_graph *graph;
    int node;
    char *key;
    struct option *options; /* the first is the default */
    int option_count, option_capacity;
    double cost; /* of all its uses: operations, then, once measured, ns */
    int64_t default_ns;
    struct e2b_tuner_row row;
};

struct tuner {
    struct e2b_device *device;
    struct e2b_tuning *tuning;
    const char *path;
    const struct e2b_tuner_options *options;
    struct e2b_programs *programs;
    struct task *tasks;
    int task_count, task_capacity, to_do;
    int64_t start_ns;
    bool save_failed;
};

static int64_t spent_ns(const struct tuner *tuner) {
    return tuner->device->ops->now_ns(tuner->device) - tuner->start_ns;
}

static bool is_over(const struct tuner *tuner) {
    return spent_ns(tuner) >= tuner->options->budget_ns;
}

/* Launches that differ in an argument only are different too. */
static uint64_t identity_of(const struct e2b_launch_list *list) {
    uint64_t hash = e2b_tuning_fingerprint(list);
    for (int i = 0; i < list->launch_count; i++)
        for (int a = 0; a < list->launches[i].arg_count; a++) {
            const struct e2b_arg *arg = &list->launches[i].args[a];
            const int32_t words[2] = {(int32_t)arg->kind, arg->i};
            hash = e2b_hash(hash, words, sizeof words);
        }
    for (int i = 0; i < list->packing_count; i++)
        hash = e2b_hash(hash, list->packings[i].key, strlen(list->packings[i].key));
    return hash;
}

static bool has_option(const struct task *task, uint64_t identity) {
    for (int i = 0; i < task->option_count; i++)
        if (task->options[i].identity == identity)
            return true;
    return false;
}

static enum e2b_status add_option(
    struct task *task, const struct option *option, struct e2b_error *err) {
    if (task->option_count == task->option_capacity) {
        int capacity = task->option_capacity ? 2 * task->option_capacity : 8;
        struct option *options = realloc(task->options, (size_t)capacity * sizeof *options);
        if (!options)
            return e2b_fail_memory(err, "the tuner");
        task->options = options;
        task->option_capacity = capacity;
    }
    task->options[task->option_count++] = *option;
    return E2B_OK;
}

static enum e2b_status add_candidate(struct task *task, const struct e2b_variant *variant,
    struct e2b_call *call, int candidate, struct e2b_error *err) {
    struct e2b_launch_list list = {0};
    struct e2b_error refused = {0};
    call->candidate = candidate;
    if (variant->emit(call, &list, &refused) == E2B_OK) {
        const struct option option = {
            .choice = {variant->name, candidate},
            .fingerprint = e2b_tuning_fingerprint(&list),
            .identity = identity_of(&list),
            .time_ns = INT64_MAX,
        };
        if (list.launch_count > 0 && !has_option(task, option.identity))
            add_option(task, &option, err);
    }
    e2b_launch_list_finish(&list);
    return err->status;
}

static enum e2b_status list_options(
    struct task *task, struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_variant *variants = call->op->variants;
    for (int yields = 0; yields < 2; yields++)
        for (const struct e2b_variant *v = variants; v && v->name; v++) {
            char reason[128];
            int count = e2b_variant_candidates(v, call, reason, sizeof reason);
            if (count > 0 && e2b_variant_yields(v, call) != yields)
                continue;
            for (int i = 0; i < count; i++)
                if (add_candidate(task, v, call, i, err) != E2B_OK)
                    return err->status;
        }
    return E2B_OK;
}

static char *row_name(const struct e2b_call *call) {
    struct e2b_text text = {0};
    char shape[128];
    e2b_text_add(&text, "%s", call->op->name);
    for (int i = 0; i < call->input_count && i < 2; i++)
        if (call->inputs[i].present)
            e2b_text_add(
                &text, " %s", e2b_shape_print(&call->inputs[i].tensor.shape, shape, sizeof shape));
    e2b_text_add(
        &text, " -> %s", e2b_shape_print(&call->outputs[0].tensor.shape, shape, sizeof shape));
    return text.data;
}

static double operations(const struct e2b_call *call) {
    return call->op->flops ? call->op->flops(call)
                           : (double)e2b_shape_count(&call->outputs[0].tensor.shape);
}

static void task_finish(struct task *task) {
    free(task->key);
    free(task->options);
    free(task->row.name);
}

/* A node whose call is new and has a choice becomes a task. */
static enum e2b_status add_task(struct tuner *tuner, const struct e2b_graph *graph, int node,
    struct e2b_call *call, const char *key, struct e2b_error *err) {
    if (tuner->task_count == tuner->task_capacity) {
        int capacity = tuner->task_capacity ? 2 * tuner->task_capacity : 64;
        struct task *tasks = realloc(tuner->tasks, (size_t)capacity * sizeof *tasks);
        if (!tasks)
            return e2b_fail_memory(err, "the tuner");
        tuner->tasks = tasks;
        tuner->task_capacity = capacity;
    }
    struct task task = {.graph = graph, .node = node, .cost = operations(call)};
    const struct e2b_tuned *known = e2b_tuning_find(tuner->tuning, key);
    if (list_options(&task, call, err) == E2B_OK && task.option_count > 1) {
        task.key = strdup(key);
        task.row = (struct e2b_tuner_row){.name = row_name(call),
            .batch = graph->batch,
            .count = 1,
            .state = known ? E2B_TUNER_KNOWN : E2B_TUNER_LEFT,
            .choice_count = task.option_count};
        if (known)
            task.row.tuned = *known;
        snprintf(task.row.default_variant, sizeof task.row.default_variant, "%s",
            task.options[0].choice.variant);
        if (!task.key || !task.row.name)
            e2b_fail_memory(err, "the tuner");
    }
    if (err->status == E2B_OK && task.key)
        tuner->tasks[tuner->task_count++] = task;
    else
        task_finish(&task);
    return err->status;
}

static struct task *find_task(struct tuner *tuner, const char *key) {
    for (int i = 0; i < tuner->task_count; i++)
        if (!strcmp(tuner->tasks[i].key, key))
            return &tuner->tasks[i];
    return NULL;
}

static enum e2b_status collect_node(
    struct tuner *tuner, const struct e2b_graph *graph, int node, struct e2b_error *err) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    const struct e2b_variant_request request = {
        .graph = graph, .node = node, .traits = &tuner->device->traits};
    if (graph->nodes[node].op->layout == E2B_LAYOUT_VIEW)
        return E2B_OK;
    e2b_variant_call(&request, inputs, outputs, &call);
    struct e2b_text key = {0};
    e2b_tuning_key(&call, &key);
    struct task *same = key.failed ? NULL : find_task(tuner, key.data);
    if (key.failed)
        e2b_fail_memory(err, "the tuner");
    else if (!same)
        add_task(tuner, graph, node, &call, key.data, err);
    else
        same->row.count++;
    e2b_text_finish(&key);
    return err->status;
}

static bool is_due(const struct tuner *tuner, const struct task *task) {
    return task->row.state == E2B_TUNER_LEFT
        || (task->row.state == E2B_TUNER_KNOWN && tuner->options->again);
}

/* What is to be done comes first, and of that what costs most. */
static int compare_tasks(const void *a, const void *b) {
    const struct task *x = a, *y = b;
    bool x_done = x->row.state != E2B_TUNER_LEFT, y_done = y->row.state != E2B_TUNER_LEFT;
    if (x_done != y_done)
        return x_done - y_done;
    return (x->cost < y->cost) - (x->cost > y->cost);
}

static void sort_tasks(struct tuner *tuner) {
    qsort(tuner->tasks, (size_t)tuner->task_count, sizeof *tuner->tasks, compare_tasks);
}

static enum e2b_status collect(struct tuner *tuner, const struct e2b_graph *const *graphs,
    int graph_count, struct e2b_error *err) {
    for (int g = 0; g < graph_count; g++)
        for (int i = 0; i < graphs[g]->node_count; i++)
            if (collect_node(tuner, graphs[g], i, err) != E2B_OK)
                return err->status;
    for (int i = 0; i < tuner->task_count; i++) {
        struct task *task = &tuner->tasks[i];
        task->cost *= task->row.count;
        if (is_due(tuner, task)) {
            task->row.state = E2B_TUNER_LEFT;
            tuner->to_do++;
        }
    }
    sort_tasks(tuner);
    return E2B_OK;
}

static enum e2b_status want_option(struct tuner *tuner, const struct task *task,
    const struct option *option, struct e2b_error *err) {
    char force[96];
    const char *variant;
    struct e2b_launch_list list = {0};
    snprintf(force, sizeof force, "%s.%s", task->graph->nodes[task->node].op->name,
        option->choice.variant);
    const struct e2b_variant_request request = {.graph = task->graph,
        .node = task->node,
        .traits = &tuner->device->traits,
        .force = force,
        .candidate = option->choice.candidate};
    e2b_variant_emit(&request, &list, &variant, err);
    for (int i = 0; i < list.launch_count && err->status == E2B_OK; i++)
        if (!list.launches[i].routine
            && e2b_programs_want(tuner->programs, list.launches[i].source, list.launches[i].options)
                < 0)
            e2b_fail_memory(err, "the tuner");
    e2b_launch_list_finish(&list);
    return err->status;
}

static void show_progress(const struct tuner *tuner, const char *what, int done, const char *name) {
    if (!tuner->options->quiet && tuner->to_do > 0)
        e2b_progress(what, done, tuner->to_do, name);
}

static enum e2b_status measure_default(
    struct tuner *tuner, struct task *task, struct e2b_error *err) {
    struct e2b_trial *trial = NULL;
    if (e2b_trial_create(tuner->device, task->graph, task->node, tuner->programs, &trial, err)
        == E2B_OK)
        e2b_trial_time(trial, &task->options[0].choice, 1, INT64_MAX, &task->default_ns, err);
    e2b_trial_destroy(trial);
    return err->status;
}

static void fail_task(struct task *task, const struct e2b_error *err) {
    task->row.state = E2B_TUNER_FAILED;
    e2b_log(E2B_LOG_WARN, "tuning", "%s: left as it is: %s", task->row.name, err->text);
}

/* Time the defaults, so that the most expensive calls are tuned first. */
static enum e2b_status rank(struct tuner *tuner, struct e2b_error *err) {
    for (int i = 0; i < tuner->to_do; i++)
        if (want_option(tuner, &tuner->tasks[i], &tuner->tasks[i].options[0], err) != E2B_OK)
            return err->status;
    e2b_programs_build_each(tuner->programs, tuner->options->quiet);
    for (int i = 0; i < tuner->to_do && !is_over(tuner); i++) {
        struct task *task = &tuner->tasks[i];
        struct e2b_error failed = {0};
        show_progress(tuner, "timing layers", i, task->row.name);
        if (measure_default(tuner, task, &failed) != E2B_OK)
            fail_task(task, &failed);
        task->cost = (double)task->default_ns * task->row.count;
    }
    show_progress(tuner, "timing layers", tuner->to_do, "");
    sort_tasks(tuner);
    return E2B_OK;
}

static void time_options(struct e2b_trial *trial, struct task *task) {
    int64_t best_ns = task->default_ns;
    for (int i = 1; i < task->option_count; i++) {
        struct option *option = &task->options[i];
        struct e2b_error failed = {0};
        int64_t time_ns = 0;
        if (e2b_trial_time(
                trial, &option->choice, 1, (int64_t)(HOPELESS * (double)best_ns), &time_ns, &failed)
            != E2B_OK) {
            task->row.failed_count++;
            e2b_log(E2B_LOG_DEBUG, "tuning", "%s: %s, candidate %d: %s", task->row.name,
                option->choice.variant, option->choice.candidate, failed.text);
            continue;
        }
        option->time_ns = time_ns;
        best_ns = time_ns < best_ns ? time_ns : best_ns;
    }
}

static struct option *fastest(const struct task *task) {
    struct option *best = NULL;
    for (int i = 1; i < task->option_count; i++)
        if (!best || task->options[i].time_ns < best->time_ns)
            best = &task->options[i];
    return best;
}

static bool is_gain(int64_t time_ns, int64_t default_ns) {
    return (double)time_ns < (1 - MIN_GAIN) * (double)default_ns;
}

/* Whether the option gives the default's numbers and is still faster than it, side by side. */
static bool confirm(struct e2b_trial *trial, struct task *task, const struct option *option,
    struct e2b_tuned *tuned) {
    const struct e2b_choice both[2] = {task->options[0].choice, option->choice};
    double tolerance = task->graph->precision == E2B_F16 ? TOLERANCE_F16 : TOLERANCE_F32;
    double error = 0;
    int64_t times_ns[2];
    struct e2b_error failed = {0};
    if (e2b_trial_check(trial, &option->choice, &error, &failed) != E2B_OK
        || e2b_trial_time(trial, both, 2, INT64_MAX, times_ns, &failed) != E2B_OK) {
        task->row.failed_count++;
        return false;
    }
    if (!(error <= tolerance)) {
        task->row.wrong_count++;
        e2b_log(E2B_LOG_WARN, "tuning",
            "%s: %s, candidate %d, gives wrong numbers on this device (error %.2g, at most %.2g)",
            task->row.name, option->choice.variant, option->choice.candidate, error, tolerance);
        return false;
    }
    if (!is_gain(times_ns[1], times_ns[0]))
        return false;
    snprintf(tuned->variant, sizeof tuned->variant, "%s", option->choice.variant);
    tuned->candidate = option->choice.candidate;
    tuned->fingerprint = option->fingerprint;
    tuned->default_ns = times_ns[0];
    tuned->best_ns = times_ns[1];
    return true;
}

static enum e2b_status choose(
    struct e2b_trial *trial, struct task *task, struct e2b_tuned *tuned, struct e2b_error *err) {
    const struct option *standard = &task->options[0];
    snprintf(tuned->variant, sizeof tuned->variant, "%s", standard->choice.variant);
    tuned->candidate = standard->choice.candidate;
    tuned->fingerprint = standard->fingerprint;
    tuned->best_ns = tuned->default_ns = task->default_ns;
    struct option *best = fastest(task);
    if (!is_gain(best->time_ns, task->default_ns))
        return E2B_OK;
    if (e2b_trial_expect(trial, &standard->choice, err) != E2B_OK)
        return err->status;
    while (is_gain(best->time_ns, task->default_ns) && !confirm(trial, task, best, tuned)) {
        best->time_ns = INT64_MAX;
        best = fastest(task);
    }
    return E2B_OK;
}

static enum e2b_status tune_task(struct tuner *tuner, struct task *task, struct e2b_error *err) {
    struct e2b_trial *trial = NULL;
    struct e2b_error failed = {0};
    struct e2b_tuned tuned = {0};
    if (e2b_trial_create(tuner->device, task->graph, task->node, tuner->programs, &trial, &failed)
        == E2B_OK) {
        time_options(trial, task);
        choose(trial, task, &tuned, &failed);
    }
    e2b_trial_destroy(trial);
    if (failed.status != E2B_OK) {
        fail_task(task, &failed);
        return E2B_OK;
    }
    task->row.state = E2B_TUNER_TUNED;
    task->row.tuned = tuned;
    return e2b_tuning_put(tuner->tuning, task->key, &tuned, err);
}

static void save(struct tuner *tuner) {
    struct e2b_error err = {0};
    if (!tuner->path || !tuner->path[0] || tuner->save_failed)
        return;
    tuner->save_failed = e2b_tuning_save(tuner->tuning, tuner->path, &err) != E2B_OK;
    if (tuner->save_failed)
        e2b_log(E2B_LOG_WARN, "tuning", "results are lost at the end: %s", err.text);
}

/* Want the programs of tasks from `first` on until there is enough to build at once. Returns the
 * end of these tasks. */
static int want_some(struct tuner *tuner, int first, struct e2b_error *err) {
    int enough = e2b_programs_count(tuner->programs) + PROGRAMS_A_CORE * e2b_topology_get()->cores;
    int end = first;
    while (end < tuner->to_do && err->status == E2B_OK
        && (end == first || e2b_programs_count(tuner->programs) < enough)) {
        const struct task *task = &tuner->tasks[end++];
        for (int i = 0; i < task->option_count && task->row.state == E2B_TUNER_LEFT; i++)
            if (want_option(tuner, task, &task->options[i], err) != E2B_OK)
                break;
    }
    return end;
}

static enum e2b_status tune_all(struct tuner *tuner, struct e2b_error *err) {
    for (int first = 0, end; first < tuner->to_do && !is_over(tuner); first = end) {
        end = want_some(tuner, first, err);
        if (err->status != E2B_OK)
            return err->status;
        e2b_programs_build_each(tuner->programs, tuner->options->quiet);
        for (int i = first; i < end && (i == first || !is_over(tuner)); i++) {
            struct task *task = &tuner->tasks[i];
            show_progress(tuner, "tuning layers", i, task->row.name);
            if (task->row.state == E2B_TUNER_LEFT && task->default_ns > 0
                && tune_task(tuner, task, err) != E2B_OK)
                return err->status;
        }
        save(tuner);
    }
    show_progress(tuner, "tuning layers", tuner->to_do, "");
    return E2B_OK;
}

static enum e2b_status hand_over(
    struct tuner *tuner, struct e2b_tuner_report *report, struct e2b_error *err) {
    report->rows = calloc((size_t)tuner->task_count + 1, sizeof *report->rows);
    if (!report->rows)
        return e2b_fail_memory(err, "the tuner's report");
    for (int i = 0; i < tuner->task_count; i++) {
        report->rows[i] = tuner->tasks[i].row;
        tuner->tasks[i].row.name = NULL;
    }
    report->row_count = tuner->task_count;
    report->spent_ns = spent_ns(tuner);
    return E2B_OK;
}

void e2b_tuner_report_finish(struct e2b_tuner_report *report) {
    for (int i = 0; i < report->row_count; i++)
        free(report->rows[i].name);
    free(report->rows);
    memset(report, 0, sizeof *report);
}

enum e2b_status e2b_tune(struct e2b_device *device, const struct e2b_graph *const *graphs,
    int graph_count, struct e2b_tuning *tuning, const char *path,
    const struct e2b_tuner_options *options, struct e2b_tuner_report *report,
    struct e2b_error *err) {
    struct tuner tuner = {.device = device,
        .tuning = tuning,
        .path = path,
        .options = options,
        .start_ns = device->ops->now_ns(device)};
    if (e2b_programs_create(device, &tuner.programs, err) == E2B_OK
        && collect(&tuner, graphs, graph_count, err) == E2B_OK && rank(&tuner, err) == E2B_OK)
        tune_all(&tuner, err);
    if (err->status == E2B_OK && report)
        hand_over(&tuner, report, err);
    for (int i = 0; i < tuner.task_count; i++)
        task_finish(&tuner.tasks[i]);
    free(tuner.tasks);
    e2b_programs_destroy(tuner.programs);
    return err->status;
}
