#include "sched/policy.h"

#include "sched/aimd.h"
#include "sched/deferred.h"
#include "sched/ebird.h"
#include "sched/elastic.h"
#include "sched/greedy_idle.h"
#include "sched/tfserving.h"
#include "sched/triton.h"
#include <stdlib.h>
#include <string.h>

static const char *const reasons[E2B_SCHED_REASON_COUNT] = {
#define ROW(name, text) [E2B_SCHED_##name##_REASON] = text,
    E2B_SCHED_REASON_TABLE(ROW)
#undef ROW
};

static const struct e2b_policy_ops *const policies[] = {
    &e2b_policy_elastic,
    &e2b_policy_tfserving,
    &e2b_policy_triton,
    &e2b_policy_aimd,
    &e2b_policy_deferred,
    &e2b_policy_ebird,
    &e2b_policy_greedy_idle,
    NULL,
};

const char *e2b_sched_reason_text(enum e2b_sched_reason reason) {
    return reasons[reason];
}

const struct e2b_policy_ops *e2b_policy_find(const char *name) {
    for (int i = 0; policies[i]; i++)
        if (strcmp(policies[i]->name, name) == 0)
            return policies[i];
    return NULL;
}

const struct e2b_policy_ops *const *e2b_policy_all(void) {
    return policies;
}

struct e2b_sched_action *e2b_sched_actions_add(struct e2b_sched_actions *actions) {
    if (actions->count == actions->capacity) {
        int capacity = actions->capacity ? 2 * actions->capacity : 16;
        struct e2b_sched_action *list =
            realloc(actions->list, (size_t)capacity * sizeof *actions->list);
        if (!list)
            return NULL;
        actions->list = list;
        actions->capacity = capacity;
    }
    struct e2b_sched_action *action = &actions->list[actions->count++];
    *action = (struct e2b_sched_action){0};
    return action;
}

void e2b_sched_actions_finish(struct e2b_sched_actions *actions) {
    free(actions->list);
    *actions = (struct e2b_sched_actions){0};
}
