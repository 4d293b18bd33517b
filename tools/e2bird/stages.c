#include "tools/e2bird/stages.h"

#include "kernels/chain.h"
#include "runtime/engine/merge.h"
#include "tools/e2bird/spread.h"

#include <stdio.h>
#include <stdlib.h>

#define RUNS 9

/* Of a stage in one run, in us. */
struct stage_times {
    double begun, ended; /* since the launch's first job: first job ready, last one done */
    double waited, ran;  /* a job's median */
    double longest;
};

static double span_us(uint32_t from, uint32_t to) {
    return (double)(int32_t)(to - from) / 1e3;
}

static void measure_stage(
    const uint32_t *jobs, int64_t count, uint32_t origin, double *values, struct stage_times *out) {
    *out = (struct stage_times){.begun = span_us(origin, jobs[E2B_CHAIN_READY])};
    for (int64_t i = 0; i < count; i++) {
        const uint32_t *job = &jobs[i * E2B_CHAIN_TIME_WORDS];
        double begun = span_us(origin, job[E2B_CHAIN_READY]);
        double ended = span_us(origin, job[E2B_CHAIN_DONE]);
        out->begun = begun < out->begun ? begun : out->begun;
        out->ended = ended > out->ended ? ended : out->ended;
        out->longest = ended - begun > out->longest ? ended - begun : out->longest;
        values[i] = ended - begun;
        values[count + i] = span_us(job[E2B_CHAIN_TAKEN], job[E2B_CHAIN_READY]);
    }
    out->ran = spread_of(values, (int)count).median;
    out->waited = spread_of(values + count, (int)count).median;
}

static void measure_run(
    const struct e2b_chain *chain, const uint32_t *times, double *values, struct stage_times *out) {
    uint32_t origin = times[E2B_CHAIN_TAKEN];
    int64_t all = chain->ends[chain->stage_count - 1];
    for (int64_t i = 0; i < all; i++) {
        uint32_t taken = times[i * E2B_CHAIN_TIME_WORDS + E2B_CHAIN_TAKEN];
        origin = (int32_t)(taken - origin) < 0 ? taken : origin;
    }
    for (int s = 0; s < chain->stage_count; s++) {
        int64_t first = s > 0 ? chain->ends[s - 1] : 0;
        measure_stage(
            times + first * E2B_CHAIN_TIME_WORDS, chain->ends[s] - first, origin, values, &out[s]);
    }
}

static double middle(const struct stage_times *runs, int stages, size_t offset) {
    double values[RUNS];
    for (int run = 0; run < RUNS; run++)
        values[run] = *(const double *)((const char *)&runs[run * stages] + offset);
    return spread_of(values, RUNS).median;
}
#define MIDDLE(s, field) middle(&runs[s], chain->stage_count, offsetof(struct stage_times, field))

static void print_table(const struct execution *execution, const struct e2b_chain *chain,
    const struct stage_times *runs) {
    double before = 0;
    printf("  %-28s %-20s %6s %8s %8s %8s %8s %8s\n", "stage of a merged launch", "variant", "jobs",
        "us", "until", "waited", "job", "longest");
    for (int s = 0; s < chain->stage_count; s++) {
        const struct e2b_step *step = &chain->stages[s];
        const struct e2b_node *node = &execution->graph->nodes[step->node];
        char variant[64];
        snprintf(variant, sizeof variant, "%s.%s", node->op->name, step->variant);
        double ended = MIDDLE(s, ended);
        printf("  %-28.28s %-20.20s %6d %8.2f %8.2f %8.2f %8.2f %8.2f\n", node->name, variant,
            (int)(chain->ends[s] - (s > 0 ? chain->ends[s - 1] : 0)),
            ended > before ? ended - before : 0, ended, MIDDLE(s, waited), MIDDLE(s, ran),
            MIDDLE(s, longest));
        before = ended > before ? ended : before;
    }
    printf("\n");
}

static enum e2b_status print_step(struct execution *execution, int step, struct e2b_error *err) {
    const struct e2b_chain *chain = e2b_plan_step(execution->plan, step)->chain;
    size_t all = (size_t)chain->ends[chain->stage_count - 1];
    uint32_t *times = calloc(all * E2B_CHAIN_TIME_WORDS, sizeof *times);
    double *values = calloc(2 * all, sizeof *values);
    struct stage_times *runs = calloc((size_t)chain->stage_count * RUNS, sizeof *runs);
    if (!times || !values || !runs)
        e2b_fail_memory(err, "a table of stages");
    for (int run = 0; run < RUNS && err->status == E2B_OK; run++)
        if (execution_run(execution, err) == E2B_OK
            && e2b_instance_read_times(execution->instance, step, times, err) == E2B_OK)
            measure_run(chain, times, values, &runs[run * chain->stage_count]);
    if (err->status == E2B_OK)
        print_table(execution, chain, runs);
    free(times);
    free(values);
    free(runs);
    return err->status;
}

enum e2b_status stages_print(struct execution *execution, struct e2b_error *err) {
    for (int i = 0; i < e2b_plan_step_count(execution->plan) && err->status == E2B_OK; i++) {
        const struct e2b_chain *chain = e2b_plan_step(execution->plan, i)->chain;
        if (chain && chain->times_offset > 0)
            print_step(execution, i, err);
    }
    return err->status;
}
