#include "tests/backends/sim/rig.h"

#include <string.h>

static int32_t first_int(struct rig *rig) {
    int32_t value = 0;
    assert_ok(rig->ops->enqueue_read(rig->a, rig->buffer, 0, &value, 4, NULL, &rig->err), rig->err);
    assert_ok(rig->ops->finish(rig->a, &rig->err), rig->err);
    return value;
}

static void arguments_are_those_at_the_enqueue(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    assert_ok(rig.ops->enqueue_fill(rig.a, rig.buffer, 0, 64, 0, &rig.err), rig.err);
    for (int32_t i = 1; i <= 3; i++) {
        assert_ok(rig.ops->kernel_set_value(rig.device, rig.add, 1, &i, 4, &rig.err), rig.err);
        rig.ops->event_release(rig_launch(&rig, rig.a, rig.add));
    }
    assert_int_equal(first_int(&rig), 6);
    rig_close(&rig);
}

static void ranges_are_checked(void **state) {
    (void)state;
    struct rig rig;
    char host[64];
    rig_open(&rig, 0);
    assert_fails(rig.ops->enqueue_write(rig.a, rig.buffer, 1, host, 64, NULL, &rig.err),
        E2B_INVALID, "64 bytes at 1 are outside the buffer's 64", rig.err);
    assert_fails(rig.ops->enqueue_read(rig.a, rig.buffer, 65, host, 1, NULL, &rig.err), E2B_INVALID,
        "outside", rig.err);
    assert_fails(rig.ops->enqueue_fill(rig.a, rig.buffer, SIZE_MAX, 2, 0, &rig.err), E2B_INVALID,
        "outside", rig.err);
    rig_close(&rig);
}

static void launches_are_checked(void **state) {
    (void)state;
    struct rig rig;
    struct e2b_kernel *unset = NULL;
    rig_open(&rig, 0);
    const size_t six[3] = {6, 1, 1}, four[3] = {4, 1, 1}, none[3] = {0, 1, 1};
    const size_t huge[3] = {2048, 1, 1};
    assert_ok(rig.ops->kernel_create(rig.device, NULL, "add", &unset, &rig.err), rig.err);
    assert_fails(rig.ops->enqueue_kernel(rig.a, unset, six, none, NULL, &rig.err), E2B_INVALID,
        "argument 0 was not set", rig.err);
    assert_fails(rig.ops->enqueue_kernel(rig.a, rig.add, six, four, NULL, &rig.err), E2B_INVALID,
        "6 of dimension 0 is not a multiple of local size 4", rig.err);
    assert_fails(rig.ops->enqueue_kernel(rig.a, rig.add, none, none, NULL, &rig.err), E2B_INVALID,
        "size 0", rig.err);
    assert_fails(rig.ops->enqueue_kernel(rig.a, rig.add, huge, huge, NULL, &rig.err), E2B_INVALID,
        "1..1024", rig.err);
    rig.ops->kernel_destroy(rig.device, unset);
    rig_close(&rig);
}

static void a_failed_enqueue_queues_nothing(void **state) {
    (void)state;
    struct rig rig;
    struct e2b_event *event = NULL;
    rig_open(&rig, 0);
    assert_ok(rig.ops->enqueue_fill(rig.a, rig.buffer, 0, 64, 0, &rig.err), rig.err);
    rig.ops->event_release(rig_launch(&rig, rig.a, rig.add));
    const size_t one[3] = {1, 1, 1}, any[3] = {0};
    e2b_sim_fail_nth(rig.device, E2B_SIM_FAULT_ENQUEUE, 1);
    assert_fails(rig.ops->enqueue_kernel(rig.a, rig.add, one, any, &event, &rig.err), E2B_DEVICE,
        "takes no work", rig.err);
    assert_null(event);
    rig.ops->event_release(rig_launch(&rig, rig.a, rig.add));
    assert_int_equal(first_int(&rig), 2);
    rig_close(&rig);
}

static void failed_work_has_no_effect(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    assert_ok(rig.ops->enqueue_fill(rig.a, rig.buffer, 0, 64, 0, &rig.err), rig.err);
    e2b_sim_fail_nth(rig.device, E2B_SIM_FAULT_EVENT, 1);
    struct e2b_event *event = rig_launch(&rig, rig.a, rig.add);
    assert_fails(rig.ops->event_wait(event, &rig.err), E2B_DEVICE, "fails", rig.err);
    assert_int_equal(rig.ops->event_state(event, &rig.err), E2B_EVENT_FAILED);
    memset(&rig.err, 0, sizeof rig.err);
    rig.ops->event_release(event);
    assert_int_equal(first_int(&rig), 0);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_are_those_at_the_enqueue),
        cmocka_unit_test(ranges_are_checked),
        cmocka_unit_test(launches_are_checked),
        cmocka_unit_test(a_failed_enqueue_queues_nothing),
        cmocka_unit_test(failed_work_has_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
