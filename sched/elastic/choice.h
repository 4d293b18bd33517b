/* Which batch a model runs next: each free size around the oldest request, filled or padded, alone
 * or with smaller ones for the rest, is weighed by the predicted ends of all whom it concerns, and
 * against waiting for room. Nothing is changed. */
#ifndef E2B_SCHED_ELASTIC_CHOICE_H
#define E2B_SCHED_ELASTIC_CHOICE_H

#include "sched/elastic/state.h"

struct e2b_elastic_choice {
    struct e2b_sched_batch batch;
    struct e2b_forecast_outcome outcome; /* if it starts now */
    double cost;
    bool start; /* false: wait for room */
};

/* Requests that have to wait for what the model does with the device: those of other models, and
 * those that will come until the backlog is gone. */
double e2b_elastic_followers(const struct e2b_policy *policy, int index);
/* The best thing to do for a model of which something waits; false if nothing can be started. */
bool e2b_elastic_choose(
    const struct e2b_policy *policy, int index, double followers, struct e2b_elastic_choice *best);

#endif
