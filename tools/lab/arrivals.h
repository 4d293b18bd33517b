/* When requests arrive: processes that are described in a word and drawn from a seed before the run
 * begins, so that a slow answer never delays a later request (no coordinated omission). */
#ifndef E2B_TOOLS_LAB_ARRIVALS_H
#define E2B_TOOLS_LAB_ARRIVALS_H

#include "runtime/base/status.h"
#include <stdint.h>

enum e2b_lab_arrival_kind {
    E2B_LAB_POISSON, /* "poisson" */
    E2B_LAB_GAMMA,   /* "gamma:CV": independent gaps with that coefficient of variation, 0.1..20 */
    E2B_LAB_BURST,   /* "burst:ON_MS,OFF_MS": Poisson while on, nothing while off */
    E2B_LAB_TRACE,   /* "trace:FILE": seconds, one a line, ascending; stretched to the rate and
                        repeated */
    E2B_LAB_CLOSED,  /* "closed:CLIENTS": each client sends when it was answered */
};

struct e2b_lab_arrivals {
    enum e2b_lab_arrival_kind kind;
    char name[96]; /* as given */
    double cv, on_ns, off_ns;
    int clients;
    double *trace; /* in units of the mean gap, from 0; its last gap is 1 */
    int trace_count;
};

enum e2b_status e2b_lab_arrivals_init(
    struct e2b_lab_arrivals *arrivals, const char *text, struct e2b_error *err);
void e2b_lab_arrivals_finish(struct e2b_lab_arrivals *arrivals);

struct e2b_lab_times {
    int64_t *ns; /* ascending, from 0 on */
    int count;
};

/* The times of one stream at a mean rate over a duration: the same for the same seed and stream.
 * A burst's first phase and a trace's first place are drawn too. Not for CLOSED. */
enum e2b_status e2b_lab_arrivals_draw(const struct e2b_lab_arrivals *arrivals, double rate_per_s,
    int64_t duration_ns, uint64_t seed, const char *stream, struct e2b_lab_times *out,
    struct e2b_error *err);
void e2b_lab_times_finish(struct e2b_lab_times *times);

#endif
