#include "sched/slots.h"

#include "tests/support.h"

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 8,
    .size_count = 3,
    .sizes = {1, 2, 4},
    .instances = {1, 1, 1},
    .weight = 1};

struct fixture {
    struct e2b_sched_slots slots;
    struct e2b_sched_actions actions;
};

static struct fixture fixture_of(const int *ready, int count) {
    struct fixture fixture = {0};
    assert_true(e2b_sched_slots_init(&fixture.slots, &model));
    for (int i = 0; i < count; i++)
        e2b_sched_slots_ready(&fixture.slots, ready[i], 0, i, INT64_MAX);
    return fixture;
}

#define FIXTURE(...)                                                                               \
    fixture_of((const int[]){__VA_ARGS__}, (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)))

static void finish(struct fixture *fixture) {
    e2b_sched_slots_finish(&fixture->slots);
    e2b_sched_actions_finish(&fixture->actions);
}

static void expect_form(struct fixture *fixture, int most, int first, int count, int size_index) {
    struct e2b_sched_batch batch;
    assert_true(e2b_sched_slots_form(&fixture->slots, most, &batch));
    assert_int_equal(batch.first, first);
    assert_int_equal(batch.count, count);
    assert_int_equal(batch.size_index, size_index);
}

static void a_batch_is_padded_where_that_is_allowed(void **state) {
    (void)state;
    struct fixture fixture = FIXTURE(0, 1, 2);
    expect_form(&fixture, 4, 0, 3, 2);
    expect_form(&fixture, 2, 0, 2, 1);
    finish(&fixture);
    fixture = FIXTURE(5, 6, 7); /* four would pass the end */
    expect_form(&fixture, 4, 5, 2, 1);
    finish(&fixture);
    fixture = FIXTURE(7, 6, 5);
    expect_form(&fixture, 4, 6, 2, 1); /* cut, with the oldest */
    finish(&fixture);
    fixture = FIXTURE(0, 1, 2, 3); /* and here hit a ready slot */
    expect_form(&fixture, 3, 0, 2, 1);
    finish(&fixture);
}

static void a_slot_that_is_padded_over_is_held_back(void **state) {
    (void)state;
    struct fixture fixture = FIXTURE(0, 1, 2);
    struct e2b_sched_batch batch;
    assert_true(e2b_sched_slots_form(&fixture.slots, 4, &batch));
    assert_non_null(
        e2b_sched_slots_run(&fixture.slots, 0, E2B_SCHED_IDLE_REASON, &batch, &fixture.actions));
    e2b_sched_slots_ready(&fixture.slots, 3, 0, 10, INT64_MAX);
    assert_int_equal(e2b_sched_slots_waiting(&fixture.slots), 1);
    assert_false(e2b_sched_slots_form(&fixture.slots, 4, &batch));
    assert_false(e2b_sched_slots_can_pad(&fixture.slots, 3, 4));
    e2b_sched_slots_withdraw(&fixture.slots, 3);
    assert_int_equal(e2b_sched_slots_waiting(&fixture.slots), 0);
    e2b_sched_slots_ready(&fixture.slots, 3, 0, 10, 77);
    e2b_sched_slots_completed(&fixture.slots, 2, 0);
    expect_form(&fixture, 4, 3, 1, 0);
    int slot;
    assert_int_equal(e2b_sched_waiting_deadline(&fixture.slots.waiting, &slot), 77);
    assert_int_equal(fixture.slots.in_flight, 0);
    assert_true(e2b_sched_slots_can_pad(&fixture.slots, 0, 3));
    finish(&fixture);
}

static void expect_window(
    struct fixture *fixture, int slot, int size_index, int first, int span, int count) {
    struct e2b_sched_batch batch;
    assert_true(e2b_sched_slots_window(&fixture->slots, slot, size_index, &batch));
    assert_int_equal(batch.first, first);
    assert_int_equal(batch.span, span);
    assert_int_equal(batch.count, count);
    assert_int_equal(batch.size_index, size_index);
}

static void a_window_may_have_holes(void **state) {
    (void)state;
    struct fixture fixture = FIXTURE(1, 2, 4, 7);
    expect_window(&fixture, 1, 2, 1, 4, 3);
    expect_window(&fixture, 2, 2, 1, 4, 3); /* more than from 2 on */
    expect_window(&fixture, 4, 1, 4, 1, 1);
    expect_window(&fixture, 7, 2, 4, 4, 2); /* beyond 7 there is nothing */
    expect_window(&fixture, 7, 0, 7, 1, 1);
    finish(&fixture);
    fixture = FIXTURE(0, 2, 4); /* as many before it as behind it */
    expect_window(&fixture, 2, 2, 2, 3, 2);
    finish(&fixture);
}

static void a_batch_with_holes_runs_what_waits_and_holds_the_rest_back(void **state) {
    (void)state;
    struct fixture fixture = FIXTURE(1, 2, 4, 5);
    struct e2b_sched_batch batch;
    assert_true(e2b_sched_slots_window(&fixture.slots, 1, 2, &batch));
    const struct e2b_sched_action *action =
        e2b_sched_slots_run(&fixture.slots, 0, E2B_SCHED_PADDED_REASON, &batch, &fixture.actions);
    assert_int_equal(action->first, 1);
    assert_int_equal(action->span, 4);
    assert_int_equal(action->count, 3);
    assert_int_equal(e2b_sched_slots_waiting(&fixture.slots), 1);
    e2b_sched_slots_ready(&fixture.slots, 3, 0, 9, INT64_MAX); /* the hole */
    assert_int_equal(e2b_sched_slots_waiting(&fixture.slots), 2);
    assert_int_equal(e2b_sched_waiting_head(&fixture.slots.waiting), 5);
    expect_window(&fixture, 5, 1, 5, 1, 1);
    assert_false(e2b_sched_slots_window(&fixture.slots, 5, 2, &batch)); /* 1 to 4 are written */
    assert_true(e2b_bitset_has(&fixture.slots.running, 4));
    assert_false(e2b_bitset_has(&fixture.slots.running, 3));
    e2b_sched_slots_completed(&fixture.slots, 2, 0);
    assert_int_equal(fixture.slots.running.count, 0);
    expect_window(&fixture, 5, 2, 3, 3, 2);
    finish(&fixture);
}

static void what_is_rejected_no_longer_waits(void **state) {
    (void)state;
    struct fixture fixture = FIXTURE(4);
    assert_true(
        e2b_sched_slots_reject(&fixture.slots, 0, E2B_SCHED_HOPELESS_REASON, 4, &fixture.actions));
    assert_int_equal(fixture.actions.list[0].kind, E2B_SCHED_REJECT);
    assert_int_equal(fixture.actions.list[0].first, 4);
    assert_int_equal(e2b_sched_slots_waiting(&fixture.slots), 0);
    finish(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_padded_where_that_is_allowed),
        cmocka_unit_test(a_slot_that_is_padded_over_is_held_back),
        cmocka_unit_test(a_window_may_have_holes),
        cmocka_unit_test(a_batch_with_holes_runs_what_waits_and_holds_the_rest_back),
        cmocka_unit_test(what_is_rejected_no_longer_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
