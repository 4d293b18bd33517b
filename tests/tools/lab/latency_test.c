#include "tools/lab/latency.h"

#include "tests/support.h"

static void quantiles_are_values_that_occurred(void **state) {
    (void)state;
    int64_t values[1000];
    struct e2b_lab_latency latency;
    for (int i = 0; i < 1000; i++)
        values[i] = 10 * ((i * 7) % 1000 + 1);
    e2b_lab_latency_of(values, 1000, &latency);
    assert_int_equal(latency.count, 1000);
    assert_int_equal(latency.p50_ns, 5000);
    assert_int_equal(latency.p95_ns, 9500);
    assert_int_equal(latency.p99_ns, 9900);
    assert_int_equal(latency.p999_ns, 9990);
    assert_int_equal(latency.max_ns, 10000);
    assert_true(latency.mean_ns == 5005);
}

static void one_and_none_have_quantiles(void **state) {
    (void)state;
    int64_t one[] = {42};
    struct e2b_lab_latency latency;
    e2b_lab_latency_of(one, 1, &latency);
    assert_int_equal(latency.p50_ns, 42);
    assert_int_equal(latency.p999_ns, 42);
    e2b_lab_latency_of(one, 0, &latency);
    assert_int_equal(latency.count, 0);
    assert_int_equal(latency.max_ns, 0);
    assert_int_equal(e2b_lab_quantile(one, 1, 0), 42);
    assert_int_equal(e2b_lab_quantile(one, 0, 0.5), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_values_that_occurred),
        cmocka_unit_test(one_and_none_have_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
