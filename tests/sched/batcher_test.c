#include "sched/batcher.h"

#include "tests/support.h"

#include <string.h>

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 16,
    .size_count = 3,
    .sizes = {1, 2, 4},
    .instances = {2, 2, 2},
    .solo_ns = {100, 150, 250},
    .weight = 1};

static int64_t by_arrival(const struct e2b_batcher_model *of, const int64_t *values,
    const struct e2b_sched_event *ready) {
    (void)of;
    (void)values;
    return ready->arrival_ns;
}

/* values[0]: how long the oldest is held. */
static int64_t after_a_while(const struct e2b_batcher_model *of, const int64_t *values,
    int64_t now_ns, struct e2b_batcher_candidate *candidate) {
    (void)of;
    (void)now_ns;
    candidate->reason = E2B_SCHED_TIMEOUT_REASON;
    return candidate->due_ns + values[0];
}

static const struct e2b_batcher_rules rules = {.due = by_arrival, .moment = after_a_while};

static struct e2b_policy *make(int models, int64_t hold_ns, int64_t per_model, int64_t limit) {
    const struct e2b_sched_model all[] = {model, model};
    const struct e2b_batcher_spec spec = {.rules = &rules,
        .values = &hold_ns,
        .value_count = 1,
        .per_model = per_model,
        .in_all = 4,
        .limit = limit};
    struct e2b_policy *policy = NULL;
    struct e2b_error err = {0};
    assert_ok(e2b_batcher_create(all, models, &spec, &policy, &err), err);
    return policy;
}

static void ready(struct e2b_policy *policy, int of, int slot, int64_t now_ns,
    struct e2b_sched_actions *actions) {
    const struct e2b_sched_event event = {.kind = E2B_SCHED_READY,
        .now_ns = now_ns,
        .model = of,
        .slot = slot,
        .arrival_ns = now_ns,
        .deadline_ns = INT64_MAX};
    e2b_batcher_on_event(policy, &event, actions);
}

static void tick(struct e2b_policy *policy, int64_t now_ns, struct e2b_sched_actions *actions) {
    const struct e2b_sched_event event = {.kind = E2B_SCHED_TIMER, .now_ns = now_ns};
    e2b_batcher_on_event(policy, &event, actions);
}

static void a_batch_starts_at_its_moment(void **state) {
    (void)state;
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = make(1, 1000, 1, 0);
    ready(policy, 0, 3, 10, &actions);
    assert_int_equal(actions.count, 1);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_SET_TIMER);
    assert_int_equal(actions.list[0].timer_ns, 1010);
    ready(policy, 0, 4, 20, &actions);
    ready(policy, 0, 5, 30, &actions);
    actions.count = 0;
    tick(policy, 1009, &actions);
    assert_int_equal(e2b_batcher_waiting(policy, 0), 3);
    actions.count = 0;
    tick(policy, 1010, &actions);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_RUN);
    assert_int_equal(actions.list[0].first, 3);
    assert_int_equal(actions.list[0].count, 3);
    assert_int_equal(model.sizes[actions.list[0].size_index], 4);
    assert_int_equal(e2b_batcher_waiting(policy, 0), 0);
    e2b_batcher_destroy(policy);
    e2b_sched_actions_finish(&actions);
}

static void no_batch_holds_more_than_the_limit(void **state) {
    (void)state;
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = make(1, 100, 1, 2);
    for (int slot = 0; slot < 4; slot++)
        ready(policy, 0, slot, slot, &actions);
    actions.count = 0;
    tick(policy, 100, &actions);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_RUN);
    assert_int_equal(actions.list[0].count, 2);
    assert_int_equal(e2b_batcher_waiting(policy, 0), 2);
    e2b_batcher_destroy(policy);
    e2b_sched_actions_finish(&actions);
}

static void the_model_whose_moment_came_first_goes(void **state) {
    (void)state;
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = make(2, 100, 1, 0);
    ready(policy, 1, 0, 5, &actions);
    ready(policy, 0, 0, 6, &actions);
    actions.count = 0;
    tick(policy, 200, &actions);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_RUN);
    assert_int_equal(actions.list[0].model, 1);
    assert_int_equal(actions.list[1].model, 0);
    e2b_batcher_destroy(policy);
    e2b_sched_actions_finish(&actions);
}

static void bad_models_are_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_policy *policy;
    struct e2b_sched_model bad = model;
    const int64_t hold_ns = 0;
    const struct e2b_batcher_spec spec = {
        .rules = &rules, .values = &hold_ns, .value_count = 1, .per_model = 1, .in_all = 1};
    bad.sizes[0] = 2;
    assert_fails(e2b_batcher_create(&bad, 1, &spec, &policy, &err), E2B_INVALID, "\"m\"", err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_starts_at_its_moment),
        cmocka_unit_test(no_batch_holds_more_than_the_limit),
        cmocka_unit_test(the_model_whose_moment_came_first_goes),
        cmocka_unit_test(bad_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
