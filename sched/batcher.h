/* A dynamic batcher: the part that policies share which form one batch at a time of a model's
 * oldest request and its neighbours, and differ in how large it may be and when it may start.
 * Triton's, Clipper's and Symphony's rules are each a few lines on top (triton.c, aimd.c,
 * deferred.c). Of several models whose batch may start, the one whose moment came first goes. */
#ifndef E2B_SCHED_BATCHER_H
#define E2B_SCHED_BATCHER_H

#include "sched/slots.h"

#define E2B_BATCHER_MAX_OPTIONS 8

struct e2b_batcher_model {
    struct e2b_sched_slots slots;
    int64_t target_ns; /* the model's, 0 none */
    double limit;      /* most slots of a batch, a whole number of them is used */
};

/* The oldest request and its neighbours, of one model. */
struct e2b_batcher_candidate {
    int count;                    /* in: those that wait; out: those to take */
    int64_t due_ns;               /* of the oldest, see `due` */
    enum e2b_sched_reason reason; /* out */
};

struct e2b_batcher_rules {
    /* The key by which the oldest is found: a time. */
    int64_t (*due)(const struct e2b_batcher_model *model, const int64_t *values,
        const struct e2b_sched_event *ready);
    /* From when the candidate may run: now_ns or earlier if at once. */
    int64_t (*moment)(const struct e2b_batcher_model *model, const int64_t *values, int64_t now_ns,
        struct e2b_batcher_candidate *candidate);
    /* (optional) Drop the oldest? */
    bool (*hopeless)(const struct e2b_batcher_model *model, int64_t due_ns, int64_t now_ns);
    /* (optional) A batch of the model took duration_ns, 0 if it failed. */
    void (*completed)(struct e2b_batcher_model *model, const int64_t *values, int64_t duration_ns);
};

/* What `create` of a policy calls. At most `per_model` batches of a model and `in_all` of all run
 * at once; no batch holds more than `limit` slots (0: the model's largest size). */
struct e2b_batcher_spec {
    const struct e2b_batcher_rules *rules;
    const int64_t *values;
    int value_count;
    int64_t per_model, in_all, limit;
};

enum e2b_status e2b_batcher_create(const struct e2b_sched_model *models, int model_count,
    const struct e2b_batcher_spec *spec, struct e2b_policy **out, struct e2b_error *err);
/* The rest of struct e2b_policy_ops. */
void e2b_batcher_destroy(struct e2b_policy *policy);
void e2b_batcher_on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions);
int e2b_batcher_waiting(const struct e2b_policy *policy, int model);

/* Alone, a batch of `count` takes this long: that of the smallest size that holds it. 0 unknown. */
int64_t e2b_batcher_duration_ns(const struct e2b_batcher_model *model, int count);
int e2b_batcher_limit(const struct e2b_batcher_model *model);

#endif
