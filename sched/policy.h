/* The scheduler's interface: events in, decisions out. A policy is a pure state machine; time
 * reaches it only inside events, so that a sequence of events always gives the same decisions. It
 * knows slots, models and instances by number, and durations from a table. No OpenCL, sockets or
 * threads. */
#ifndef E2B_SCHED_POLICY_H
#define E2B_SCHED_POLICY_H

#include "runtime/base/status.h"
#include <stdbool.h>
#include <stdint.h>

#define E2B_SCHED_MAX_SIZES 16

/* Measured durations, ns. Corrected by the policy as completions report.
 *
 * demand is the share of the device that one batch takes: batches that run together are all slowed
 * by the sum of their demands where that exceeds 1, whatever models they are of. So a device that
 * gains nothing from company (a CPU, or a GPU that the batch fills) has 1, a batch that leaves
 * three quarters idle has 0.25. One number a size predicts any composition; that contention adds
 * up is the finding of Prophet (ASPLOS 2017) and iGniter (TPDS 2023). */
struct e2b_sched_model {
    const char *name;
    int slot_count; /* slots are numbered 0 .. slot_count - 1, a run does not wrap */
    int padding;    /* slots behind the last one that hold no request but may be padded over */
    int size_count; /* batch sizes, ascending */
    int sizes[E2B_SCHED_MAX_SIZES];
    int instances[E2B_SCHED_MAX_SIZES];   /* how many instances of each size */
    int64_t solo_ns[E2B_SCHED_MAX_SIZES]; /* duration of one batch alone, 0 unknown */
    int launches[E2B_SCHED_MAX_SIZES];    /* kernel launches of one batch */
    double demand[E2B_SCHED_MAX_SIZES];   /* see below; 0 unknown, taken as 1 */
    int64_t launch_ns;                    /* of the enqueueing thread, for one launch; 0 unknown */
    int64_t reply_ns;                     /* from a batch's end to its answers; 0 unknown */
    int64_t beside_ns;                    /* what a batch needs beside other models' more than solo_ns,
                                           * and slowed like that: it waits for room on the device */
    int64_t target_ns;                    /* latency target at `percentile`, 0 none */
    double percentile;                    /* in %; 0: 99 */
    double weight;                        /* share among models, > 0 */
};

enum e2b_sched_event_kind {
    E2B_SCHED_READY,     /* slot's input is on the device */
    E2B_SCHED_COMPLETED, /* instance finished the batch it ran (or failed it) */
    E2B_SCHED_CANCELLED, /* slot was READY and is withdrawn; never sent for a running slot */
    E2B_SCHED_TIMER, /* time asked for by E2B_SCHED_SET_TIMER has come, or `more` events ended */
};

struct e2b_sched_event {
    enum e2b_sched_event_kind kind;
    int64_t now_ns;
    bool more; /* others of this moment follow, a TIMER last: leave the decision to that one */
    int model;
    int slot;            /* READY, CANCELLED */
    int64_t arrival_ns;  /* READY: when the request arrived */
    int64_t deadline_ns; /* READY: INT64_MAX if none */
    int priority;        /* READY: smaller goes first, 0 is the default */
    int64_t copy_ns;     /* READY: how long its copy to the device took, with its wait for others */
    int turned_away; /* READY: requests of the model that came before it and were refused unasked,
                      * see room of struct e2b_policy_ops */
    int size_index, instance; /* COMPLETED */
    int64_t duration_ns;      /* COMPLETED: on the device */
    int64_t answer_ns; /* COMPLETED: of the model's batch that was answered last, from its COMPLETED
                        * to its answers; 0: unknown */
    int64_t enqueue_ns; /* COMPLETED: of the enqueueing thread, for the batch, with what it did for
                         * others meanwhile; 0: unknown */
};

/* ROW(name, text): why a decision was taken; goes into the trace. */
#define E2B_SCHED_REASON_TABLE(ROW)                                                                \
    ROW(GREEDY, "largest size that the ready run fills")                                           \
    ROW(FULL, "batch is full")                                                                     \
    ROW(TIMEOUT, "oldest request waited long enough")                                              \
    ROW(IDLE, "device was idle")                                                                   \
    ROW(QUEUE_FULL, "queue is full")                                                               \
    ROW(HOPELESS, "deadline cannot be met")                                                        \
    ROW(PREFERRED, "batch has a preferred size")                                                   \
    ROW(LIMIT, "as many as the adapted batch limit allows")                                        \
    ROW(DEFERRED, "last moment at which a larger batch could meet the deadline")                   \
    ROW(COMPOSED, "fastest composition of what waits, by the measured durations")                  \
    ROW(PADDED, "padding is faster than smaller batches, by the measured durations")               \
    ROW(OVERLOAD, "target cannot be met behind what is queued and running")                        \
    ROW(SHARE, "device is overloaded and the model is beyond its share")                           \
    ROW(GROWING, "a fuller batch is expected within the slack")                                    \
    ROW(EXPIRY, "the next deadline to check")

enum e2b_sched_reason {
#define ROW(name, text) E2B_SCHED_##name##_REASON,
    E2B_SCHED_REASON_TABLE(ROW)
#undef ROW
        E2B_SCHED_REASON_COUNT
};

const char *e2b_sched_reason_text(enum e2b_sched_reason reason);

enum e2b_sched_action_kind {
    E2B_SCHED_RUN,       /* the `count` ready slots among first .. first + span - 1 on instance */
    E2B_SCHED_REJECT,    /* drop slot `first` unanswered by the device */
    E2B_SCHED_SET_TIMER, /* send TIMER at timer_ns; replaces an earlier one */
};

struct e2b_sched_action {
    enum e2b_sched_action_kind kind;
    enum e2b_sched_reason reason;
    int model, first, count;
    int span; /* RUN: slots from the first to the last that runs; more than count if there are holes
               */
    int size_index, instance;
    int64_t timer_ns;
    /* RUN, REJECT: time from now in which the batch, or the request, was predicted to end on the
     * device, and the most that it may take; 0: unknown. */
    int64_t foreseen_ns, allowed_ns;
};

/* Actions of one event, in the order to carry them out. Grows; owned by the caller, reused. */
struct e2b_sched_actions {
    struct e2b_sched_action *list;
    int count, capacity;
};

/* One row of a policy's options: set by name from the configuration. */
struct e2b_policy_option {
    const char *name, *help;
    int64_t fallback, min, max;
};

/* How well a policy predicted the durations of a model's batches, from decision to completion.
 * Errors are relative to the prediction. */
struct e2b_sched_prediction {
    uint64_t count, under;        /* batches predicted; those that took longer than predicted */
    double mean_error, p99_error; /* of |measured - predicted| / predicted */
};

struct e2b_policy; /* embeds nothing; each policy defines its own state behind it */

struct e2b_policy_ops {
    const char *name, *help;
    const struct e2b_policy_option *options; /* ends with name NULL; NULL if none */
    /* models stays the caller's and is copied. values: one for each option. */
    enum e2b_status (*create)(const struct e2b_sched_model *models, int model_count,
        const int64_t *values, struct e2b_policy **out, struct e2b_error *err);
    void (*destroy)(struct e2b_policy *policy);
    /* Takes one event, appends actions. Never fails: memory is taken at creation, but for actions,
     * whose growth may fail, which leaves slots ready for the next event. A RUN of size s computes
     * slots first .. first + s - 1, of which those that hold no ready request, between the others
     * (holes) or behind them, are padding; they must exist (no wrap), if only as `padding`. Nor
     * does a running batch write them, but one may still be copied out: its inputs are unchanged
     * then, so that its answer is computed anew and stays right. */
    void (*on_event)(struct e2b_policy *policy, const struct e2b_sched_event *event,
        struct e2b_sched_actions *actions);
    /* Ready slots that wait for a decision, of one model. */
    int (*waiting)(const struct e2b_policy *policy, int model);
    /* (optional) NULL: the policy predicts nothing. */
    void (*prediction)(
        const struct e2b_policy *policy, int model, struct e2b_sched_prediction *out);
    /* (optional) How many more requests of the model, with no deadline of their own, would be let
     * in as things are; INT_MAX: any number. So many may be on their way to the device at once:
     * more would travel there only to be refused. 1 or more of a model of which nothing waits or
     * runs. */
    int (*room)(const struct e2b_policy *policy, int model);
    /* (optional) Predicted time until all that waits and runs has ended, if nothing more comes:
     * when who is refused may come again. Policies that predict nothing have none. */
    int64_t (*drain_ns)(const struct e2b_policy *policy);
};

const struct e2b_policy_ops *e2b_policy_find(const char *name); /* NULL if unknown */
const struct e2b_policy_ops *const *e2b_policy_all(void);       /* NULL-terminated */

/* For policies. NULL when out of memory. */
struct e2b_sched_action *e2b_sched_actions_add(struct e2b_sched_actions *actions);
void e2b_sched_actions_finish(struct e2b_sched_actions *actions);

#endif
