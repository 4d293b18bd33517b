#include "sched/policy.h"

#include "tests/support.h"
#include <string.h>

static void policies_are_found_by_name(void **state) {
    (void)state;
    int count = 0;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++, count++) {
        assert_ptr_equal(e2b_policy_find((*all)->name), *all);
        assert_true(strlen((*all)->help) > 10);
    }
    assert_int_equal(count, 7);
    assert_null(e2b_policy_find("elastc"));
}

static void every_option_has_help_and_a_fallback_within_its_range(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
        for (const struct e2b_policy_option *o = (*all)->options; o && o->name; o++) {
            assert_true(strlen(o->help) > 10);
            assert_true(o->min <= o->fallback && o->fallback <= o->max);
        }
}

static void every_reason_has_a_text(void **state) {
    (void)state;
    for (int i = 0; i < E2B_SCHED_REASON_COUNT; i++)
        assert_true(strlen(e2b_sched_reason_text((enum e2b_sched_reason)i)) > 5);
    assert_string_equal(e2b_sched_reason_text(E2B_SCHED_IDLE_REASON), "device was idle");
}

static void actions_grow_and_come_zeroed(void **state) {
    (void)state;
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < 1000; i++) {
        struct e2b_sched_action *action = e2b_sched_actions_add(&actions);
        assert_non_null(action);
        assert_int_equal(action->first, 0);
        action->first = i + 1;
    }
    assert_int_equal(actions.count, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(actions.list[i].first, i + 1);
    actions.count = 0;
    assert_int_equal(e2b_sched_actions_add(&actions)->first, 0);
    e2b_sched_actions_finish(&actions);
    assert_null(actions.list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_are_found_by_name),
        cmocka_unit_test(every_option_has_help_and_a_fallback_within_its_range),
        cmocka_unit_test(every_reason_has_a_text),
        cmocka_unit_test(actions_grow_and_come_zeroed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
