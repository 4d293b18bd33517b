#include "tools/lab/tune.h"

#include "tests/support.h"
#include "tests/tools/lab/bench.h"

#include <string.h>

static const struct e2b_policy_option *option_of(
    const struct e2b_policy_ops *ops, const char *name) {
    for (int i = 0; ops->options[i].name; i++)
        if (!strcmp(ops->options[i].name, name))
            return &ops->options[i];
    fail_msg("%s has no option %s", ops->name, name);
    return NULL;
}

static void grids_stay_within_their_options(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 4};
    for (const struct e2b_policy_ops *const *ops = e2b_policy_all(); *ops; ops++)
        for (int i = 0; (*ops)->options && (*ops)->options[i].name; i++) {
            const struct e2b_policy_option *option = &(*ops)->options[i];
            int64_t values[E2B_LAB_MOST_CANDIDATES];
            int count = e2b_lab_grid(option, sizes, 3, 8000000, values);
            for (int j = 0; j < count; j++)
                assert_true(values[j] >= option->min && values[j] <= option->max);
        }
}

static void waits_follow_the_target_and_batches_the_sizes(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 4};
    const struct e2b_policy_ops *ops = e2b_policy_find("tfserving");
    int64_t values[E2B_LAB_MOST_CANDIDATES];
    assert_int_equal(e2b_lab_grid(option_of(ops, "max_batch_size"), sizes, 3, 8000000, values), 3);
    assert_int_equal(values[2], 4);
    assert_int_equal(
        e2b_lab_grid(option_of(ops, "batch_timeout_micros"), sizes, 3, 8000000, values), 8);
    assert_int_equal(values[6], 2000);
    assert_int_equal(values[7], 4000);
}

/* A bad start, one thread and a long wait for full batches, is left behind. */
static void tuning_finds_what_is_better(void **state) {
    (void)state;
    struct e2b_lab_setup setup;
    struct e2b_lab_contender bad, best;
    struct e2b_lab_arrivals arrivals = {.kind = E2B_LAB_POISSON};
    struct e2b_lab_outcome before, after;
    struct e2b_error err = {0};
    const struct e2b_lab_setup_spec spec = {.rig = {.table = bench_table(),
                                                .models = {{"a", 0}},
                                                .model_count = 1,
                                                .instances = 1,
                                                .slots = 64,
                                                .precision = E2B_F32,
                                                .percentile = 0.99},
        .target_factor = 3,
        .seconds = 1};
    bench_quiet();
    assert_ok(e2b_lab_setup_init(&setup, &spec, &err), err);
    assert_ok(e2b_lab_contender_parse(
                  "tfserving:batch_timeout_micros=50000,num_batch_threads=1", &bad, &err),
        err);
    assert_ok(e2b_lab_tune(&setup, &bad, &arrivals, 30, 77, 30, &best, &err), err);
    print_message("best: %s\n", best.name);
    assert_ok(e2b_lab_probe(&setup, &bad, &arrivals, 30, 5, &before, &err), err);
    assert_ok(e2b_lab_probe(&setup, &best, &arrivals, 30, 5, &after, &err), err);
    assert_true(before.violations > 0.2);
    assert_true(after.violations < 0.05);
    e2b_lab_setup_finish(&setup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_stay_within_their_options),
        cmocka_unit_test(waits_follow_the_target_and_batches_the_sizes),
        cmocka_unit_test(tuning_finds_what_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
