#include "backends/opencl/object.h"

#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>

#define LIMIT (INT64_C(64) << 20)

static int open_limited(void **state) {
    const struct e2b_opencl_options options = {.select = getenv("E2B_TEST_DEVICE"),
        .cache_folder = getenv("E2B_TEST_CACHE"),
        .memory_limit_bytes = LIMIT};
    struct e2b_error err = {0};
    struct e2b_device *device;
    if (e2b_opencl_open(&options, &device, &err) != E2B_OK) {
        print_error("%s\n", err.text);
        return -1;
    }
    *state = device;
    return 0;
}

static void the_limit_holds_and_is_named(void **state) {
    struct e2b_device *device = *state;
    struct e2b_buffer *first, *second, *third;
    struct e2b_error err = {0};
    assert_int_equal(device->traits.memory_bytes, LIMIT);
    assert_int_equal(device->traits.max_buffer_bytes, LIMIT);
    assert_ok(
        device->ops->buffer_create(device, E2B_MEMORY_DEVICE, LIMIT - 4096, &first, &err), err);
    assert_fails(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, 4097, &second, &err),
        E2B_NO_MEMORY, "4097 bytes asked of the device, 4096 of 67108864 are left", err);
    assert_null(second);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, 4096, &second, &err), err);
    assert_fails(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, 1, &third, &err),
        E2B_NO_MEMORY, "0 of", err);
    device->ops->buffer_destroy(device, first);
    device->ops->buffer_destroy(device, second);
    assert_int_equal(e2b_opencl_of(device)->memory_used_bytes, 0);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, LIMIT, &first, &err), err);
    device->ops->buffer_destroy(device, first);
}

static void pinned_memory_can_be_written_by_the_host(void **state) {
    struct e2b_device *device = *state;
    struct e2b_buffer *buffer;
    struct e2b_error err = {0};
    for (size_t bytes = 1; bytes < (1 << 20); bytes = bytes * 5 + 3) {
        assert_ok(device->ops->buffer_create(device, E2B_MEMORY_PINNED, bytes, &buffer, &err), err);
        unsigned char *host = device->ops->buffer_host(device, buffer);
        assert_non_null(host);
        assert_int_equal((uintptr_t)host % 64, 0);
        memset(host, 0xab, bytes);
        device->ops->buffer_destroy(device, buffer);
    }
    assert_int_equal(e2b_opencl_of(device)->memory_used_bytes, 0);
}

static void the_largest_buffer_is_named(void **state) {
    struct e2b_device *device = *state;
    struct e2b_buffer *buffer;
    struct e2b_error err = {0};
    assert_fails(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, SIZE_MAX, &buffer, &err),
        E2B_NO_MEMORY, "largest is 67108864", err);
    assert_fails(device->ops->buffer_create(device, E2B_MEMORY_PINNED, SIZE_MAX, &buffer, &err),
        E2B_NO_MEMORY, "largest", err);
    assert_int_equal(e2b_opencl_of(device)->memory_used_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_holds_and_is_named),
        cmocka_unit_test(pinned_memory_can_be_written_by_the_host),
        cmocka_unit_test(the_largest_buffer_is_named),
    };
    return cmocka_run_group_tests(tests, open_limited, e2b_test_end);
}
