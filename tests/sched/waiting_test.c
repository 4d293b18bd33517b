#include "sched/waiting.h"

#include "tests/support.h"

static void the_head_follows_priority_then_due_then_order(void **state) {
    (void)state;
    struct e2b_sched_waiting waiting;
    assert_true(e2b_sched_waiting_init(&waiting, 8));
    assert_int_equal(e2b_sched_waiting_head(&waiting), -1);
    e2b_sched_waiting_add(&waiting, 5, 1, 10, INT64_MAX);
    e2b_sched_waiting_add(&waiting, 3, 0, 30, INT64_MAX);
    e2b_sched_waiting_add(&waiting, 7, 0, 20, INT64_MAX);
    e2b_sched_waiting_add(&waiting, 2, 0, 20, INT64_MAX);
    const int order[] = {7, 2, 3, 5};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(e2b_sched_waiting_head(&waiting), order[i]);
        e2b_sched_waiting_remove(&waiting, order[i]);
    }
    assert_int_equal(waiting.slots.count, 0);
    e2b_sched_waiting_finish(&waiting);
}

static void only_slots_with_a_deadline_have_one(void **state) {
    (void)state;
    struct e2b_sched_waiting waiting;
    int slot;
    assert_true(e2b_sched_waiting_init(&waiting, 8));
    e2b_sched_waiting_add(&waiting, 1, 0, 0, INT64_MAX);
    assert_int_equal(e2b_sched_waiting_deadline(&waiting, &slot), INT64_MAX);
    assert_int_equal(slot, -1);
    e2b_sched_waiting_add(&waiting, 4, 0, 9, 900);
    e2b_sched_waiting_add(&waiting, 3, 0, 1, 1000);
    assert_int_equal(e2b_sched_waiting_deadline(&waiting, &slot), 900);
    assert_int_equal(slot, 4);
    e2b_sched_waiting_remove(&waiting, 4);
    assert_int_equal(e2b_sched_waiting_deadline(&waiting, &slot), 1000);
    e2b_sched_waiting_finish(&waiting);
}

static void runs_hold_the_slot_and_start_as_late_as_they_can(void **state) {
    (void)state;
    struct e2b_sched_waiting waiting;
    int count;
    assert_true(e2b_sched_waiting_init(&waiting, 10));
    for (int slot = 2; slot <= 6; slot++)
        e2b_sched_waiting_add(&waiting, slot, 0, 0, INT64_MAX);
    e2b_sched_waiting_add(&waiting, 9, 0, 0, INT64_MAX);
    assert_int_equal(e2b_sched_waiting_run(&waiting, 4, 2, &count), 4);
    assert_int_equal(count, 2);
    assert_int_equal(e2b_sched_waiting_run(&waiting, 4, 4, &count), 3);
    assert_int_equal(count, 4);
    assert_int_equal(e2b_sched_waiting_run(&waiting, 4, 8, &count), 2);
    assert_int_equal(count, 5);
    assert_int_equal(e2b_sched_waiting_run(&waiting, 9, 4, &count), 9);
    assert_int_equal(count, 1);
    assert_int_equal(e2b_sched_waiting_find(&waiting, 7, 2), 2); /* round the ring */
    assert_int_equal(e2b_sched_waiting_find(&waiting, 3, 4), 3);
    assert_int_equal(e2b_sched_waiting_find(&waiting, 0, 6), -1);
    e2b_sched_waiting_remove_run(&waiting, 2, 5);
    assert_int_equal(waiting.slots.count, 1);
    e2b_sched_waiting_finish(&waiting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_head_follows_priority_then_due_then_order),
        cmocka_unit_test(only_slots_with_a_deadline_have_one),
        cmocka_unit_test(runs_hold_the_slot_and_start_as_late_as_they_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
