#include "backends/opencl/object.h"

#include "runtime/base/clock.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>

/* An event that ends when we say so. */
static struct e2b_event *make_event(struct e2b_device *device) {
    struct e2b_event *event = calloc(1, sizeof *event);
    assert_non_null(event);
    event->device = e2b_opencl_of(device);
    event->event = clCreateUserEvent(event->device->context, NULL);
    assert_non_null(event->event);
    return event;
}

static atomic_int calls, last;

static void done(void *context, enum e2b_event_state state) {
    (void)context;
    atomic_store(&last, (int)state);
    atomic_fetch_add(&calls, 1);
}

static void await_call(void) {
    int64_t limit = e2b_clock_ns() + INT64_C(20000000000);
    while (!atomic_load(&calls) && e2b_clock_ns() < limit)
        e2b_clock_sleep_ns(50000);
    assert_int_equal(atomic_load(&calls), 1);
}

static void a_failed_event_is_told_everywhere(void **state) {
    struct e2b_device *device = *state;
    struct e2b_event *event = make_event(device);
    struct e2b_error err = {0};
    atomic_store(&calls, 0);
    assert_int_equal(device->ops->event_state(event, &err), E2B_EVENT_PENDING);
    assert_ok(device->ops->event_notify(event, done, NULL, &err), err);
    assert_int_equal(atomic_load(&calls), 0);
    assert_int_equal(clSetUserEventStatus(event->event, CL_OUT_OF_RESOURCES), CL_SUCCESS);
    await_call();
    assert_int_equal(atomic_load(&last), E2B_EVENT_FAILED);
    assert_int_equal(device->ops->event_state(event, &err), E2B_EVENT_FAILED);
    assert_fails(err.status, E2B_DEVICE, "CL_OUT_OF_RESOURCES", err);
    assert_fails(device->ops->event_wait(event, &err), E2B_DEVICE, "CL_OUT_OF_RESOURCES", err);
    device->ops->event_release(event);
}

static void an_event_may_be_released_before_it_ends(void **state) {
    struct e2b_device *device = *state;
    struct e2b_event *event = make_event(device);
    struct e2b_error err = {0};
    cl_event handle = event->event;
    atomic_store(&calls, 0);
    clRetainEvent(handle);
    assert_ok(device->ops->event_notify(event, done, NULL, &err), err);
    device->ops->event_release(event);
    assert_int_equal(clSetUserEventStatus(handle, CL_COMPLETE), CL_SUCCESS);
    await_call();
    assert_int_equal(atomic_load(&last), E2B_EVENT_DONE);
    clReleaseEvent(handle);
}

static void events_without_times_read_zero(void **state) {
    struct e2b_device *device = *state;
    struct e2b_event *event = make_event(device);
    struct e2b_event_times times = {1, 2, 3};
    device->ops->event_times(event, &times);
    assert_true(times.queued_ns == 0 && times.started_ns == 0 && times.ended_ns == 0);
    clSetUserEventStatus(event->event, CL_COMPLETE);
    device->ops->event_release(event);
}

/* Copies that we time ourselves: their times lie between our readings of the clock. */
static void times_are_on_our_clock(void **state) {
    struct e2b_device *device = *state;
    const struct e2b_device_ops *ops = device->ops;
    static char bytes[4096];
    struct e2b_queue *queue;
    struct e2b_buffer *buffer;
    struct e2b_error err = {0};
    assert_ok(ops->queue_create(device, &queue, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, sizeof bytes, &buffer, &err), err);
    for (int i = 0; i < 50; i++) {
        struct e2b_event *event;
        struct e2b_event_times times;
        int64_t before = ops->now_ns(device);
        assert_ok(ops->enqueue_write(queue, buffer, 0, bytes, sizeof bytes, &event, &err), err);
        assert_ok(ops->finish(queue, &err), err);
        int64_t after = ops->now_ns(device);
        ops->event_times(event, &times);
        if (!times.ended_ns)
            e2b_skip("the device keeps no times");
        assert_in_range(times.queued_ns, before - 1000, after + 50000);
        assert_in_range(times.started_ns, times.queued_ns, after + 50000);
        assert_in_range(times.ended_ns, times.started_ns, after + 50000);
        ops->event_release(event);
    }
    ops->queue_destroy(device, queue);
    ops->buffer_destroy(device, buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_event_is_told_everywhere),
        cmocka_unit_test(an_event_may_be_released_before_it_ends),
        cmocka_unit_test(events_without_times_read_zero),
        cmocka_unit_test(times_are_on_our_clock),
    };
    return cmocka_run_group_tests(tests, e2b_test_begin, e2b_test_end);
}
