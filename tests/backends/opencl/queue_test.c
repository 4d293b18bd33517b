#include "backends/opencl/object.h"

#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>

/* A kernel whose index on each axis shows in what it writes. */
static void grids_have_up_to_three_axes(void **state) {
    static const char text[] =
        "__kernel void f(__global int *x) {\n"
        "    x[(get_global_id(2) * 4 + get_global_id(1)) * 4 + get_global_id(0)] =\n"
        "        get_global_id(0) + 10 * get_global_id(1) + 100 * get_global_id(2) + 1;\n"
        "}\n";
    static const size_t grids[][3] = {{4, 1, 1}, {4, 3, 1}, {1, 3, 1}, {2, 3, 4}, {1, 1, 4}};
    const struct e2b_source source = {"tests/grid.cl", text, sizeof text - 1};
    const size_t local[3] = {1, 1, 1};
    struct e2b_device *device = *state;
    const struct e2b_device_ops *ops = device->ops;
    struct e2b_program *program;
    struct e2b_kernel *kernel;
    struct e2b_buffer *buffer;
    struct e2b_queue *queue;
    struct e2b_error err = {0};
    int32_t host[64];
    assert_ok(ops->program_build(device, &source, "", &program, &err), err);
    assert_ok(ops->kernel_create(device, program, "f", &kernel, &err), err);
    assert_ok(ops->queue_create(device, &queue, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, sizeof host, &buffer, &err), err);
    assert_ok(ops->kernel_set_buffer(device, kernel, 0, buffer, &err), err);
    for (size_t g = 0; g < sizeof grids / sizeof grids[0]; g++) {
        const size_t *grid = grids[g];
        assert_ok(ops->enqueue_fill(queue, buffer, 0, sizeof host, 0, &err), err);
        assert_ok(ops->enqueue_kernel(queue, kernel, grid, local, NULL, &err), err);
        assert_ok(ops->enqueue_read(queue, buffer, 0, host, sizeof host, NULL, &err), err);
        assert_ok(ops->finish(queue, &err), err);
        for (size_t i = 0; i < 64; i++) {
            size_t x = i % 4, y = i / 4 % 4, z = i / 16;
            bool inside = x < grid[0] && y < grid[1] && z < grid[2];
            assert_int_equal(host[i], inside ? (int)(x + 10 * y + 100 * z + 1) : 0);
        }
    }
    ops->queue_destroy(device, queue);
    ops->buffer_destroy(device, buffer);
    ops->kernel_destroy(device, kernel);
    ops->program_destroy(device, program);
}

/* Nobody flushes the first queue: the wait of the second must see to it. */
static void waiting_flushes_the_other_queue(void **state) {
    struct e2b_device *device = *state;
    const struct e2b_device_ops *ops = device->ops;
    static const unsigned char bytes[64] = {1, 2, 3};
    unsigned char back[64] = {0};
    struct e2b_queue *first, *second;
    struct e2b_buffer *buffer;
    struct e2b_event *event;
    struct e2b_error err = {0};
    assert_ok(ops->queue_create(device, &first, &err), err);
    assert_ok(ops->queue_create(device, &second, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, sizeof bytes, &buffer, &err), err);
    assert_ok(ops->enqueue_write(first, buffer, 0, bytes, sizeof bytes, &event, &err), err);
    assert_ok(ops->enqueue_wait(second, &event, 1, &err), err);
    assert_ok(ops->enqueue_read(second, buffer, 0, back, sizeof back, NULL, &err), err);
    assert_ok(ops->finish(second, &err), err);
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_int_equal(ops->event_state(event, &err), E2B_EVENT_DONE);
    ops->event_release(event);
    ops->queue_destroy(device, first);
    ops->queue_destroy(device, second);
    ops->buffer_destroy(device, buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_have_up_to_three_axes),
        cmocka_unit_test(waiting_flushes_the_other_queue),
    };
    return cmocka_run_group_tests(tests, e2b_test_begin, e2b_test_end);
}
