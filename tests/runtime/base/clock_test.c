#include "runtime/base/clock.h"

#include "tests/support.h"
#include <signal.h>
#include <sys/time.h>

static void time_never_goes_back(void **state) {
    (void)state;
    int64_t last = e2b_clock_ns();
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        int64_t now = e2b_clock_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void sleep_lasts_at_least_as_long_as_asked(void **state) {
    (void)state;
    int64_t start = e2b_clock_ns();
    e2b_clock_sleep_ns(5000000);
    assert_true(e2b_clock_ns() - start >= 5000000);
    e2b_clock_sleep_ns(0);
    e2b_clock_sleep_ns(INT64_MIN);
}

static void ignore(int signal) {
    (void)signal;
}

static void sleep_goes_on_after_a_signal(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = ignore}, before;
    struct itimerval every_ms = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    int64_t start = e2b_clock_ns();
    setitimer(ITIMER_REAL, &every_ms, NULL);
    e2b_clock_sleep_ns(20000000);
    setitimer(ITIMER_REAL, &off, NULL);
    assert_true(e2b_clock_ns() - start >= 20000000);
    sigaction(SIGALRM, &before, NULL);
}

static void median_of_durations(void **state) {
    (void)state;
    int64_t one[] = {7}, odd[] = {5, INT64_MAX, 0, 9, 5}, even[] = {4, 1, 3, 2};
    assert_int_equal(e2b_clock_median_ns(one, 1), 7);
    assert_int_equal(e2b_clock_median_ns(odd, 5), 5);
    assert_int_equal(e2b_clock_median_ns(even, 4), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(sleep_lasts_at_least_as_long_as_asked),
        cmocka_unit_test(sleep_goes_on_after_a_signal),
        cmocka_unit_test(median_of_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
