#include "runtime/engine/batch.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

struct notes {
    int computed, copied, between;
    enum e2b_event_state state;
};

static struct notes notes;

static void on_computed(void *batch, enum e2b_event_state state) {
    (void)batch;
    notes.computed++;
    notes.state = state;
}

static void on_copied(void *batch, enum e2b_event_state state) {
    (void)batch;
    (void)state;
    notes.copied++;
}

static void on_between(void *batch) {
    (void)batch;
    notes.between++;
}

static const struct e2b_batch_callbacks callbacks = {on_computed, on_copied, on_between};

struct setting {
    struct fixture fixture;
    struct e2b_batch batch;
};

static void open_setting(struct setting *setting) {
    setting->fixture = fixture_open(fixture_sim(), true, 4);
    setting->batch = (struct e2b_batch){
        .served = setting->fixture.served, .first = 1, .span = 2, .count = 2, .size_index = 1};
    e2b_batch_take(&setting->batch, 1);
    e2b_batch_take(&setting->batch, 2);
    notes = (struct notes){0};
}

static void close_setting(struct setting *setting) {
    e2b_batch_leave(&setting->batch, 1);
    e2b_batch_leave(&setting->batch, 2);
    struct e2b_device *device = setting->fixture.device;
    assert_int_equal(e2b_sim_objects(device).events, 0);
    fixture_close(&setting->fixture);
}

static void both_notifications_come_once_with_times(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    open_setting(&setting);
    struct e2b_device *device = setting.fixture.device;
    int64_t before_ns = device->ops->now_ns(device), started_ns = 0, ended_ns = 0;
    assert_ok(e2b_batch_start(&setting.batch, &callbacks, &err), err);
    assert_int_equal(notes.computed + notes.copied, 0);
    assert_int_equal(notes.between, e2b_plan_step_count(setting.fixture.served->sizes[1].plan) - 1);
    e2b_sim_run_until_idle(device);
    assert_int_equal(notes.computed, 1);
    assert_int_equal(notes.copied, 1);
    assert_int_equal(notes.state, E2B_EVENT_DONE);
    e2b_batch_span(&setting.batch, &started_ns, &ended_ns);
    assert_true(started_ns >= before_ns);
    assert_true(ended_ns - started_ns >= FIXTURE_KERNEL_NS);
    e2b_batch_finish(&setting.batch);
    close_setting(&setting);
}

static void a_hole_is_no_part_of_a_batch(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting);
    struct e2b_batch batch = {.served = setting.fixture.served, .first = 0, .span = 4, .count = 2};
    e2b_batch_take(&batch, 0); /* 1 and 2 are of the other batch */
    e2b_batch_take(&batch, 3);
    assert_int_equal(e2b_batch_next(&batch, 0), 0);
    assert_int_equal(e2b_batch_next(&batch, 1), 3);
    e2b_batch_leave(&batch, 3);
    assert_int_equal(e2b_batch_next(&batch, 1), 4);
    e2b_batch_leave(&batch, 0);
    close_setting(&setting);
}

static void a_start_that_fails_notifies_nobody(void **state) {
    (void)state;
    for (int nth = 1; nth <= 3; nth++) {
        struct setting setting;
        struct e2b_error err = {0};
        open_setting(&setting);
        e2b_sim_fail_nth(setting.fixture.device, E2B_SIM_FAULT_ENQUEUE, nth);
        assert_int_equal(e2b_batch_start(&setting.batch, &callbacks, &err), E2B_DEVICE);
        e2b_sim_run_until_idle(setting.fixture.device);
        assert_int_equal(notes.computed + notes.copied, 0);
        close_setting(&setting);
    }
}

static void without_events_the_fallback_times_stay(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting);
    int64_t started_ns = 3, ended_ns = 4;
    e2b_batch_span(&setting.batch, &started_ns, &ended_ns);
    assert_int_equal(started_ns, 3);
    assert_int_equal(ended_ns, 4);
    close_setting(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_notifications_come_once_with_times),
        cmocka_unit_test(a_hole_is_no_part_of_a_batch),
        cmocka_unit_test(a_start_that_fails_notifies_nobody),
        cmocka_unit_test(without_events_the_fallback_times_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
