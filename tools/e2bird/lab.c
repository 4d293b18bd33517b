#include "tools/e2bird/command.h"

#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/lab_measure.h"
#include "tools/e2bird/session.h"
#include "tools/lab/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab_args {
    struct arg_list models, policies, rivals, arrivals;
    const char *table, *tune_table, *device, *precision, *target, *folder, *loads, *measure;
    struct arg_ints sizes;
    double seconds, copy_host_us, gather_host_us, stalls, beside_us;
    int repeats, seed, instances, slots, tune_runs, percentile;
    bool peak, bound, again, deadlines, trace;
};

static enum e2b_status take_number(const char *option, const char *text, double low, double high,
    double *out, struct e2b_error *err) {
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= low) || !(*out <= high))
        return e2b_fail(
            err, E2B_INVALID, "%s: \"%s\" is not a number in %g..%g", option, text, low, high);
    return E2B_OK;
}

/* "50ms" or "3x" */
static enum e2b_status take_target(
    const char *text, struct e2b_lab_setup_spec *out, struct e2b_error *err) {
    char *end;
    double value = strtod(text, &end);
    bool absolute = !strcmp(end, "ms"), relative = !strcmp(end, "x");
    if (end == text || (!absolute && !relative) || !(value > 0) || value > 1e6)
        return e2b_fail(err, E2B_INVALID,
            "--target: \"%s\" is neither a time as 50ms nor a multiple as 3x", text);
    out->target_ms = absolute ? value : 0;
    out->target_factor = relative ? value : 0;
    return E2B_OK;
}

static enum e2b_status take_loads(
    const char *text, struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    char copy[512], *rest = NULL;
    if (strlen(text) >= sizeof copy)
        return e2b_fail(err, E2B_INVALID, "--loads is longer than %zu", sizeof copy - 1);
    strcpy(copy, text);
    for (char *part = strtok_r(copy, ",", &rest); part; part = strtok_r(NULL, ",", &rest)) {
        if (matrix->load_count == E2B_LAB_MOST)
            return e2b_fail(err, E2B_INVALID, "--loads: at most %d", E2B_LAB_MOST);
        if (take_number("--loads", part, 0.1, 1000, &matrix->loads[matrix->load_count++], err)
            != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status take_policies(
    const struct arg_list *given, struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    const struct e2b_policy_ops *const *all = e2b_policy_all();
    for (int i = 0; given->count ? i < given->count : all[i] != NULL; i++) {
        const char *text = given->count ? given->items[i] : all[i]->name;
        if (e2b_lab_contender_parse(text, &matrix->contenders[matrix->contender_count++], err)
            != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status take_rivals(
    const struct arg_list *given, struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    if (given->count > 0 && matrix->tune_runs < 2)
        return e2b_fail(err, E2B_INVALID, "--rival is a policy to be tuned: add --tune N");
    if (matrix->contender_count + given->count > E2B_LAB_MOST)
        return e2b_fail(err, E2B_INVALID, "at most %d policies", E2B_LAB_MOST);
    for (int i = 0; i < given->count; i++) {
        matrix->rivals |= UINT64_C(1) << matrix->contender_count;
        if (e2b_lab_contender_parse(
                given->items[i], &matrix->contenders[matrix->contender_count++], err)
            != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status take_arrivals(
    const struct arg_list *given, struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    for (int i = 0; i < (given->count ? given->count : 1); i++) {
        struct e2b_lab_arrivals *arrivals = &matrix->arrivals[i];
        if (e2b_lab_arrivals_init(arrivals, given->count ? given->items[i] : "poisson", err)
            != E2B_OK)
            return err->status;
        matrix->arrivals_count++;
        if (arrivals->kind == E2B_LAB_CLOSED && arrivals->clients > matrix->setup.rig.slots)
            return e2b_fail(err, E2B_INVALID, "--arrivals %s: more clients than --slots %d",
                arrivals->name, matrix->setup.rig.slots);
    }
    return E2B_OK;
}

static enum e2b_status take_models(const struct arg_list *given, const struct e2b_lab_table *table,
    struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    if (given->count == 0 && !table)
        return e2b_fail(err, E2B_INVALID, "name a model: --model FILE.onnx, or --sim TABLE");
    for (int i = 0; i < (given->count ? given->count : table->count); i++)
        if (e2b_lab_group_parse(given->count ? given->items[i] : table->models[i].name,
                &matrix->groups[matrix->group_count++], err)
            != E2B_OK)
            return err->status;
    return E2B_OK;
}

static void take_host(const struct lab_args *args, struct e2b_lab_table *table) {
    table->copy_host_ns = (int64_t)(1000 * args->copy_host_us);
    table->gather_host_ns = (int64_t)(1000 * args->gather_host_us);
    table->stall_share = args->stalls / 100;
    table->beside_ns = (int64_t)(1000 * args->beside_us);
}

static enum e2b_status take_args(const struct lab_args *args, struct e2b_lab_table *table,
    struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    struct e2b_lab_setup_spec *setup = &matrix->setup;
    setup->deadlines = args->deadlines;
    setup->rig.device = args->device;
    setup->rig.instances = args->instances;
    setup->rig.slots = args->slots;
    setup->rig.percentile = args->percentile / 100.0;
    static const int usual_sizes[] = {1, 2, 4, 8, 16, 32};
    bool given = args->sizes.count > 0;
    int sizes = given ? args->sizes.count : args->table ? 0 : 6;
    for (int i = 0; i < sizes && i < E2B_SCHED_MAX_SIZES; i++)
        setup->rig.sizes[setup->rig.size_count++] = given ? args->sizes.items[i] : usual_sizes[i];
    if (args->table && e2b_lab_table_read(args->table, table, err) != E2B_OK)
        return err->status;
    take_host(args, table);
    setup->rig.table = args->table ? table : NULL;
    setup->seconds = args->seconds;
    matrix->repeats = args->repeats;
    matrix->seed = (uint64_t)args->seed;
    matrix->tune_runs = args->tune_runs;
    matrix->peak = args->peak;
    matrix->bound = args->bound;
    matrix->again = args->again;
    matrix->trace = args->trace;
    matrix->folder = args->folder;
    if (session_precision(args->precision, &setup->rig.precision, err) != E2B_OK
        || take_target(args->target, setup, err) != E2B_OK
        || take_loads(args->loads, matrix, err) != E2B_OK
        || take_policies(&args->policies, matrix, err) != E2B_OK
        || take_rivals(&args->rivals, matrix, err) != E2B_OK
        || take_arrivals(&args->arrivals, matrix, err) != E2B_OK)
        return err->status;
    return take_models(&args->models, setup->rig.table, matrix, err);
}

static enum e2b_status measure(const struct lab_args *args, const struct e2b_lab_matrix *matrix,
    struct e2b_lab_table *table, struct e2b_error *err) {
    const struct e2b_lab_rig_spec *rig = &matrix->setup.rig;
    char identity[256] = "";
    if (args->table)
        return e2b_fail(err, E2B_INVALID, "--measure needs a device, not a table: leave --sim out");
    for (int i = 0; i < matrix->group_count; i++) {
        const struct e2b_lab_group *group = &matrix->groups[i];
        const struct lab_measure_options options = {
            group->files[0], rig->device, group->name, rig->sizes, rig->size_count, rig->precision};
        if (group->count > 1)
            return e2b_fail(
                err, E2B_INVALID, "--measure takes models one by one, not %s", group->name);
        if (lab_measure(&options, table, identity, sizeof identity, err) != E2B_OK)
            return err->status;
    }
    return e2b_lab_table_write(args->measure, table, identity, err);
}

/* A simulation is tuned on itself. */
static enum e2b_status take_tune_table(const struct lab_args *args, struct e2b_lab_table *table,
    struct e2b_lab_matrix *matrix, struct e2b_error *err) {
    if (args->tune_table && (!args->tune_runs || args->table))
        return e2b_fail(err, E2B_INVALID, "--tune-sim is for --tune on a device, without --sim");
    if (args->table || args->tune_table)
        matrix->tune_table = table;
    if (args->tune_table && e2b_lab_table_read(args->tune_table, table, err) != E2B_OK)
        return err->status;
    take_host(args, table);
    return E2B_OK;
}

static void run_lab(const struct lab_args *args, int argc, char **argv, struct e2b_error *err) {
    struct e2b_lab_matrix *matrix = calloc(1, sizeof *matrix);
    struct e2b_lab_table *table = calloc(1, sizeof *table);
    struct e2b_text command = {0};
    e2b_text_add(&command, "e2bird lab");
    for (int i = 0; i < argc; i++)
        e2b_text_add(&command, " %s", argv[i]);
    if (!matrix || !table || command.failed) {
        e2b_fail_memory(err, "a comparison");
    } else if (take_args(args, table, matrix, err) == E2B_OK
        && take_tune_table(args, table, matrix, err) == E2B_OK) {
        matrix->command = command.data;
        if (args->table
            || args->tune_table) /* devices are made anew for each run: too many lines */
            e2b_log_set_level(E2B_LOG_WARN);
        if (args->measure)
            measure(args, matrix, table, err);
        else
            e2b_lab_matrix_run(matrix, err);
    }
    for (int i = 0; matrix && i < matrix->arrivals_count; i++)
        e2b_lab_arrivals_finish(&matrix->arrivals[i]);
    free(matrix);
    free(table);
    e2b_text_finish(&command);
}

static int lab(int argc, char **argv) {
    struct lab_args given = {.device = "auto",
        .precision = "fp32",
        .target = "3x",
        .folder = "lab",
        .seconds = 5,
        .loads = "20,40,60,80,100",
        .repeats = 1,
        .seed = 1,
        .instances = 1,
        .slots = 256,
        .percentile = 99};
    const struct arg args[] = {
        {"--model", "FILE[+FILE]", "ONNX files served together, or names in the table of --sim",
            ARG_LIST, &given.models, 0, 0},
        {"--sim", "TABLE", "simulate the device that this table was measured on", ARG_TEXT,
            &given.table, 0, 0},
        {"--copy-host", "US", "of --sim: what a copy takes of the enqueueing thread (default 0)",
            ARG_NUMBER, &given.copy_host_us, 0, 1000},
        {"--gather-host", "US",
            "of --sim: what gathering a sample takes of it, for gather/ policies (default 0)",
            ARG_NUMBER, &given.gather_host_us, 0, 100000},
        {"--stalls", "P", "of --sim: percent of batches that take twice their time (default 0)",
            ARG_NUMBER, &given.stalls, 0, 100},
        {"--beside", "US", "of --sim: what a batch takes longer beside another one (default 0)",
            ARG_NUMBER, &given.beside_us, 0, 100000},
        {"--measure", "TABLE", "only measure the models and write such a table", ARG_TEXT,
            &given.measure, 0, 0},
        {"--policy", "NAME[:OPT=N,..]", "a policy with options (default: each as it comes)",
            ARG_LIST, &given.policies, 0, 0},
        {"--rival", "NAME[:OPT=N,..]", "a policy that runs only with its options tuned (--tune)",
            ARG_LIST, &given.rivals, 0, 0},
        {"--arrivals", "PROCESS",
            "poisson, gamma:CV, burst:ON_MS,OFF_MS, trace:FILE or closed:CLIENTS", ARG_LIST,
            &given.arrivals, 0, 0},
        {"--loads", "P,P,...", "percent of the capacity (default 20,40,60,80,100)", ARG_TEXT,
            &given.loads, 0, 0},
        {"--target", "TIME", "latency target: 50ms, or 3x the largest batch (default 3x)", ARG_TEXT,
            &given.target, 0, 0},
        {"--percentile", "P", "of requests that must keep it (default 99)", ARG_INT,
            &given.percentile, 1, 99},
        {"--deadlines", NULL, "tell the scheduler each request's deadline, the target", ARG_FLAG,
            &given.deadlines, 0, 0},
        {"--seconds", "S", "length of a run, after a tenth of it as warm-up (default 5)",
            ARG_NUMBER, &given.seconds, 0.01, 86400},
        {"--repeats", "N", "runs of each kind, with seeds of their own (default 1)", ARG_INT,
            &given.repeats, 1, 1000},
        {"--seed", "N", "the first of them (default 1)", ARG_INT, &given.seed, 0, 1000000},
        {"--tune", "N", "also each policy with the best of N points of its options' grid", ARG_INT,
            &given.tune_runs, 2, 1000000},
        {"--tune-sim", "TABLE", "tune on a simulation by this table, not on the device", ARG_TEXT,
            &given.tune_table, 0, 0},
        {"--peak", NULL, "also find the highest load that keeps the target", ARG_FLAG, &given.peak,
            0, 0},
        {"--bound", NULL, "also tell what could be had, were all arrivals known (--sim; slow)",
            ARG_FLAG, &given.bound, 0, 0},
        {"--again", NULL, "run the first policy twice: the difference is the noise", ARG_FLAG,
            &given.again, 0, 0},
        {"--trace", NULL, "write what the engine did at the last load, for Perfetto", ARG_FLAG,
            &given.trace, 0, 0},
        {"--sizes", "N,N,...", "batch sizes (default 1,2,4,8,16,32, or those of the table)",
            ARG_INTS, &given.sizes, 1, 65536},
        {"--instances", "N", "instances of each size (default 1)", ARG_INT, &given.instances, 1,
            64},
        {"--slots", "N", "slots of each model (default 256)", ARG_INT, &given.slots, 1, 1 << 20},
        {"--precision", "P", "fp32 or fp16 (default fp32)", ARG_TEXT, &given.precision, 0, 0},
        {"--device", "SELECT", "auto, gpu, cpu, an index or a part of a name (default auto)",
            ARG_TEXT, &given.device, 0, 0},
        {"--out", "FOLDER", "where the results go (default lab)", ARG_TEXT, &given.folder, 0, 0},
        {0}};
    const struct arg_table table = {"lab",
        "Compares scheduling policies in one process, without a network, on one set of weights "
        "and\n"
        "kernels: policies x models x arrival processes x loads, in random order. Send times are\n"
        "drawn before a run and latency counts from them, so that a slow server cannot slow its\n"
        "clients down. Every answer is compared with that of a batch of one.\n\n"
        "A load of 100 % is what the model answers at saturation when all that waits is taken at\n"
        "once. Options may be given several times: --model, --policy, --arrivals. Results are CSV\n"
        "and JSON files; tools/lab_report.py FOLDER makes a report with plots of them.",
        "  e2bird lab --model models/efficientnet_lite0.onnx --seconds 2 --loads 30,60,90\n"
        "  e2bird lab --model a.onnx --model a.onnx+b.onnx --arrivals poisson --arrivals gamma:4 "
        "\\\n"
        "      --policy elastic --policy tfserving:batch_timeout_micros=2000 --repeats 5 --again\n"
        "  e2bird lab --model a.onnx --model b.onnx --measure device.csv\n"
        "  e2bird lab --sim device.csv --target 50ms --tune 100 --peak --trace --out out\n"
        "  tools/lab_report.py out\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    run_lab(&given, argc, argv, &err);
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_lab = {"lab", "compare scheduling policies under load", lab};
