/* The files of a comparison, in one folder: runs.csv (a line a run), quantiles.csv (latencies of
 * each run), models.csv (what became of each model), peaks.csv (highest loads that keep the
 * target), bounds.csv (with --bound what could be had, tools/lab/bound.h) and lab.json (what was
 * compared, on what). Each line is written as soon as it is known. tools/lab_report.py makes a
 * report of them.
 */
#ifndef E2B_TOOLS_LAB_RESULTS_H
#define E2B_TOOLS_LAB_RESULTS_H

#include "tools/lab/bound.h"
#include "tools/lab/run.h"

struct e2b_lab_results;

/* What a run was. */
struct e2b_lab_label {
    const char *models, *arrivals, *policy; /* policy: as it was asked for */
    const char *variant;                    /* "", "tuned" or "again" (the same, for the noise) */
    const char *options;                    /* the contender's name with its options */
    double load_percent;
    int repeat;
    uint64_t seed;
};

enum e2b_status e2b_lab_results_create(
    const char *folder, struct e2b_lab_results **out, struct e2b_error *err);
/* IO if a file could not be written. */
enum e2b_status e2b_lab_results_close(struct e2b_lab_results *results, struct e2b_error *err);

int e2b_lab_results_count(
    const struct e2b_lab_results *results); /* of runs: the next one's number */
void e2b_lab_results_add(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_outcome *outcome);
/* Of one model of the last run. */
void e2b_lab_results_add_model(struct e2b_lab_results *results, const char *name, int64_t target_ns,
    const struct e2b_lab_tally *tally);
void e2b_lab_results_add_bound(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_bound *bound);
void e2b_lab_results_add_peak(struct e2b_lab_results *results, const struct e2b_lab_label *label,
    const struct e2b_lab_outcome *outcome);

/* Text as a JSON string, with its quotes. */
struct e2b_text;
void e2b_lab_json_string(struct e2b_text *text, const char *string);

#endif
