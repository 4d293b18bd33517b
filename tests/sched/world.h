/* A world that plays random events to a policy and checks each of its decisions. */
#ifndef E2B_TESTS_SCHED_WORLD_H
#define E2B_TESTS_SCHED_WORLD_H

#include "sched/policy.h"

struct e2b_world_options {
    const struct e2b_sched_model *models;
    int model_count;
    const char *policy_options; /* as e2b_script_policy */
    uint64_t seed;
    long events;
    int deadline_percent, cancel_percent, priorities, burst;
};

/* What happened; `hash` is of all actions. */
struct e2b_world_result {
    uint64_t hash;
    long ready, run, rejected, cancelled, batches, padded, decisions;
    int most_waiting;
};

/* Fails the cmocka test when a decision is wrong: a slot that is not ready, an instance that is
 * busy, a run that is not of neighbours, padding over a ready or written slot, slots left over at
 * the end, a wrong count of waiting slots. */
struct e2b_world_result e2b_world_play(
    const struct e2b_policy_ops *ops, const struct e2b_world_options *options);

#endif
