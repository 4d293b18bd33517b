#include "tests/sched/script.h"

#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 4096

static const char *const reasons[] = {
#define ROW(name, text) #name,
    E2B_SCHED_REASON_TABLE(ROW)
#undef ROW
};

void e2b_script_values(const struct e2b_policy_ops *ops, const char *options, int64_t *values) {
    int found = 0, given = *options ? 1 : 0;
    for (const char *c = options; *c; c++)
        given += *c == ' ';
    for (int i = 0; ops->options && ops->options[i].name; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s=", ops->options[i].name);
        const char *at = strstr(options, key);
        values[i] = at ? atoll(at + strlen(key)) : ops->options[i].fallback;
        found += at != NULL;
    }
    assert_int_equal(found, given);
}

struct e2b_policy *e2b_script_policy(const struct e2b_policy_ops *ops,
    const struct e2b_sched_model *models, int model_count, const char *options) {
    int64_t values[16] = {0};
    struct e2b_policy *policy = NULL;
    struct e2b_error err = {0};
    e2b_script_values(ops, options, values);
    assert_ok(ops->create(models, model_count, values, &policy, &err), err);
    return policy;
}

static void write_action(
    const struct e2b_sched_model *models, const struct e2b_sched_action *action, char *text) {
    char one[128];
    switch (action->kind) {
    case E2B_SCHED_RUN:
        snprintf(one, sizeof one, "run%d:%d+%d/%d#%d(%s)", action->model, action->first,
            action->count, models[action->model].sizes[action->size_index], action->instance,
            reasons[action->reason]);
        break;
    case E2B_SCHED_REJECT:
        snprintf(one, sizeof one, "drop%d:%d(%s)", action->model, action->first,
            reasons[action->reason]);
        break;
    case E2B_SCHED_SET_TIMER:
        snprintf(one, sizeof one, "timer@%lld", (long long)action->timer_ns);
        break;
    }
    if (*text)
        strcat(text, " ");
    strcat(text, one);
}

void e2b_script_run(const struct e2b_policy_ops *ops, struct e2b_policy *policy,
    const struct e2b_sched_model *models, const struct e2b_script_step *steps, int count) {
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < count; i++) {
        char text[TEXT_BYTES] = "";
        actions.count = 0;
        ops->on_event(policy, &steps[i].event, &actions);
        for (int j = 0; j < actions.count && strlen(text) < TEXT_BYTES - 256; j++)
            write_action(models, &actions.list[j], text);
        if (strcmp(text, steps[i].expected) != 0)
            fail_msg("step %d: \"%s\", expected \"%s\"", i, text, steps[i].expected);
    }
    e2b_sched_actions_finish(&actions);
    ops->destroy(policy);
}
