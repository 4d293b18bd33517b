#include "sched/backlog.h"

#include "tests/support.h"

static void requests_are_counted_by_due_time_to_a_bucket(void **state) {
    (void)state;
    struct e2b_sched_backlog backlog;
    e2b_sched_backlog_init(&backlog, 3200); /* buckets of 101 ns */
    e2b_sched_backlog_add(&backlog, 1000, 3);
    e2b_sched_backlog_add(&backlog, 2000, 2);
    e2b_sched_backlog_add(&backlog, 3100, 1);
    assert_int_equal(e2b_sched_backlog_until(&backlog, 850), 0);
    assert_int_equal(e2b_sched_backlog_until(&backlog, 1000), 3);
    assert_int_equal(e2b_sched_backlog_until(&backlog, 2050), 5);
    assert_int_equal(e2b_sched_backlog_until(&backlog, INT64_MAX / 2), 6);
    e2b_sched_backlog_add(&backlog, 1000, -3);
    assert_int_equal(e2b_sched_backlog_until(&backlog, 3200), 3);
}

static void the_ring_goes_round(void **state) {
    (void)state;
    struct e2b_sched_backlog backlog;
    e2b_sched_backlog_init(&backlog, 3200);
    for (int64_t now_ns = 0; now_ns < 100000; now_ns += 50) {
        e2b_sched_backlog_pass(&backlog, now_ns);
        e2b_sched_backlog_add(&backlog, now_ns + 3200, 1);
        if (now_ns >= 3200)
            e2b_sched_backlog_add(&backlog, now_ns, -1);
        assert_int_equal(
            e2b_sched_backlog_until(&backlog, now_ns + 3200), now_ns < 3200 ? now_ns / 50 + 1 : 64);
    }
}

/* What is due and does not leave stays counted, however long, and can still leave. */
static void the_overdue_are_kept(void **state) {
    (void)state;
    struct e2b_sched_backlog backlog;
    e2b_sched_backlog_init(&backlog, 3200);
    int64_t now_ns = 0;
    for (int i = 0; i < 1000; i++, now_ns += 50) {
        e2b_sched_backlog_pass(&backlog, now_ns);
        e2b_sched_backlog_add(&backlog, now_ns + 3200, 1);
    }
    assert_in_range(
        e2b_sched_backlog_until(&backlog, now_ns - 3200), 1000 - 2 * 64, 1000 - 2 * 64 + 2);
    now_ns += INT64_C(1000000000000000);
    e2b_sched_backlog_pass(&backlog, now_ns);
    assert_int_equal(e2b_sched_backlog_until(&backlog, now_ns), 1000);
    for (int i = 0; i < 1000; i++)
        e2b_sched_backlog_add(&backlog, i * 50 + 3200, -1);
    assert_int_equal(e2b_sched_backlog_until(&backlog, now_ns + 3200), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_by_due_time_to_a_bucket),
        cmocka_unit_test(the_ring_goes_round),
        cmocka_unit_test(the_overdue_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
