#include "sched/quantile.h"

#include "tests/support.h"

static void little_is_outvoted_by_the_fallback(void **state) {
    (void)state;
    struct e2b_sched_quantile quantile = {0};
    double untold = e2b_sched_quantile_get(&quantile, 0.99, 1.5);
    assert_true(untold >= 1.5 && untold <= 1.5 * 1.05);
    e2b_sched_quantile_add(&quantile, 5);
    assert_true(e2b_sched_quantile_get(&quantile, 0.5, 1.5) == untold);
}

static void a_share_of_what_was_seen_lies_below(void **state) {
    (void)state;
    struct e2b_sched_quantile quantile = {0};
    for (int i = 0; i < 1000; i++)
        e2b_sched_quantile_add(&quantile, i % 100 < 2 ? 3 : 1);
    double half = e2b_sched_quantile_get(&quantile, 0.5, 2);
    double most = e2b_sched_quantile_get(&quantile, 0.99, 2);
    assert_true(half >= 1 && half <= 1.05);
    assert_true(most >= 3 && most <= 3 * 1.05);
}

/* What was true once is forgotten as fast downwards as upwards. */
static void old_values_fade(void **state) {
    (void)state;
    struct e2b_sched_quantile quantile = {0};
    for (int i = 0; i < 5000; i++)
        e2b_sched_quantile_add(&quantile, 4);
    for (int i = 0; i < 30000; i++)
        e2b_sched_quantile_add(&quantile, 1);
    assert_true(e2b_sched_quantile_get(&quantile, 0.99, 1) <= 1.05);
    e2b_sched_quantile_add(&quantile, 1e9);
    assert_true(e2b_sched_quantile_get(&quantile, 1, 1) < 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_is_outvoted_by_the_fallback),
        cmocka_unit_test(a_share_of_what_was_seen_lies_below),
        cmocka_unit_test(old_values_fade),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
