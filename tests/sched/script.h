/* Scripted runs of a policy: events in, expected actions as text. */
#ifndef E2B_TESTS_SCHED_SCRIPT_H
#define E2B_TESTS_SCHED_SCRIPT_H

#include "sched/policy.h"

/* expected: the actions, in order, separated by spaces; "" none.
 *   run0:4+3/4#1(IDLE)   model 0, slots 4..6 on instance 1 of size 4
 *   drop0:7(HOPELESS)    model 0, slot 7
 *   timer@500            */
struct e2b_script_step {
    struct e2b_sched_event event;
    const char *expected;
};

#define READY_OF(m, t, s)                                                                          \
    {                                                                                              \
        .kind = E2B_SCHED_READY, .now_ns = t, .model = m, .slot = s, .arrival_ns = t,              \
        .deadline_ns = INT64_MAX                                                                   \
    }
#define READY(t, s) READY_OF(0, t, s)
#define READY_BY(t, s, deadline)                                                                   \
    { .kind = E2B_SCHED_READY, .now_ns = t, .slot = s, .arrival_ns = t, .deadline_ns = deadline }
#define READY_PRIORITY(t, s, p)                                                                    \
    {                                                                                              \
        .kind = E2B_SCHED_READY, .now_ns = t, .slot = s, .arrival_ns = t,                          \
        .deadline_ns = INT64_MAX, .priority = p                                                    \
    }
#define MORE(t, s)                                                                                 \
    {                                                                                              \
        .kind = E2B_SCHED_READY, .now_ns = t, .more = true, .slot = s, .arrival_ns = t,            \
        .deadline_ns = INT64_MAX                                                                   \
    }
#define DONE(t, size, i)                                                                           \
    {                                                                                              \
        .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size, .instance = i,               \
        .duration_ns = 1000                                                                        \
    }
#define GONE(t, s)                                                                                 \
    { .kind = E2B_SCHED_CANCELLED, .now_ns = t, .slot = s }
#define TIMER(t)                                                                                   \
    { .kind = E2B_SCHED_TIMER, .now_ns = t }

/* options: "name=value name=value"; others take their fallback. */
struct e2b_policy *e2b_script_policy(const struct e2b_policy_ops *ops,
    const struct e2b_sched_model *models, int model_count, const char *options);

/* Feed the steps and compare; fails the cmocka test with the step's number. Destroys policy. */
void e2b_script_run(const struct e2b_policy_ops *ops, struct e2b_policy *policy,
    const struct e2b_sched_model *models, const struct e2b_script_step *steps, int count);

#define SCRIPT_RUN(ops, policy, models, steps)                                                     \
    e2b_script_run(ops, policy, models, steps, (int)(sizeof(steps) / sizeof(*(steps))))

/* Values of a policy's options, at most 16. */
void e2b_script_values(const struct e2b_policy_ops *ops, const char *options, int64_t *values);

#endif
