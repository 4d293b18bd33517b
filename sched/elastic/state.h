/* What "elastic" (sched/elastic.h) knows: of each model what waits, what was promised and how fast
 * requests come; of the device what runs on it. The parts of the policy share it: pace.h says
 * how batches run, admission.h who is let in, turns.h which model is next, choice.h as which batch,
 * deferral.h whether that one waits for company. Only sched/elastic.c starts batches. */
#ifndef E2B_SCHED_ELASTIC_STATE_H
#define E2B_SCHED_ELASTIC_STATE_H

#include "sched/backlog.h"
#include "sched/forecast.h"
#include "sched/slots.h"
#include "sched/trust.h"

#define E2B_ELASTIC_OVERLOADED 0.98 /* share of the device that can be asked for at most */

/* How batches run (pace.h). What is foreseen of each is trusted by itself. */
enum e2b_elastic_way {
    E2B_ELASTIC_SIDE_BY_SIDE,
    E2B_ELASTIC_ONE_BY_ONE,
    E2B_ELASTIC_IN_LANES,
    E2B_ELASTIC_WAYS
};

/* What was foreseen for a request when it was admitted. */
struct e2b_elastic_promise {
    int64_t made_ns, must_end_ns;
    double share; /* of the time that it has, that was foreseen to pass; 0: no promise */
    enum e2b_elastic_way way;
};

/* Batches of a model that follow one another while much waits: their samples, duration, and the
 * time of one sample, beside what runs with them. Where nothing is known of durations, 0. */
struct e2b_elastic_pace {
    int count;
    double batch_ns, sample_ns;
    double slowdown, beside_ns; /* that are in them, by company which the tables do not hold */
};

struct e2b_elastic_model {
    struct e2b_sched_slots slots;
    struct e2b_elastic_pace pace;     /* as things are in this decision */
    struct e2b_sched_backlog backlog; /* of what was admitted */
    struct e2b_sched_backlog strict;  /* of that, what has to end when it is due */
    struct e2b_bitset newcomers;      /* waiting slots that are not yet admitted */
    int64_t window_ns;                /* from arrival to due */
    int64_t target_ns, reply_ns;
    int64_t copy_ns, least_copy_ns;       /* the last one's, and of all, 0: none took any time */
    double weight, received_ns;           /* device time over weight */
    double arrivals;                      /* a count that decays, */
    int64_t counted_ns;                   /* and when it was taken */
    struct e2b_elastic_promise *promises; /* by slot */
    struct e2b_sched_trust trust[E2B_ELASTIC_WAYS];
    int long_in_a_row;                /* its last batches that took far longer than foreseen */
    int passes;                       /* batches that ran while this head waited */
    int64_t held_ns;                  /* since when a batch is held, INT64_MAX: none is */
    bool passed_over, waits_for_room; /* in this decision */
};

struct e2b_policy {
    struct e2b_forecast forecast;
    struct e2b_forecast_outcome running; /* of what runs, if nothing more starts */
    bool admission, hold;
    bool lanes; /* of a busy device each model has one batch, beside those of others */
    int model_count, in_flight, max_in_flight;
    int64_t timer_ns;   /* asked for, INT64_MAX if none */
    int64_t stalled_ns; /* when a batch ran last that took far longer than foreseen */
    struct e2b_elastic_model models[];
};

/* False when out of memory. patience_ns: after which a request without a target is due. */
bool e2b_elastic_model_init(
    struct e2b_elastic_model *model, const struct e2b_sched_model *from, int64_t patience_ns);
void e2b_elastic_model_finish(struct e2b_elastic_model *model);

/* A request is ready: it waits, and is a newcomer until it is admitted. */
void e2b_elastic_ready(struct e2b_elastic_model *model, const struct e2b_sched_event *event);
/* A newcomer is admitted (count 1), or what was admitted leaves (-1). */
void e2b_elastic_count(struct e2b_elastic_model *model, int slot, int count);
void e2b_elastic_forget(struct e2b_elastic_model *model, int slot); /* it is about to leave */

/* Of a waiting slot: when it takes its turn, and by when it has to end, INT64_MAX if it need not.
 */
int64_t e2b_elastic_due(const struct e2b_elastic_model *model, int slot);
int64_t e2b_elastic_must_end(const struct e2b_elastic_model *model, int slot);

enum e2b_elastic_way e2b_elastic_way(const struct e2b_policy *policy); /* in this decision */

/* The share of a request's time that may be foreseen to pass, as things are. */
double e2b_elastic_limit(const struct e2b_policy *policy, const struct e2b_elastic_model *model);

const struct e2b_forecast_model *e2b_elastic_table(
    const struct e2b_policy *policy, const struct e2b_elastic_model *model);
/* Arrivals a nanosecond, and the share of the device that they ask for. */
double e2b_elastic_rate(const struct e2b_elastic_model *model, int64_t now_ns);
double e2b_elastic_asked(const struct e2b_policy *policy, int index);

#endif
