/* The device that OpenCL tests run on: $E2B_TEST_DEVICE, default "auto", with the build's cache. */
#ifndef E2B_TESTS_BACKENDS_OPENCL_DEVICE_H
#define E2B_TESTS_BACKENDS_OPENCL_DEVICE_H

#include "backends/opencl/opencl.h"
#include "tests/support.h"
#include <stdlib.h>

static inline enum e2b_status e2b_test_open(struct e2b_device **out, struct e2b_error *err) {
    const struct e2b_opencl_options options = {
        .select = getenv("E2B_TEST_DEVICE"), .cache_folder = getenv("E2B_TEST_CACHE")};
    return e2b_opencl_open(&options, out, err);
}

/* Group setup and teardown: *state is the device. */
static inline int e2b_test_begin(void **state) {
    struct e2b_error err = {0};
    if (e2b_test_open((struct e2b_device **)state, &err) == E2B_OK)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static inline int e2b_test_end(void **state) {
    struct e2b_device *device = *state;
    if (device)
        device->ops->destroy(device);
    return 0;
}

#endif
