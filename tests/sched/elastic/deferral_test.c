#include "sched/elastic/deferral.h"

#include "tests/sched/elastic/fixture.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_elastic;

static void a_batch_is_held_when_the_next_request_is_near(void **state) {
    (void)state; /* one every 100 ns, and two take hardly longer than one */
    struct e2b_sched_model model = known_model(1);
    model.solo_ns[1] = 1010;
    model.solo_ns[2] = 1030;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "patience_us=1");
    struct e2b_sched_actions actions = {0};
    int64_t now_ns = 0;
    for (int i = 0; i < 200; i++) { /* all withdrawn: only their rate is noted */
        now_ns += 100;
        struct e2b_sched_event event = MORE(now_ns, 0), gone = GONE(now_ns, 0);
        gone.more = true;
        ops->on_event(policy, &event, &actions);
        ops->on_event(policy, &gone, &actions);
    }
    struct e2b_sched_event first = READY(now_ns + 100, 1), second = READY(now_ns + 200, 2);
    struct e2b_sched_event timer = TIMER(0);
    ops->on_event(policy, &first, &actions);
    assert_int_equal(actions.count, 1);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_SET_TIMER);
    assert_int_equal(actions.list[0].reason, E2B_SCHED_GROWING_REASON);
    timer.now_ns = actions.list[0].timer_ns;
    assert_true(timer.now_ns <= first.now_ns + model.solo_ns[2] / 2);
    actions.count = 0;
    ops->on_event(policy, &second, &actions);
    ops->on_event(policy, &timer, &actions);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_RUN);
    assert_int_equal(actions.list[0].count, 2);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_held_when_the_next_request_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
