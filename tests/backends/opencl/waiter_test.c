#include "backends/opencl/waiter.h"

#include "backends/opencl/object.h"
#include "runtime/base/clock.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <pthread.h>

enum { EVENTS = 500 };

static atomic_int calls[EVENTS], failed[EVENTS], total;

static void done(void *context, enum e2b_event_state state) {
    size_t i = (size_t)(uintptr_t)context;
    atomic_fetch_add(&calls[i], 1);
    atomic_store(&failed[i], state == E2B_EVENT_FAILED);
    atomic_fetch_add(&total, 1);
}

static cl_event make_event(struct e2b_device *device) {
    cl_event event = clCreateUserEvent(e2b_opencl_of(device)->context, NULL);
    assert_non_null(event);
    return event;
}

static void await(int count) {
    int64_t limit = e2b_clock_ns() + INT64_C(20000000000);
    while (atomic_load(&total) < count && e2b_clock_ns() < limit)
        e2b_clock_sleep_ns(50000);
    assert_int_equal(atomic_load(&total), count);
}

static void check_any_order(struct e2b_device *device, bool polls) {
    struct e2b_cl_waiter *waiter;
    struct e2b_error err = {0};
    cl_event events[EVENTS];
    atomic_store(&total, 0);
    assert_ok(e2b_cl_waiter_create("", polls, &waiter, &err), err);
    for (size_t i = 0; i < EVENTS; i++) {
        atomic_store(&calls[i], 0);
        events[i] = make_event(device);
        assert_ok(
            e2b_cl_waiter_add(waiter, events[i], NULL, done, (void *)(uintptr_t)i, &err), err);
    }
    e2b_clock_sleep_ns(5000000);
    assert_int_equal(atomic_load(&total), 0);
    for (size_t k = 0; k < EVENTS; k++) {
        size_t i = k * 207 % EVENTS;
        assert_int_equal(clSetUserEventStatus(events[i], i % 7 ? CL_COMPLETE : -5), CL_SUCCESS);
        clReleaseEvent(events[i]);
    }
    await(EVENTS);
    e2b_cl_waiter_destroy(waiter);
    for (size_t i = 0; i < EVENTS; i++) {
        assert_int_equal(atomic_load(&calls[i]), 1);
        assert_int_equal(atomic_load(&failed[i]), i % 7 == 0);
    }
    assert_int_equal(atomic_load(&total), EVENTS);
}

static void polling_tells_once_in_any_order(void **state) {
    check_any_order(*state, true);
}

static void callbacks_tell_once_in_any_order(void **state) {
    if (e2b_opencl_of(*state)->profile->polls)
        e2b_skip("callbacks of this runtime are not relied on");
    check_any_order(*state, false);
}

/* It is never asked: a queue is only told apart from others. */
static void a_queues_events_end_in_order(void **state) {
    struct e2b_cl_waiter *waiter;
    struct e2b_error err = {0};
    cl_event events[3];
    const cl_command_queue queues[] = {
        (cl_command_queue)&queues, (cl_command_queue)&queues, (cl_command_queue)&events};
    atomic_store(&total, 0);
    assert_ok(e2b_cl_waiter_create("", true, &waiter, &err), err);
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&calls[i], 0);
        events[i] = make_event(*state);
        assert_ok(
            e2b_cl_waiter_add(waiter, events[i], queues[i], done, (void *)(uintptr_t)i, &err), err);
    }
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(clSetUserEventStatus(events[i], CL_COMPLETE), CL_SUCCESS);
        await(i == 0 ? 3 : 1);
        e2b_clock_sleep_ns(5000000);
        assert_int_equal(atomic_load(&total), i == 0 ? 3 : 1);
        clReleaseEvent(events[i]);
    }
    e2b_cl_waiter_destroy(waiter);
}

static pthread_t own;
static atomic_int told_by_own;

static void note_thread(void *context, enum e2b_event_state state) {
    atomic_fetch_add(&told_by_own, pthread_equal(pthread_self(), own) ? 1 : 0);
    done(context, state);
}

/* Both look: each event is told once, and some by the thread that asked to look. */
static void who_looks_is_told_too(void **state) {
    struct e2b_cl_waiter *waiter;
    struct e2b_error err = {0};
    int count = 0;
    own = pthread_self();
    atomic_store(&total, 0);
    atomic_store(&told_by_own, 0);
    assert_ok(e2b_cl_waiter_create("", true, &waiter, &err), err);
    for (; count < EVENTS && (count < 50 || atomic_load(&told_by_own) == 0); count++) {
        cl_event event = make_event(*state);
        atomic_store(&calls[count], 0);
        assert_ok(
            e2b_cl_waiter_add(waiter, event, NULL, note_thread, (void *)(uintptr_t)count, &err),
            err);
        int64_t from_ns = e2b_clock_ns();
        clSetUserEventStatus(event, CL_COMPLETE);
        while (e2b_clock_ns() - from_ns < 30000)
            e2b_cl_waiter_look(waiter);
        clReleaseEvent(event);
    }
    await(count);
    e2b_cl_waiter_destroy(waiter);
    assert_true(atomic_load(&told_by_own) > 0);
    for (int i = 0; i < count; i++)
        assert_int_equal(atomic_load(&calls[i]), 1);
}

static void *end_later(void *event) {
    e2b_clock_sleep_ns(20000000);
    clSetUserEventStatus(event, CL_COMPLETE);
    return NULL;
}

static void check_destroy(struct e2b_device *device, bool polls) {
    struct e2b_cl_waiter *waiter;
    struct e2b_error err = {0};
    pthread_t thread;
    cl_event event = make_event(device);
    atomic_store(&total, 0);
    assert_ok(e2b_cl_waiter_create("", polls, &waiter, &err), err);
    assert_ok(e2b_cl_waiter_add(waiter, event, NULL, done, NULL, &err), err);
    assert_int_equal(pthread_create(&thread, NULL, end_later, event), 0);
    e2b_cl_waiter_destroy(waiter);
    assert_int_equal(atomic_load(&total), 1);
    pthread_join(thread, NULL);
    clReleaseEvent(event);
    e2b_cl_waiter_destroy(NULL);
}

static void destroy_waits_for_what_is_pending(void **state) {
    check_destroy(*state, true);
    if (!e2b_opencl_of(*state)->profile->polls)
        check_destroy(*state, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(polling_tells_once_in_any_order),
        cmocka_unit_test(callbacks_tell_once_in_any_order),
        cmocka_unit_test(a_queues_events_end_in_order),
        cmocka_unit_test(who_looks_is_told_too),
        cmocka_unit_test(destroy_waits_for_what_is_pending),
    };
    return cmocka_run_group_tests(tests, e2b_test_begin, e2b_test_end);
}
