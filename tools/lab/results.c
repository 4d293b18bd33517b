#include "tools/lab/results.h"

#include "runtime/base/file.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct e2b_lab_results {
    FILE *runs, *quantiles, *models, *peaks, *bounds;
    int count; /* runs */
};

#define LABEL "models,arrivals,load_percent,policy,variant,options,repeat,seed"

static FILE *open_table(
    const char *folder, const char *name, const char *header, struct e2b_error *err) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        e2b_fail_code(err, E2B_IO, errno, "cannot write %s: %s", path, strerror(errno));
    else
        fprintf(file, "%s\n", header);
    return file;
}

enum e2b_status e2b_lab_results_create(
    const char *folder, struct e2b_lab_results **out, struct e2b_error *err) {
    struct e2b_lab_results *results = calloc(1, sizeof *results);
    if (!results)
        return e2b_fail_memory(err, "results");
    if (e2b_file_make_folder(folder, err) == E2B_OK) {
        results->runs = open_table(folder, "runs.csv",
            "run," LABEL ",sent,right,late,refused,hopeless,failed,wrong,offered_per_s,"
            "throughput_per_s,goodput_per_s,violations,mean_ms,p50_ms,p95_ms,p99_ms,p999_ms,max_ms,"
            "upload_ms,wait_ms,queue_ms,compute_ms,download_ms,batches,mean_batch,padded_samples,"
            "gaps,error_mean,error_p99,underpredicted,"
            "mean_lag_ms,most_lag_ms,hash",
            err);
        results->quantiles = open_table(folder, "quantiles.csv", "run,share,latency_ms", err);
        results->peaks =
            open_table(folder, "peaks.csv", LABEL ",throughput_per_s,goodput_per_s,p99_ms", err);
        results->models = open_table(folder, "models.csv",
            "run,model,target_ms,sent,right,late,refused,hopeless,mean_ms,p50_ms,p99_ms", err);
        results->bounds = open_table(folder, "bounds.csv",
            LABEL ",sent_per_s,most_in_time_per_s,clairvoyant_in_time_per_s,least_p99_ms,"
                  "clairvoyant_p99_ms",
            err);
    }
    if (err->status != E2B_OK) {
        struct e2b_error ignored = {0};
        e2b_lab_results_close(results, &ignored);
        return err->status;
    }
    *out = results;
    return E2B_OK;
}

static void close_table(FILE *file, struct e2b_error *err) {
    if (!file)
        return;
    bool failed = ferror(file);
    if (fclose(file) || failed)
        e2b_fail(err, E2B_IO, "the results could not be written in full");
}

enum e2b_status e2b_lab_results_close(struct e2b_lab_results *results, struct e2b_error *err) {
    if (!results)
        return E2B_OK;
    close_table(results->runs, err);
    close_table(results->quantiles, err);
    close_table(results->models, err);
    close_table(results->peaks, err);
    close_table(results->bounds, err);
    free(results);
    return err->status;
}

/* Quoted, as options hold commas. */
static void print_label(FILE *file, const struct e2b_lab_label *label) {
    fprintf(file, "\"%s\",\"%s\",%g,\"%s\",\"%s\",\"%s\",%d,%llu", label->models, label->arrivals,
        label->load_percent, label->policy, label->variant, label->options, label->repeat,
        (unsigned long long)label->seed);
}

static double ms(int64_t ns) {
    return (double)ns / 1e6;
}

int e2b_lab_results_count(const struct e2b_lab_results *results) {
    return results->count;
}

void e2b_lab_results_add(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_outcome *outcome) {
    const struct e2b_lab_tally *all = &outcome->all;
    const struct e2b_lab_latency *latency = &all->latency;
    FILE *file = results->runs;
    fprintf(file, "%d,", results->count);
    print_label(file, label);
    fprintf(file, ",%d,%d,%d,%d,%d,%d,%d,%.3f,%.3f,%.3f,%.6f", all->sent, all->right, all->late,
        all->refused, all->hopeless, all->failed, all->wrong, outcome->offered_per_s,
        outcome->throughput_per_s, outcome->goodput_per_s, outcome->violations);
    fprintf(file, ",%.6f,%.6f,%.6f,%.6f,%.6f,%.6f", latency->mean_ns / 1e6, ms(latency->p50_ns),
        ms(latency->p95_ns), ms(latency->p99_ns), ms(latency->p999_ns), ms(latency->max_ns));
    fprintf(file, ",%.6f,%.6f,%.6f,%.6f,%.6f", outcome->upload_ms, outcome->wait_ms,
        outcome->queue_ms, outcome->compute_ms, outcome->download_ms);
    const struct e2b_sched_prediction *prediction = &outcome->prediction;
    double under = prediction->count ? (double)prediction->under / (double)prediction->count : 0;
    fprintf(file, ",%llu,%.3f,%llu", (unsigned long long)outcome->batches, outcome->mean_batch,
        (unsigned long long)outcome->padded_samples);
    fprintf(file, ",%llu,%.4f,%.4f,%.4f", (unsigned long long)outcome->gaps, prediction->mean_error,
        prediction->p99_error, under);
    fprintf(file, ",%.4f,%.4f,%016llx\n", outcome->mean_lag_ms, outcome->most_lag_ms,
        (unsigned long long)outcome->hash);
    fflush(file);
    for (int i = 0; i < E2B_LAB_QUANTILES; i++)
        fprintf(results->quantiles, "%d,%g,%.6f\n", results->count, e2b_lab_quantile_share(i),
            ms(outcome->quantile_ns[i]));
    fflush(results->quantiles);
    results->count++;
}

void e2b_lab_results_add_model(struct e2b_lab_results *results, const char *name, int64_t target_ns,
    const struct e2b_lab_tally *tally) {
    const struct e2b_lab_latency *latency = &tally->latency;
    fprintf(results->models, "%d,\"%s\",%.6f,%d,%d,%d,%d,%d,%.6f,%.6f,%.6f\n", results->count - 1,
        name, ms(target_ns), tally->sent, tally->right, tally->late, tally->refused,
        tally->hopeless, latency->mean_ns / 1e6, ms(latency->p50_ns), ms(latency->p99_ns));
    fflush(results->models);
}

void e2b_lab_results_add_bound(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_bound *bound) {
    print_label(results->bounds, label);
    fprintf(results->bounds, ",%.3f,%.3f,%.3f,%.6f,%.6f\n", bound->sent_per_s,
        bound->most_in_time_per_s, bound->clairvoyant_in_time_per_s, ms(bound->least_p99_ns),
        ms(bound->clairvoyant_p99_ns));
    fflush(results->bounds);
}

void e2b_lab_results_add_peak(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_outcome *outcome) {
    print_label(results->peaks, label);
    fprintf(results->peaks, ",%.3f,%.3f,%.6f\n", outcome->throughput_per_s, outcome->goodput_per_s,
        ms(outcome->all.latency.p99_ns));
    fflush(results->peaks);
}

void e2b_lab_json_string(struct e2b_text *text, const char *string) {
    e2b_text_add(text, "\"");
    for (const char *c = string; *c; c++) {
        if (*c == '"' || *c == '\\')
            e2b_text_add(text, "\\%c", *c);
        else if ((unsigned char)*c < ' ')
            e2b_text_add(text, "\\u%04x", *c);
        else
            e2b_text_add(text, "%c", *c);
    }
    e2b_text_add(text, "\"");
}
