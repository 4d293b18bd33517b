#include "tools/lab/bound.h"

#include "tests/support.h"
#include "tests/tools/lab/bench.h"

static void open_setup(struct e2b_lab_setup *setup, int models) {
    struct e2b_lab_setup_spec spec = {.rig = {.table = bench_table(),
                                          .model_count = models,
                                          .instances = 1,
                                          .slots = 64,
                                          .precision = E2B_F32,
                                          .percentile = 0.99},
        .target_factor = 3,
        .seconds = 0.5};
    struct e2b_error err = {0};
    bench_quiet();
    for (int i = 0; i < models; i++)
        spec.rig.models[i].file = bench_table()->models[i].name;
    assert_ok(e2b_lab_setup_init(setup, &spec, &err), err);
}

/* In the same run, with the same arrivals; rates are of windows that differ by the warm-up. */
static void no_policy_exceeds_it(void **state) {
    (void)state;
    struct e2b_lab_setup setup;
    struct e2b_lab_arrivals arrivals;
    struct e2b_error err = {0};
    open_setup(&setup, 1);
    assert_ok(e2b_lab_arrivals_init(&arrivals, "gamma:3", &err), err);
    assert_true(e2b_lab_has_bound(&setup, &arrivals));
    for (double load = 50; load < 200; load += 70) {
        struct e2b_lab_bound bound;
        assert_ok(e2b_lab_bound(&setup, &arrivals, load, 7, &bound, &err), err);
        assert_true(bound.clairvoyant_in_time_per_s <= bound.most_in_time_per_s);
        assert_true(bound.most_in_time_per_s <= bound.sent_per_s);
        assert_true(bound.least_p99_ns <= bound.clairvoyant_p99_ns);
        for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++) {
            struct e2b_lab_contender contender;
            struct e2b_lab_outcome outcome;
            assert_ok(e2b_lab_contender_parse((*all)->name, &contender, &err), err);
            assert_ok(e2b_lab_probe(&setup, &contender, &arrivals, load, 7, &outcome, &err), err);
            double seen = outcome.goodput_per_s * setup.spec.seconds;
            assert_true(seen <= bound.most_in_time_per_s * 1.1 * setup.spec.seconds);
            if (outcome.all.right == outcome.all.sent && load < 100)
                assert_true(outcome.all.latency.max_ns >= bound.least_p99_ns);
        }
    }
    e2b_lab_arrivals_finish(&arrivals);
    e2b_lab_setup_finish(&setup);
}

static void mixes_and_closed_loops_have_none(void **state) {
    (void)state;
    struct e2b_lab_setup setup;
    struct e2b_lab_arrivals closed, open;
    struct e2b_error err = {0};
    assert_ok(e2b_lab_arrivals_init(&closed, "closed:4", &err), err);
    assert_ok(e2b_lab_arrivals_init(&open, "poisson", &err), err);
    open_setup(&setup, 1);
    assert_false(e2b_lab_has_bound(&setup, &closed));
    e2b_lab_setup_finish(&setup);
    open_setup(&setup, 2);
    assert_false(e2b_lab_has_bound(&setup, &open));
    e2b_lab_setup_finish(&setup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_policy_exceeds_it),
        cmocka_unit_test(mixes_and_closed_loops_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
