#include "tools/lab/setup.h"

#include "tests/support.h"
#include "tests/tools/lab/bench.h"

#include <math.h>

static void open_setup(struct e2b_lab_setup *setup, int models) {
    struct e2b_lab_setup_spec spec = {.rig = {.table = bench_table(),
                                          .model_count = models,
                                          .instances = 1,
                                          .slots = 64,
                                          .precision = E2B_F32,
                                          .percentile = 0.99},
        .target_factor = 4,
        .seconds = 2};
    struct e2b_error err = {0};
    for (int i = 0; i < models; i++)
        spec.rig.models[i].file = bench_table()->models[i].name;
    bench_quiet();
    assert_ok(e2b_lab_setup_init(setup, &spec, &err), err);
}

/* Eight samples in 3 ms, and in 6 ms. */
static void capacity_and_targets_follow_from_the_table(void **state) {
    (void)state;
    struct e2b_lab_setup setup;
    open_setup(&setup, 2);
    assert_true(fabs(setup.capacity_per_s[0] / (8 / 0.003) - 1) < 0.05);
    assert_true(fabs(setup.capacity_per_s[1] / (8 / 0.006) - 1) < 0.05);
    assert_true(fabs(setup.largest_ms[0] - 3) < 0.1);
    assert_true(fabs((double)setup.rig.models[1].target_ns / 24e6 - 1) < 0.05);
    e2b_lab_setup_finish(&setup);
}

/* Below the peak the target is kept, some percent above it is not. */
static void the_peak_parts_loads_that_keep_the_target(void **state) {
    (void)state;
    struct e2b_lab_setup setup;
    struct e2b_lab_contender contender;
    struct e2b_lab_arrivals arrivals = {.kind = E2B_LAB_POISSON};
    struct e2b_lab_outcome at_peak, above;
    struct e2b_error err = {0};
    double peak, again;
    open_setup(&setup, 1);
    assert_ok(e2b_lab_contender_parse("greedy_idle", &contender, &err), err);
    assert_ok(e2b_lab_peak(&setup, &contender, &arrivals, 1, &peak, &at_peak, &err), err);
    print_message("peak %.1f %%, p99 %.2f ms\n", peak, (double)at_peak.all.latency.p99_ns / 1e6);
    assert_true(peak > 50 && peak < 110);
    assert_true(at_peak.worst_violations <= 0.01 + 1e-9);
    assert_ok(e2b_lab_probe(&setup, &contender, &arrivals, peak + 10, 1, &above, &err), err);
    assert_true(above.worst_violations > 0.01);
    assert_ok(e2b_lab_peak(&setup, &contender, &arrivals, 1, &again, &at_peak, &err), err);
    assert_true(peak == again);
    e2b_lab_setup_finish(&setup);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(capacity_and_targets_follow_from_the_table),
        cmocka_unit_test(the_peak_parts_loads_that_keep_the_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
