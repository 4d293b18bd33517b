/* The tuner: for each distinct call of some graphs it times what the device could run (variants and
 * their candidates), the most expensive calls first, until a budget of time is spent. A choice must
 * give the numbers of the default one, within a tolerance, and be faster by more than 2 %, in a
 * second measurement too. Failures of a choice are reasons not to take it. */
#ifndef E2B_ENGINE_TUNER_H
#define E2B_ENGINE_TUNER_H

#include "runtime/engine/plan.h"

struct e2b_tuner_options {
    int64_t budget_ns; /* on the device's clock; a call that was begun, or compiled for, is ended */
    bool again;        /* measure also what the store knows */
    bool quiet;        /* no progress on the terminal */
};

/* One distinct call that has a choice. */
struct e2b_tuner_row {
    char *name;       /* the operator and its shapes */
    int batch, count; /* of the first graph that has it; how often it is in all graphs */
    enum e2b_tuner_state {
        E2B_TUNER_LEFT,   /* no time was left */
        E2B_TUNER_KNOWN,  /* in the store already */
        E2B_TUNER_TUNED,  /* measured now */
        E2B_TUNER_FAILED, /* the default could not be measured: nothing to compare with */
    } state;
    char default_variant[32];
    struct e2b_tuned tuned;        /* KNOWN, TUNED */
    int choice_count;              /* different things to run */
    int failed_count, wrong_count; /* choices that did not run; that were faster, but wrong */
};

struct e2b_tuner_report {
    struct e2b_tuner_row *rows; /* most expensive first where it is known */
    int row_count;
    int64_t spent_ns;
};
void e2b_tuner_report_finish(struct e2b_tuner_report *report); /* zeroed is fine */

/* Results go into tuning, which no plan reads meanwhile; with a path they are saved there as they
 * come (a warning if that fails). Fails only when out of memory. report may be NULL. */
enum e2b_status e2b_tune(struct e2b_device *device, const struct e2b_graph *const *graphs,
    int graph_count, struct e2b_tuning *tuning, const char *path,
    const struct e2b_tuner_options *options, struct e2b_tuner_report *report,
    struct e2b_error *err);

#endif
