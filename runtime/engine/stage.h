/* Launches as stages of a merged one (merge.h): how they are cut into jobs, and whether it pays. */
#ifndef E2B_ENGINE_STAGE_H
#define E2B_ENGINE_STAGE_H

#include "runtime/engine/plan.h"

/* What a chain's launches have in common. */
struct e2b_staging {
    const struct e2b_traits *traits;
    enum e2b_dtype precision; /* of the graph */
    size_t items;             /* a group */
};

/* The size of group that most launches have, of those where it matters if there are any. */
size_t e2b_stages_items(const struct e2b_traits *traits, const struct e2b_step *steps, int count);
/* Groups that run at once, or more: those that come late find nothing to do. */
size_t e2b_stage_workers(const struct e2b_staging *staging);

/* A launch's groups along a dimension, or its jobs, 1, 1. */
int64_t e2b_stage_groups(const struct e2b_launch *launch, int dimension);
/* Jobs of a stage, and how many of its parts are one (kernels/chain.h). */
int64_t e2b_stage_jobs(const struct e2b_staging *staging, const struct e2b_launch *launch);
int64_t e2b_stage_parts_a_job(const struct e2b_staging *staging, const struct e2b_launch *launch);

/* Whether a launch gains from being a stage: not if it fills a GPU for long. */
bool e2b_stage_suits(const struct e2b_staging *staging, const struct e2b_launch *launch);
/* Whether the launches that are saved are worth a compilation. */
bool e2b_stages_pay(const struct e2b_staging *staging, const struct e2b_step *steps, int count);

/* The size that groups of a graph's launches should have since they will be merged; 0: any. */
int e2b_merge_items(
    const struct e2b_traits *traits, const struct e2b_graph *graph, enum e2b_merge_rule rule);

#endif
