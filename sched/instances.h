/* A policy's view of one model's instances: which batch sizes there are, which instances are free,
 * and how long a batch takes at best. Also the checks that all policies make of their models. */
#ifndef E2B_SCHED_INSTANCES_H
#define E2B_SCHED_INSTANCES_H

#include "sched/policy.h"

#define E2B_SCHED_MAX_INSTANCES 64 /* of one size */

struct e2b_sched_instances {
    int size_count;
    int sizes[E2B_SCHED_MAX_SIZES];
    uint64_t unused[E2B_SCHED_MAX_SIZES]; /* bit: instance */
    int64_t best_ns[E2B_SCHED_MAX_SIZES]; /* 0: unknown */
};

/* INVALID names the model and what is wrong. Size 1 must exist: whatever gaps lie between
 * the ready slots, each can then run. */
enum e2b_status e2b_sched_models_check(
    const struct e2b_sched_model *models, int model_count, struct e2b_error *err);
int e2b_sched_models_instances(const struct e2b_sched_model *models, int model_count); /* all */

void e2b_sched_instances_init(
    struct e2b_sched_instances *instances, const struct e2b_sched_model *model);

bool e2b_sched_instances_free(const struct e2b_sched_instances *instances, int size_index);
int e2b_sched_instances_take(struct e2b_sched_instances *instances, int size_index); /* lowest */
void e2b_sched_instances_give(struct e2b_sched_instances *instances, int size_index, int instance);

/* A batch took duration_ns: what is quicker than thought lowers the estimate by an eighth of the
 * difference. Slower ones do not raise it: they may have had company. */
void e2b_sched_instances_learn(
    struct e2b_sched_instances *instances, int size_index, int64_t duration_ns);
/* Least time that any batch takes, alone; 0 if unknown. */
int64_t e2b_sched_instances_best_ns(const struct e2b_sched_instances *instances);

#endif
