#include "tools/e2bird/command.h"

#include "kernels/chain.h"
#include "runtime/base/log.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/peaks.h"
#include "tools/e2bird/session.h"
#include "tools/e2bird/spread.h"
#include "tools/e2bird/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_RUNS 5
#define MAX_RUNS 2000
#define SEED 1

struct bench_args {
    const char *model, *device, *precision, *merging;
    struct arg_ints batches;
    double seconds;
    bool no_layers;
    enum e2b_merge_rule merge;
};

/* Whole runs, from enqueue to the end, until the time is over. */
static enum e2b_status time_runs(
    struct execution *execution, double seconds, struct spread *out, struct e2b_error *err) {
    static double times[MAX_RUNS];
    struct e2b_device *device = execution->session->device;
    int64_t end = device->ops->now_ns(device) + (int64_t)(seconds * 1e9);
    int count = 0;
    while (count < MIN_RUNS || (count < MAX_RUNS && device->ops->now_ns(device) < end)) {
        int64_t start = device->ops->now_ns(device);
        if (execution_run(execution, err) != E2B_OK)
            return err->status;
        times[count++] = (double)(device->ops->now_ns(device) - start) / 1e6;
    }
    *out = spread_of(times, count);
    return E2B_OK;
}

/* Median device time of each step over MIN_RUNS traced runs, in ms. */
static enum e2b_status time_steps(
    struct execution *execution, double *steps, struct e2b_error *err) {
    struct e2b_device *device = execution->session->device;
    int count = e2b_plan_step_count(execution->plan);
    struct e2b_event **events = calloc((size_t)count + 1, sizeof *events);
    double *times = calloc((size_t)count * MIN_RUNS + 1, sizeof *times);
    if (!events || !times)
        e2b_fail_memory(err, "a table of layers");
    for (int run = 0; run < MIN_RUNS && err->status == E2B_OK; run++) {
        memset(events, 0, (size_t)count * sizeof(struct e2b_event *));
        if (e2b_instance_run_traced(execution->instance, 0, events, err) == E2B_OK)
            device->ops->finish(e2b_instance_queue(execution->instance), err);
        for (int i = 0; i < count; i++) {
            struct e2b_event_times span = {0};
            if (events[i])
                device->ops->event_times(events[i], &span);
            device->ops->event_release(events[i]);
            times[i * MIN_RUNS + run] = (double)(span.ended_ns - span.started_ns) / 1e6;
        }
    }
    for (int i = 0; i < count && err->status == E2B_OK; i++)
        steps[i] = spread_of(&times[i * MIN_RUNS], MIN_RUNS).median;
    free(events);
    free(times);
    return err->status;
}

static void print_layers(
    const struct execution *execution, const double *steps, const struct peaks *peaks) {
    int count = e2b_plan_step_count(execution->plan);
    double total = 0;
    for (int i = 0; i < count; i++)
        total += steps[i];
    printf("\n  %-28s %-24s %9s %6s %9s %6s %8s %6s\n", "layer", "variant", "ms", "time", "GFLOP/s",
        "peak", "GB/s", "peak");
    for (int i = 0; i < count; i++) {
        const struct e2b_step *step = e2b_plan_step(execution->plan, i);
        double seconds = steps[i] > 0 ? steps[i] / 1e3 : 1e-9;
        double gflops = step->launch.flops / seconds / 1e9;
        double rate = step->launch.bytes / seconds / 1e9;
        const struct e2b_node *node = &execution->graph->nodes[step->node];
        char variant[64];
        snprintf(variant, sizeof variant, "%s.%s", node->op->name, step->variant);
        printf("  %-28.28s %-24.24s %9.3f %5.1f%% %9.1f %5.1f%% %8.1f %5.1f%%\n", node->name,
            variant, steps[i], total > 0 ? 100 * steps[i] / total : 0, gflops,
            100 * gflops / peaks->gflops, rate, 100 * rate / peaks->gbytes_per_s);
    }
    printf("  %-28s %-24s %9.3f\n\n", "all", "", total);
}

/* Layers are timed by launches of their own. */
static enum e2b_status bench_layers(struct session *session,
    const struct execution_options *options, const struct peaks *peaks, struct e2b_error *err) {
    struct execution execution = {0};
    struct execution_options apart = *options;
    apart.merge = E2B_MERGE_NEVER;
    if (execution_create(session, &apart, &execution, err) != E2B_OK)
        return err->status;
    double *steps = calloc((size_t)e2b_plan_step_count(execution.plan) + 1, sizeof *steps);
    if (!steps)
        e2b_fail_memory(err, "a table of layers");
    else if (execution_fill(&execution, SEED, err) == E2B_OK
        && execution_run(&execution, err) == E2B_OK && time_steps(&execution, steps, err) == E2B_OK)
        print_layers(&execution, steps, peaks);
    free(steps);
    execution_finish(&execution);
    return err->status;
}

static bool tells_times(const struct execution *execution) {
    bool merged = false;
    for (int i = 0; i < e2b_plan_step_count(execution->plan); i++)
        merged |= e2b_plan_step(execution->plan, i)->chain != NULL;
    return merged && e2b_chain_tells_times(&execution->session->device->traits);
}

/* Stages of merged launches tell their times in a plan made for that. */
static enum e2b_status bench_stages(
    struct session *session, const struct execution_options *options, struct e2b_error *err) {
    struct execution execution = {0};
    struct execution_options timed = *options;
    timed.times = true;
    if (execution_create(session, &timed, &execution, err) == E2B_OK
        && execution_fill(&execution, SEED, err) == E2B_OK
        && execution_run(&execution, err) == E2B_OK)
        stages_print(&execution, err);
    execution_finish(&execution);
    return err->status;
}

static enum e2b_status bench_batch(struct session *session, const struct bench_args *args,
    int batch, enum e2b_dtype precision, const struct peaks *peaks, struct e2b_error *err) {
    struct execution execution = {0};
    struct spread spread = {0};
    const struct execution_options options = {
        .batch = batch, .precision = precision, .merge = args->merge};
    if (execution_create(session, &options, &execution, err) != E2B_OK)
        return err->status;
    int samples = execution.graph->batch;
    if (execution_fill(&execution, SEED, err) == E2B_OK && execution_run(&execution, err) == E2B_OK
        && time_runs(&execution, args->seconds, &spread, err) == E2B_OK)
        printf("batch %3d: %9.3f ms (quartiles %.3f..%.3f, %d runs), %9.1f images/s, "
               "%.1f GFLOP/s, %d launches\n",
            samples, spread.median, spread.low, spread.high, spread.count,
            1e3 * samples / spread.median, e2b_graph_flops(execution.graph) / spread.median / 1e6,
            e2b_plan_step_count(execution.plan));
    bool merged = err->status == E2B_OK && tells_times(&execution);
    execution_finish(&execution);
    if (err->status == E2B_OK && !args->no_layers)
        bench_layers(session, &options, peaks, err);
    if (err->status == E2B_OK && !args->no_layers && merged)
        bench_stages(session, &options, err);
    return err->status;
}

static enum e2b_status bench_all(const struct bench_args *args, struct e2b_error *err) {
    struct session session = {0};
    struct peaks peaks = {0};
    enum e2b_dtype precision;
    if (session_precision(args->precision, &precision, err) != E2B_OK
        || session_open(args->model, args->device, &session, err) != E2B_OK)
        return err->status;
    printf("%s, %s, on %s\n", args->model, args->precision, session.device->identity);
    if (peaks_measure(session.device, &peaks, err) == E2B_OK)
        printf("measured peaks: %.1f GFLOP/s in fp32 multiply-adds, %.1f GB/s reading memory\n\n",
            peaks.gflops, peaks.gbytes_per_s);
    for (int i = 0; i < args->batches.count && err->status == E2B_OK; i++)
        bench_batch(&session, args, args->batches.items[i], precision, &peaks, err);
    session_close(&session);
    return err->status;
}

static int bench(int argc, char **argv) {
    struct bench_args given = {.device = "auto",
        .precision = "fp32",
        .merging = "auto",
        .batches = {{1}, 1},
        .seconds = 2};
    const struct arg args[] = {{"MODEL.onnx", NULL, "the network", ARG_TEXT, &given.model, 0, 0},
        {"--batch", "N,N,...", "batch sizes (default 1)", ARG_INTS, &given.batches, 1, 65536},
        {"--seconds", "S", "how long each batch size is timed (default 2)", ARG_NUMBER,
            &given.seconds, 0.01, 3600},
        {"--precision", "P", "fp32 or fp16 (default fp32)", ARG_TEXT, &given.precision, 0, 0},
        {"--device", "SELECT", "auto, gpu, cpu, an index or a part of a name (default auto)",
            ARG_TEXT, &given.device, 0, 0},
        {"--no-layers", NULL, "leave the table of layers out", ARG_FLAG, &given.no_layers, 0, 0},
        {"--merge", "RULE", "launches into one: auto, never or always (default auto)", ARG_TEXT,
            &given.merging, 0, 0},
        {0}};
    const struct arg_table table = {"bench",
        "Times a network on random inputs: median and quartiles of a batch from launch to end,\n"
        "images a second, and for each layer its time on the device with the GFLOP/s and GB/s "
        "that\n"
        "it reaches, against the device's peaks measured in the same run. For the stages of "
        "merged\n"
        "launches also: jobs, time and end of a stage, and how long a job waited and ran, in us.",
        "  e2bird bench models/efficientnet_lite0.onnx --batch 1,8,32\n"
        "  e2bird bench resnet50.onnx --precision fp16 --device gpu --seconds 5\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    if (session_merge_rule(given.merging, &given.merge, &err) == E2B_OK)
        bench_all(&given, &err);
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_bench = {"bench", "time a network and each of its layers", bench};
