#include "backends/opencl/timeline.h"

#include "tests/support.h"

/* A device clock that is ahead of ours by `offset`. */
static struct e2b_timeline_sample sample(int64_t before, int64_t took, int64_t offset) {
    return (struct e2b_timeline_sample){
        .before_ns = before,
        .after_ns = before + took,
        .queued_ns = before + took / 4 + offset,
        .ended_ns = before + took / 2 + offset,
    };
}

static void the_tightest_sample_decides(void **state) {
    struct e2b_timeline timeline = {0};
    const int64_t offset = 123456789;
    const struct e2b_timeline_sample samples[] = {
        sample(1000, 80000, offset), sample(200000, 400, offset), sample(300000, 8000, offset)};
    (void)state;
    e2b_timeline_start(&timeline, samples, 3);
    int64_t ours = e2b_timeline_ours(&timeline, 500000 + offset);
    assert_in_range(ours, 500000 - 400, 500000 + 400);
}

static void no_samples_leave_the_clock_as_it_is(void **state) {
    struct e2b_timeline timeline = {0};
    (void)state;
    e2b_timeline_start(&timeline, NULL, 0);
    assert_int_equal(e2b_timeline_ours(&timeline, 42), 42);
}

static void drift_is_followed(void **state) {
    struct e2b_timeline timeline = {0};
    const struct e2b_timeline_sample first = sample(0, 1000, 5000);
    int64_t now = 0;
    (void)state;
    e2b_timeline_start(&timeline, &first, 1);
    for (int drift = -300; drift <= 300; drift += 600)
        for (int second = 0; second < 1000; second++) {
            static int64_t offset = 5000;
            struct e2b_timeline_sample one = sample(now += 1000000000, 20000, offset += drift);
            e2b_timeline_correct(&timeline, &one);
            int64_t wrong = e2b_timeline_ours(&timeline, one.ended_ns) - (now + 10000);
            assert_in_range(wrong + 10000, 0, 20000);
        }
}

static void impossible_samples_are_ignored(void **state) {
    struct e2b_timeline timeline = {0};
    const struct e2b_timeline_sample bad = {
        .before_ns = 1000, .after_ns = 1100, .queued_ns = 100, .ended_ns = 90000};
    (void)state;
    e2b_timeline_correct(&timeline, &bad);
    assert_int_equal(e2b_timeline_ours(&timeline, 7), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tightest_sample_decides),
        cmocka_unit_test(no_samples_leave_the_clock_as_it_is),
        cmocka_unit_test(drift_is_followed),
        cmocka_unit_test(impossible_samples_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
