/* Times every variant of every benchmark case on a device:
 *     op_bench [-d device] [-p fp16] [-r runs] [-v variant] [-t] [word...]
 * A case runs if a word occurs in its operator's or its own name. -t prints, in place of times,
 * which variants take which of all the cases, and why the others refuse: the support table. */
#include "backends/opencl/opencl.h"
#include "runtime/base/clock.h"
#include "tests/kernels/op_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW(family) extern const struct e2b_op_cases e2b_cases_##family;
#include "case_families.def"
#undef ROW

static const struct e2b_op_cases *const families[] = {
#define ROW(family) &e2b_cases_##family,
#include "case_families.def"
#undef ROW
    NULL};

extern const struct e2b_source e2b_source_peak;

struct options {
    const char *device, *variant;
    enum e2b_dtype precision;
    int runs;
    bool table;
    char **words;
    int word_count;
};

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of the runs; negative after an error. */
static double measure(struct e2b_op_run *run, int runs, struct e2b_error *err) {
    double *seconds = calloc((size_t)runs, sizeof *seconds);
    if (!seconds)
        return -1;
    for (int i = -2; i < runs && err->status == E2B_OK; i++) {
        int64_t start = e2b_clock_ns();
        e2b_op_run_once(run, err);
        if (i >= 0)
            seconds[i] = (double)(e2b_clock_ns() - start) * 1e-9;
    }
    qsort(seconds, (size_t)runs, sizeof *seconds, compare);
    double median = err->status == E2B_OK ? seconds[runs / 2] : -1;
    free(seconds);
    return median;
}

static void print_time(const struct e2b_op_run *run, const struct e2b_variant *variant,
    int candidate, double seconds) {
    double flops = 0, bytes = 0;
    for (int i = 0; i < e2b_plan_step_count(run->plan); i++) {
        flops += e2b_plan_step(run->plan, i)->launch.flops;
        bytes += e2b_plan_step(run->plan, i)->launch.bytes;
    }
    printf("%-34s %-14s %2d %9.3f ms %8.1f GFLOP/s %7.1f GB/s\n", run->problem->test->name,
        variant->name, candidate, seconds * 1e3, flops / seconds * 1e-9, bytes / seconds * 1e-9);
}

static int time_variant(const struct e2b_op_problem *problem, const struct e2b_op_setup *setup,
    const struct e2b_variant *variant, int candidate, int runs) {
    struct e2b_error err = {0};
    struct e2b_op_run run;
    e2b_op_run_init(&run, problem, setup);
    double seconds = -1;
    if (e2b_op_run_prepare(&run, variant, candidate, &err) == E2B_OK)
        seconds = measure(&run, runs, &err);
    if (seconds > 0)
        print_time(&run, variant, candidate, seconds);
    else
        printf("%-34s %-14s %2d %s\n", problem->test->name, variant->name, candidate, err.text);
    fflush(stdout);
    e2b_op_run_finish(&run);
    return seconds > 0 ? 0 : 1;
}

static int run_case(
    const struct e2b_op_case *test, const struct options *options, struct e2b_device *device) {
    struct e2b_op_setup setup = {.device = device, .precision = options->precision};
    struct e2b_error err = {0};
    struct e2b_op_problem problem;
    int failures = 0;
    if (e2b_op_problem_init(&problem, test, &err) != E2B_OK) {
        printf("%-34s %s\n", test->name, err.text);
        e2b_op_problem_finish(&problem);
        return !test->fails;
    }
    struct e2b_op_run run;
    e2b_op_run_init(&run, &problem, &setup);
    for (const struct e2b_variant *v = problem.call.op->variants; v && v->name; v++) {
        char reason[128] = "";
        int candidates = 0;
        if (options->variant && strcmp(options->variant, v->name) != 0)
            continue;
        bool takes = e2b_op_run_accepts(&run, v, &candidates, reason, sizeof reason);
        if (options->table)
            printf("%-12s %-40s %-14s %s%s\n", test->op, test->name, v->name,
                takes ? "yes" : "no: ", reason);
        for (int c = 0; takes && !options->table && c < candidates; c++)
            failures += time_variant(&problem, &setup, v, c, options->runs);
    }
    e2b_op_problem_finish(&problem);
    return failures;
}

static bool wanted(const struct e2b_op_case *test, const struct options *options) {
    if (options->table ? test->fails != NULL : !test->bench)
        return false;
    for (int i = 0; i < options->word_count; i++)
        if (strstr(test->op, options->words[i]) || strstr(test->name, options->words[i]))
            return true;
    return options->word_count == 0;
}

#define ROUNDS 100000

/* Multiply-adds of a kernel that does nothing else: what the others are measured against. */
static enum e2b_status print_peak(struct e2b_device *device, struct e2b_error *err) {
    const struct e2b_device_ops *ops = device->ops;
    bool cpu = device->traits.is_cpu;
    size_t items = (size_t)device->traits.compute_units * (cpu ? 4 : 2048);
    const size_t global[3] = {items, 1, 1}, local[3] = {cpu ? 1 : 256, 1, 1};
    const float a = 0.999f, b = 0.001f;
    const int rounds = cpu ? ROUNDS : ROUNDS / 10;
    struct e2b_buffer *buffer = NULL;
    struct e2b_queue *queue = NULL;
    struct e2b_program *program = NULL;
    struct e2b_kernel *kernel = NULL;
    int64_t best = INT64_MAX;
    if (ops->buffer_create(device, E2B_MEMORY_DEVICE, items * sizeof(float), &buffer, err) == E2B_OK
        && ops->queue_create(device, &queue, err) == E2B_OK
        && ops->program_build(device, &e2b_source_peak, cpu ? "-DVECTORS" : "", &program, err)
            == E2B_OK
        && ops->kernel_create(device, program, "peak", &kernel, err) == E2B_OK) {
        ops->kernel_set_buffer(device, kernel, 0, buffer, err);
        ops->kernel_set_value(device, kernel, 1, &a, sizeof a, err);
        ops->kernel_set_value(device, kernel, 2, &b, sizeof b, err);
        ops->kernel_set_value(device, kernel, 3, &rounds, sizeof rounds, err);
        for (int i = 0; i < 5 && err->status == E2B_OK; i++) {
            int64_t start = e2b_clock_ns();
            if (ops->enqueue_kernel(queue, kernel, global, local, NULL, err) == E2B_OK)
                ops->finish(queue, err);
            int64_t taken = e2b_clock_ns() - start;
            best = taken < best ? taken : best;
        }
    }
    ops->kernel_destroy(device, kernel);
    ops->program_destroy(device, program);
    if (queue)
        ops->queue_destroy(device, queue);
    ops->buffer_destroy(device, buffer);
    double flops = 24.0 * (cpu ? 8 : 1) * rounds * (double)items;
    if (err->status == E2B_OK)
        printf("multiply-adds alone: %.1f GFLOP/s\n", flops / (double)best);
    return err->status;
}

static int run_all(const struct options *options) {
    struct e2b_device *device;
    struct e2b_error err = {0};
    if (e2b_opencl_open(&(struct e2b_opencl_options){.select = options->device}, &device, &err)
        != E2B_OK) {
        fprintf(stderr, "op_bench: %s\n", err.text);
        return 1;
    }
    printf("device: %s\n", device->identity);
    int failures = 0;
    if (!options->table && print_peak(device, &err) != E2B_OK)
        failures = printf("peak: %s\n", err.text);
    for (int f = 0; families[f]; f++)
        for (int i = 0; i < families[f]->count; i++)
            if (wanted(&families[f]->cases[i], options))
                failures += run_case(&families[f]->cases[i], options, device);
    device->ops->destroy(device);
    return failures ? 1 : 0;
}

int main(int argc, char **argv) {
    struct options options = {.precision = E2B_F32, .runs = 20};
    for (int letter; (letter = getopt(argc, argv, "d:p:r:v:t")) != -1;) {
        if (letter == 'd')
            options.device = optarg;
        else if (letter == 'p')
            options.precision = strcmp(optarg, "fp16") ? E2B_F32 : E2B_F16;
        else if (letter == 'r')
            options.runs = atoi(optarg) > 0 ? atoi(optarg) : 1;
        else if (letter == 'v')
            options.variant = optarg;
        else if (letter == 't')
            options.table = true;
        else {
            fprintf(stderr,
                "usage: op_bench [-d device] [-p fp16] [-r runs] [-v variant] [-t] [word...]\n");
            return 2;
        }
    }
    options.words = argv + optind;
    options.word_count = argc - optind;
    return run_all(&options);
}
