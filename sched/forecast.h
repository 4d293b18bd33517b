/* What runs on the device and when it will end. Batches that run together share its time: each
 * advances at 1 / slowdown of its speed alone, slowdown = max(1, contention x sum of demands), 1
 * for a lone batch (sched/policy.h). As all are slowed alike, they end in the order of the work
 * that they have left, and one walk along that order predicts every end.
 *
 * Completions correct the tables: a batch that was always alone its size's duration, one in company
 * also the device's contention, one that began beside another model's what it waits for there; and
 * what each took of the thread that enqueues. */
#ifndef E2B_SCHED_FORECAST_H
#define E2B_SCHED_FORECAST_H

#include "sched/policy.h"
#include "sched/quantile.h"

#define E2B_FORECAST_ERROR_BUCKETS 48
#define E2B_FORECAST_MAX_STARTS 16
#define E2B_FORECAST_ROOM 1.05 /* sum of demands that a device takes before company delays */

struct e2b_forecast_model {
    int size_count;
    int sizes[E2B_SCHED_MAX_SIZES];
    int instances[E2B_SCHED_MAX_SIZES];
    double solo_ns[E2B_SCHED_MAX_SIZES]; /* 0 unknown */
    double demand[E2B_SCHED_MAX_SIZES];
    double host_ns[E2B_SCHED_MAX_SIZES]; /* of the enqueueing thread, for one batch */
    double beside_ns; /* see sched/policy.h */
    double sample_ns;                    /* device time of a sample at the best throughput */
    double full_ns; /* longest duration of a batch in the composition that gives it */
    int full_count; /* samples of that composition */
    bool gains;     /* it gives clearly more than any batch alone */
    double quickest_ns;
    double percentile;                /* 0 .. 1 */
    struct e2b_sched_quantile ratios; /* measured / predicted */
    double margin; /* of those, what nine of ten do not exceed; 1 or more. Not the percentile of
                    * the target: where some batches stall, all would be thought that slow, and run
                    * in small batches, which are slower */
    uint64_t count, under;
    double error_sum;
    uint64_t errors[E2B_FORECAST_ERROR_BUCKETS];
};

struct e2b_forecast_batch {
    int model, size_index, instance, count;
    int64_t started_ns, due_ns; /* the earliest due time in it, INT64_MAX if none */
    double solo_ns, left_ns;    /* alone: when it started, and now; with its wait for those that
                                 * were enqueued ahead of it */
    double demand;
    bool in_company; /* at some time */
    bool beside;     /* another model's batch, when it started */
};

struct e2b_forecast {
    struct e2b_forecast_model *models;
    int model_count;
    struct e2b_forecast_batch *running; /* by left_ns, ascending */
    int running_count;
    double demand; /* of all that run */
    double contention;
    double least_demand; /* of all models' sizes */
    bool exclusive;      /* set by the policy: what has no room on the device does not start */
    int64_t now_ns;
    double enqueued_ns; /* after now, when the thread that enqueues has done what was started */
};

/* A batch that may be started, for e2b_forecast_walk. */
struct e2b_forecast_start {
    int model, size_index, count;
    int64_t due_ns;
};

struct e2b_forecast_outcome {
    int late;        /* samples that end after they are due */
    double sum_ns;   /* of all samples' times to their end, those that run included */
    double area_ns;  /* device time until all has ended, were it fully used. If `exclusive`, a batch
                      * beside which not even the smallest one has room takes all of the device */
    double first_ns; /* until starts[0] ends, */
    double last_ns;  /* the last of `starts`, */
    double all_ns;   /* and the last of all */
};

/* False when out of memory. models as checked by e2b_sched_models_check. */
bool e2b_forecast_init(
    struct e2b_forecast *forecast, const struct e2b_sched_model *models, int model_count);
void e2b_forecast_finish(struct e2b_forecast *forecast);

/* Time goes on. */
void e2b_forecast_pass(struct e2b_forecast *forecast, int64_t now_ns);
/* If these started now (at most E2B_FORECAST_MAX_STARTS). */
struct e2b_forecast_outcome e2b_forecast_walk(
    const struct e2b_forecast *forecast, const struct e2b_forecast_start *starts, int start_count);
void e2b_forecast_start(
    struct e2b_forecast *forecast, const struct e2b_forecast_start *start, int instance);
const struct e2b_forecast_batch *e2b_forecast_find(
    const struct e2b_forecast *forecast, int model, int size_index, int instance); /* that runs */
/* duration_ns 0: it failed, nothing is learnt. */
void e2b_forecast_completed(
    struct e2b_forecast *forecast, int model, int size_index, int instance, int64_t duration_ns);

/* What a batch took of the enqueueing thread, with what that did meanwhile. */
void e2b_forecast_enqueued(
    struct e2b_forecast *forecast, int model, int size_index, int64_t enqueue_ns);

/* Device time of a batch, see area_ns. */
double e2b_forecast_area(const struct e2b_forecast *forecast, int model, int size_index);

/* The smallest size that holds count, the largest if none does. */
int e2b_forecast_size(const struct e2b_forecast_model *model, int count);

void e2b_forecast_prediction(
    const struct e2b_forecast *forecast, int model, struct e2b_sched_prediction *out);

#endif
