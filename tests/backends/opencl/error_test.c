#include "backends/opencl/error.h"

#include "tests/support.h"

#include <CL/cl.h>
#include <string.h>

static void codes_have_names_and_ways_out(void **state) {
    struct e2b_error err = {0};
    (void)state;
    assert_string_equal(e2b_cl_error_name(CL_OUT_OF_RESOURCES), "CL_OUT_OF_RESOURCES");
    assert_string_equal(e2b_cl_error_name(12345), "an unknown OpenCL error");
    enum e2b_status status = e2b_cl_fail(&err, CL_MEM_OBJECT_ALLOCATION_FAILURE, "buffer %d", 7);
    assert_int_equal(err.code, CL_MEM_OBJECT_ALLOCATION_FAILURE);
    assert_non_null(strstr(err.where, "error_test.c"));
    assert_fails(status, E2B_NO_MEMORY,
        "buffer 7: CL_MEM_OBJECT_ALLOCATION_FAILURE (-4): the device is out of memory", err);
}

static void lost_devices_are_device_errors(void **state) {
    static const int codes[] = {CL_OUT_OF_RESOURCES, CL_INVALID_COMMAND_QUEUE, CL_INVALID_CONTEXT,
        CL_DEVICE_NOT_AVAILABLE, CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, -9999};
    (void)state;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct e2b_error err = {0};
        assert_int_equal(e2b_cl_fail(&err, codes[i], "work"), E2B_DEVICE);
    }
}

static void codes_of_buffers_kernels_and_queues_are_known(void **state) {
    (void)state;
    for (int code = -1; code >= -19; code--)
        assert_int_equal(strncmp(e2b_cl_error_name(code), "CL_", 3), 0);
    for (int code = CL_INVALID_VALUE; code >= CL_INVALID_HOST_PTR; code--)
        assert_int_equal(strncmp(e2b_cl_error_name(code), "CL_", 3), 0);
    for (int code = CL_INVALID_BINARY; code >= CL_INVALID_OPERATION; code--)
        assert_int_equal(strncmp(e2b_cl_error_name(code), "CL_", 3), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names_and_ways_out),
        cmocka_unit_test(lost_devices_are_device_errors),
        cmocka_unit_test(codes_of_buffers_kernels_and_queues_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
