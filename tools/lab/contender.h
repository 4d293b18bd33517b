/* A policy with its options, as written on a command line: "tfserving:max_batch_size=8". Behind
 * "gather/" its inputs travel as in servers without slots on the device (runtime/engine/engine.h).
 */
#ifndef E2B_TOOLS_LAB_CONTENDER_H
#define E2B_TOOLS_LAB_CONTENDER_H

#include "sched/policy.h"

#define E2B_LAB_MAX_OPTIONS 16

struct e2b_lab_contender {
    const struct e2b_policy_ops *ops;
    bool gather;
    int64_t values[E2B_LAB_MAX_OPTIONS]; /* one an option of the policy */
    char name[128];                      /* as given; of a tuned one, as found */
};

/* [gather/]NAME[:option=value,option=value]. What is not named has its fallback. */
enum e2b_status e2b_lab_contender_parse(
    const char *text, struct e2b_lab_contender *out, struct e2b_error *err);

/* Writes NAME:option=value,... of what differs from the fallbacks into name. */
void e2b_lab_contender_rename(struct e2b_lab_contender *contender);

#endif
