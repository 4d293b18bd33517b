#include "tools/lab/matrix.h"

#include "runtime/base/file.h"
#include "runtime/base/text.h"
#include "runtime/engine/trace.h"
#include "tools/lab/random.h"
#include "tools/lab/results.h"
#include "tools/lab/tune.h"
#include "tools/lab/workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TUNING_SEED 1000003 /* beyond those of the repeats */
#define TRACE_EVENTS 200000

enum variant { PLAIN, TUNED, AGAIN, VARIANTS };
static const char *const variant_names[] = {"", "tuned", "again"};

struct cell {
    int contender, arrivals, load, repeat;
    enum variant variant;
};

/* One group of models being compared. */
struct comparison {
    const struct e2b_lab_matrix *matrix;
    const struct e2b_lab_group *group;
    struct e2b_lab_setup setup;
    struct e2b_lab_results *results;
    struct e2b_lab_contender *tuned; /* by contender, arrivals and load */
    struct cell *cells;
    int count;
};

static void name_model(char *out, size_t capacity, const char *file) {
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const char *end = strstr(name, ".onnx");
    snprintf(out, capacity, "%.*s", end ? (int)(end - name) : (int)strlen(name), name);
}

enum e2b_status e2b_lab_group_parse(
    const char *text, struct e2b_lab_group *out, struct e2b_error *err) {
    char copy[1024], *rest = NULL;
    memset(out, 0, sizeof *out);
    if (strlen(text) >= sizeof copy)
        return e2b_fail(err, E2B_INVALID, "a group of models is longer than %zu", sizeof copy - 1);
    strcpy(copy, text);
    for (char *file = strtok_r(copy, "+", &rest); file; file = strtok_r(NULL, "+", &rest)) {
        if (out->count == E2B_LAB_MAX_MODELS || strlen(file) >= sizeof out->files[0])
            return e2b_fail(err, E2B_INVALID, "models \"%.80s\": at most %d of at most %zu letters",
                text, E2B_LAB_MAX_MODELS, sizeof out->files[0] - 1);
        char name[sizeof out->files[0]];
        size_t used = strlen(out->name);
        name_model(name, sizeof name, file);
        snprintf(out->name + used, sizeof out->name - used, "%s%s", used ? "+" : "", name);
        strcpy(out->files[out->count++], file);
    }
    if (out->count == 0)
        return e2b_fail(err, E2B_INVALID, "\"%s\" names no model", text);
    return E2B_OK;
}

static int loads_of(const struct e2b_lab_matrix *matrix, int arrivals) {
    return matrix->arrivals[arrivals].kind == E2B_LAB_CLOSED ? 1 : matrix->load_count;
}

static double load_at(const struct e2b_lab_matrix *matrix, int arrivals, int load) {
    return matrix->arrivals[arrivals].kind == E2B_LAB_CLOSED ? 0 : matrix->loads[load];
}

static bool has_variant(const struct e2b_lab_matrix *matrix, int contender, enum variant variant) {
    bool tuned = matrix->tune_runs > 1 && matrix->rivals == 0;
    if (matrix->rivals >> contender & 1)
        return variant == TUNED;
    return variant == PLAIN || (variant == TUNED && tuned)
        || (variant == AGAIN && matrix->again && contender == 0);
}

static struct e2b_lab_contender *tuned_at(
    const struct comparison *comparison, int contender, int arrivals, int load) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    return &comparison
                ->tuned[(contender * matrix->arrivals_count + arrivals) * E2B_LAB_MOST + load];
}

static const struct e2b_lab_contender *contender_of(
    const struct comparison *comparison, const struct cell *cell) {
    return cell->variant == TUNED
        ? tuned_at(comparison, cell->contender, cell->arrivals, cell->load)
        : &comparison->matrix->contenders[cell->contender];
}

static struct e2b_lab_label label_of(const struct comparison *comparison, const struct cell *cell) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    return (struct e2b_lab_label){
        .models = comparison->group->name,
        .arrivals = matrix->arrivals[cell->arrivals].name,
        .policy = matrix->contenders[cell->contender].name,
        .variant = variant_names[cell->variant],
        .options = contender_of(comparison, cell)->name,
        .load_percent = load_at(matrix, cell->arrivals, cell->load),
        .repeat = cell->repeat,
        .seed = matrix->seed + (uint64_t)cell->repeat,
    };
}

static void print_run(const struct e2b_lab_label *label, const struct e2b_lab_outcome *outcome) {
    printf("%-20s %-12s %4g %%  %-28s %-6s p50 %8.2f  p99 %8.2f ms  good %8.1f/s  missed %5.2f %%  "
           "batch %.1f\n",
        label->models, label->arrivals, label->load_percent, label->policy, label->variant,
        (double)outcome->all.latency.p50_ns / 1e6, (double)outcome->all.latency.p99_ns / 1e6,
        outcome->goodput_per_s, 100 * outcome->violations, outcome->mean_batch);
    fflush(stdout);
}

static bool is_traced(const struct comparison *comparison, const struct cell *cell) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    return matrix->trace && cell->variant == PLAIN && cell->repeat == 0 && cell->arrivals == 0
        && cell->load == loads_of(matrix, 0) - 1;
}

/* The rig lets go of the trace before it is closed. */
static enum e2b_status probe_traced(struct comparison *comparison, const struct cell *cell,
    const struct e2b_lab_label *label, struct e2b_lab_outcome *out, struct e2b_error *err) {
    const struct e2b_lab_contender *contender = contender_of(comparison, cell);
    const struct e2b_lab_arrivals *arrivals = &comparison->matrix->arrivals[cell->arrivals];
    struct e2b_lab_setup *setup = &comparison->setup;
    struct e2b_trace *trace = NULL;
    char path[4096];
    snprintf(path, sizeof path, "%s/trace_%d.json", comparison->matrix->folder,
        e2b_lab_results_count(comparison->results));
    if (is_traced(comparison, cell) && e2b_trace_create(path, TRACE_EVENTS, &trace, err) != E2B_OK)
        return err->status;
    setup->rig.spec.trace = trace;
    e2b_lab_probe(setup, contender, arrivals, label->load_percent, label->seed, out, err);
    setup->rig.spec.trace = NULL;
    if (trace && err->status == E2B_OK)
        e2b_lab_rig_use(&setup->rig, contender, err);
    if (trace && err->status != E2B_OK)
        e2b_lab_rig_finish(&setup->rig);
    e2b_trace_close(trace, err);
    return err->status;
}

static enum e2b_status run_cell(
    struct comparison *comparison, const struct cell *cell, struct e2b_error *err) {
    struct e2b_lab_label label = label_of(comparison, cell);
    struct e2b_lab_outcome outcome;
    if (probe_traced(comparison, cell, &label, &outcome, err) != E2B_OK)
        return err->status;
    e2b_lab_results_add(comparison->results, &label, &outcome);
    for (int i = 0; i < comparison->setup.rig.model_count; i++)
        e2b_lab_results_add_model(comparison->results, comparison->setup.rig.models[i].name,
            comparison->setup.rig.models[i].target_ns, &outcome.models[i]);
    print_run(&label, &outcome);
    if (outcome.all.wrong > 0)
        return e2b_fail(err, E2B_DEVICE, "%s with %s: %d of %d answers are wrong", label.models,
            label.options, outcome.all.wrong, outcome.all.sent);
    return E2B_OK;
}

/* What could be had of a cell's arrivals, whatever the policy. */
static enum e2b_status find_bound(
    struct comparison *comparison, const struct cell *cell, struct e2b_error *err) {
    const struct e2b_lab_arrivals *arrivals = &comparison->matrix->arrivals[cell->arrivals];
    struct e2b_lab_label label = label_of(comparison, cell);
    struct e2b_lab_bound bound;
    label.policy = label.options = "";
    if (!comparison->matrix->bound || !e2b_lab_has_bound(&comparison->setup, arrivals))
        return E2B_OK;
    if (e2b_lab_bound(&comparison->setup, arrivals, label.load_percent, label.seed, &bound, err)
        != E2B_OK)
        return err->status;
    e2b_lab_results_add_bound(comparison->results, &label, &bound);
    return E2B_OK;
}

static enum e2b_status find_peak(
    struct comparison *comparison, const struct cell *cell, struct e2b_error *err) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    const struct e2b_lab_arrivals *arrivals = &matrix->arrivals[cell->arrivals];
    struct e2b_lab_contender contender = matrix->contenders[cell->contender];
    struct e2b_lab_label label = label_of(comparison, cell);
    struct e2b_lab_outcome outcome;
    if (e2b_lab_peak(&comparison->setup, &contender, arrivals, label.seed, &label.load_percent,
            &outcome, err)
        != E2B_OK)
        return err->status;
    /* tuned a little above what it kept as it was */
    if (cell->variant == TUNED
        && (e2b_lab_tune(&comparison->setup, &matrix->contenders[cell->contender], arrivals,
                1.1 * label.load_percent + 1, matrix->seed + TUNING_SEED + (uint64_t)cell->repeat,
                matrix->tune_runs, &contender, err)
                != E2B_OK
            || e2b_lab_peak(&comparison->setup, &contender, arrivals, label.seed,
                   &label.load_percent, &outcome, err)
                != E2B_OK))
        return err->status;
    label.options = contender.name;
    e2b_lab_results_add_peak(comparison->results, &label, &outcome);
    printf("%-20s %-12s peak    %-28s %-6s %5.1f %% of capacity, %.1f/s\n", label.models,
        label.arrivals, label.policy, label.variant, label.load_percent, outcome.goodput_per_s);
    fflush(stdout);
    return E2B_OK;
}

static bool is_tuned_at(
    const struct e2b_lab_matrix *matrix, int contender, int arrivals, int load) {
    return load < loads_of(matrix, arrivals) && has_variant(matrix, contender, TUNED);
}

static enum e2b_status tune_at(struct comparison *comparison, struct e2b_lab_setup *setup,
    int contender, int arrivals, int load, struct e2b_error *err) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    return e2b_lab_tune(setup, &matrix->contenders[contender], &matrix->arrivals[arrivals],
        load_at(matrix, arrivals, load), matrix->seed + TUNING_SEED, matrix->tune_runs,
        tuned_at(comparison, contender, arrivals, load), err);
}

/* One point, numbered in mixed radix, in a process of its own. */
static enum e2b_status tune_piece(void *context, int number, struct e2b_error *err) {
    struct comparison *comparison = context;
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    int load = number % matrix->load_count, arrivals = number / matrix->load_count;
    int contender = arrivals / matrix->arrivals_count;
    arrivals %= matrix->arrivals_count;
    if (!is_tuned_at(matrix, contender, arrivals, load))
        return E2B_OK;
    char names[E2B_LAB_MAX_MODELS][E2B_LAB_NAME];
    struct e2b_lab_setup_spec spec = comparison->matrix->setup;
    struct e2b_lab_setup setup;
    spec.rig.table = comparison->matrix->tune_table;
    spec.rig.model_count = comparison->group->count;
    for (int i = 0; i < spec.rig.model_count; i++) {
        name_model(names[i], sizeof names[i], comparison->group->files[i]);
        spec.rig.models[i].file = names[i];
    }
    if (e2b_lab_setup_init(&setup, &spec, err) == E2B_OK)
        tune_at(comparison, &setup, contender, arrivals, load, err);
    e2b_lab_setup_finish(&setup);
    return err->status;
}

/* On a simulation, which costs none of the device's time; before that is open. */
static enum e2b_status tune_simulated(struct comparison *comparison, struct e2b_error *err) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    int points = matrix->contender_count * matrix->arrivals_count * matrix->load_count;
    return e2b_lab_workers_run(points, tune_piece, comparison, err);
}

static enum e2b_status tune_on_device(struct comparison *comparison, struct e2b_error *err) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    for (int contender = 0; contender < matrix->contender_count; contender++)
        for (int arrivals = 0; arrivals < matrix->arrivals_count; arrivals++)
            for (int load = 0; load < matrix->load_count; load++)
                if (is_tuned_at(matrix, contender, arrivals, load)
                    && tune_at(comparison, &comparison->setup, contender, arrivals, load, err)
                        != E2B_OK)
                    return err->status;
    return E2B_OK;
}

/* Every cell, of loads or of peaks, in random order. */
static void list_cells(struct comparison *comparison, bool peaks) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    struct e2b_lab_random random = e2b_lab_random_make(matrix->seed, "order");
    comparison->count = 0;
    for (int contender = 0; contender < matrix->contender_count; contender++)
        for (int variant = PLAIN; variant < VARIANTS; variant++)
            for (int arrivals = 0; arrivals < matrix->arrivals_count; arrivals++)
                for (int repeat = 0; repeat < matrix->repeats; repeat++) {
                    bool closed = matrix->arrivals[arrivals].kind == E2B_LAB_CLOSED;
                    int loads = peaks ? !closed : loads_of(matrix, arrivals);
                    for (int load = 0;
                         has_variant(matrix, contender, (enum variant)variant) && load < loads;
                         load++)
                        comparison->cells[comparison->count++] =
                            (struct cell){contender, arrivals, load, repeat, (enum variant)variant};
                }
    for (int i = comparison->count - 1; i > 0; i--) {
        int other = e2b_lab_random_below(&random, i + 1);
        struct cell cell = comparison->cells[i];
        comparison->cells[i] = comparison->cells[other];
        comparison->cells[other] = cell;
    }
}

static size_t point_count(const struct e2b_lab_matrix *matrix) {
    return (size_t)(matrix->contender_count * matrix->arrivals_count) * E2B_LAB_MOST;
}

static enum e2b_status compare(struct comparison *comparison, struct e2b_error *err) {
    const struct e2b_lab_matrix *matrix = comparison->matrix;
    size_t runs = point_count(matrix) * VARIANTS * (size_t)matrix->repeats;
    comparison->cells = calloc(runs, sizeof *comparison->cells);
    if (!comparison->cells)
        return e2b_fail_memory(err, "a comparison");
    if (matrix->tune_runs > 1 && !matrix->tune_table && tune_on_device(comparison, err) != E2B_OK)
        return err->status;
    list_cells(comparison, false);
    for (int i = 0; i < comparison->count && err->status == E2B_OK; i++) {
        const struct cell *cell = &comparison->cells[i];
        if (run_cell(comparison, cell, err) == E2B_OK && cell->contender == 0
            && cell->variant == PLAIN)
            find_bound(comparison, cell, err);
    }
    list_cells(comparison, true);
    for (int i = 0; matrix->peak && i < comparison->count && err->status == E2B_OK; i++)
        find_peak(comparison, &comparison->cells[i], err);
    return err->status;
}

/* What was compared on what: a JSON object for each group. */
static void describe(const struct comparison *comparison, struct e2b_text *text) {
    const struct e2b_lab_setup *setup = &comparison->setup;
    e2b_text_add(text, "%s\n    {\"models\": ", text->len > 0 ? "," : "");
    e2b_lab_json_string(text, comparison->group->name);
    e2b_text_add(text, ", \"parts\": [");
    for (int i = 0; i < setup->rig.model_count; i++) {
        e2b_text_add(text, "%s{\"name\": ", i ? ", " : "");
        e2b_lab_json_string(text, setup->rig.models[i].name);
        e2b_text_add(text,
            ", \"capacity_per_s\": %.3f, \"largest_batch_ms\": %.6f, \"target_ms\": %.6f}",
            setup->capacity_per_s[i], setup->largest_ms[i],
            (double)setup->rig.models[i].target_ns / 1e6);
    }
    e2b_text_add(text, "], \"device\": ");
    e2b_lab_json_string(text, setup->rig.device->identity);
    e2b_text_add(text, "}");
}

static enum e2b_status write_record(
    const struct e2b_lab_matrix *matrix, const struct e2b_text *groups, struct e2b_error *err) {
    struct e2b_text text = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/lab.json", matrix->folder);
    e2b_text_add(&text, "{\"command\": ");
    e2b_lab_json_string(&text, matrix->command);
    e2b_text_add(&text,
        ",\n \"simulated\": %s, \"seconds\": %g, \"repeats\": %d, \"seed\": %llu, "
        "\"tune_runs\": %d, \"percentile\": %g, \"slots\": %d, \"instances\": %d,\n \"groups\": [",
        matrix->setup.rig.table ? "true" : "false", matrix->setup.seconds, matrix->repeats,
        (unsigned long long)matrix->seed, matrix->tune_runs, matrix->setup.rig.percentile,
        matrix->setup.rig.slots, matrix->setup.rig.instances);
    e2b_text_add(&text, "%s]}\n", groups->data ? groups->data : "");
    if (text.failed || groups->failed)
        e2b_fail_memory(err, "lab.json");
    else
        e2b_file_replace(path, text.data, text.len, err);
    e2b_text_finish(&text);
    return err->status;
}

static enum e2b_status run_group(const struct e2b_lab_matrix *matrix,
    const struct e2b_lab_group *group, struct e2b_lab_results *results, struct e2b_text *groups,
    struct e2b_error *err) {
    struct comparison comparison = {.matrix = matrix, .group = group, .results = results};
    struct e2b_lab_setup_spec spec = matrix->setup;
    spec.rig.model_count = group->count;
    for (int i = 0; i < group->count; i++)
        spec.rig.models[i].file = group->files[i];
    size_t bytes = point_count(matrix) * sizeof *comparison.tuned;
    comparison.tuned = e2b_lab_shared_create(bytes);
    if (!comparison.tuned)
        return e2b_fail_memory(err, "a comparison");
    if (matrix->tune_runs > 1 && matrix->tune_table)
        tune_simulated(&comparison, err);
    if (err->status == E2B_OK && e2b_lab_setup_init(&comparison.setup, &spec, err) == E2B_OK) {
        for (int i = 0; i < group->count; i++)
            printf("%s: %.1f/s at saturation, batches of %.2f ms there, target %.2f ms\n",
                comparison.setup.rig.models[i].name, comparison.setup.capacity_per_s[i],
                comparison.setup.largest_ms[i],
                (double)comparison.setup.rig.models[i].target_ns / 1e6);
        describe(&comparison, groups);
        if (write_record(matrix, groups, err) == E2B_OK)
            compare(&comparison, err);
    }
    e2b_lab_setup_finish(&comparison.setup);
    e2b_lab_shared_destroy(comparison.tuned, bytes);
    free(comparison.cells);
    return err->status;
}

enum e2b_status e2b_lab_matrix_run(const struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    struct e2b_lab_results *results = NULL;
    struct e2b_text groups = {0};
    if (e2b_lab_results_create(matrix->folder, &results, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < matrix->group_count && err->status == E2B_OK; i++)
        run_group(matrix, &matrix->groups[i], results, &groups, err);
    e2b_lab_results_close(results, err);
    e2b_text_finish(&groups);
    return err->status;
}
