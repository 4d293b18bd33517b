/* A comparison: every policy with every arrival process at every load, for each group of models,
 * several times over. The order of runs is drawn at random, runs of one repeat share their seed. */
#ifndef E2B_TOOLS_LAB_MATRIX_H
#define E2B_TOOLS_LAB_MATRIX_H

#include "tools/lab/setup.h"

#define E2B_LAB_MOST 64

struct e2b_lab_group {
    char name[256]; /* of the models, joined with + */
    char files[E2B_LAB_MAX_MODELS][256];
    int count;
};

struct e2b_lab_matrix {
    struct e2b_lab_setup_spec setup; /* without models */
    struct e2b_lab_group groups[E2B_LAB_MOST];
    struct e2b_lab_contender contenders[E2B_LAB_MOST];
    struct e2b_lab_arrivals arrivals[E2B_LAB_MOST];
    uint64_t rivals; /* bit: contender that is tuned only, where the others then are not */
    double loads[E2B_LAB_MOST]; /* percent; a closed loop has none and runs once */
    int group_count, contender_count, arrivals_count, load_count;
    int repeats, tune_runs;                 /* tune_runs 0: as given only */
    const struct e2b_lab_table *tune_table; /* tune on a simulation of it; NULL: where it runs */
    bool bound;       /* what could be had of a simulated run (bound.h): may take minutes */
    bool peak, again; /* again: the first policy once more, whose difference is the noise */
    bool trace;       /* write trace_<run>.json of each policy at the last load, first arrivals */
    uint64_t seed;
    const char *folder, *command; /* command: for the record */
};

/* "a.onnx+b.onnx" */
enum e2b_status e2b_lab_group_parse(
    const char *text, struct e2b_lab_group *out, struct e2b_error *err);

/* Prints a line a run. Stops at the first failure: a wrong answer is one. */
enum e2b_status e2b_lab_matrix_run(const struct e2b_lab_matrix *matrix, struct e2b_error *err);

#endif
