#include "backends/opencl/opencl.h"

#include "backends/opencl/object.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

static void every_listed_device_opens_by_its_number(void **state) {
    struct e2b_opencl_info infos[8];
    struct e2b_error err = {0};
    int count;
    (void)state;
    assert_ok(e2b_opencl_list(infos, 8, &count, &err), err);
    for (int i = 0; i < count && i < 8; i++) {
        char number[16];
        struct e2b_device *device;
        snprintf(number, sizeof number, "%d", i);
        const struct e2b_opencl_options options = {
            .select = number, .cache_folder = getenv("E2B_TEST_CACHE")};
        if (infos[i].score < 0)
            continue;
        assert_ok(e2b_opencl_open(&options, &device, &err), err);
        assert_string_equal(device->traits.device, infos[i].device);
        assert_int_equal(device->traits.is_cpu, infos[i].is_cpu);
        device->ops->destroy(device);
    }
}

static void a_device_that_is_not_there_is_told(void **state) {
    const struct e2b_opencl_options options = {.select = "no such device"};
    struct e2b_error err = {0};
    struct e2b_device *device = (struct e2b_device *)&err;
    (void)state;
    assert_fails(e2b_opencl_open(&options, &device, &err), E2B_NOT_FOUND, "no such device", err);
    assert_null(device);
}

static void times_can_be_left_out(void **state) {
    const struct e2b_opencl_options options = {.select = getenv("E2B_TEST_DEVICE"),
        .cache_folder = getenv("E2B_TEST_CACHE"),
        .no_times = true};
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct e2b_buffer *buffer;
    struct e2b_event *event;
    struct e2b_event_times times = {1, 1, 1};
    char byte = 1;
    (void)state;
    assert_ok(e2b_opencl_open(&options, &device, &err), err);
    const struct e2b_device_ops *ops = device->ops;
    assert_ok(ops->queue_create(device, &queue, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, 1, &buffer, &err), err);
    assert_ok(ops->enqueue_write(queue, buffer, 0, &byte, 1, &event, &err), err);
    assert_ok(ops->event_wait(event, &err), err);
    ops->event_times(event, &times);
    assert_true(!times.queued_ns && !times.started_ns && !times.ended_ns);
    ops->event_release(event);
    ops->buffer_destroy(device, buffer);
    ops->queue_destroy(device, queue);
    ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_device_opens_by_its_number),
        cmocka_unit_test(a_device_that_is_not_there_is_told),
        cmocka_unit_test(times_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
