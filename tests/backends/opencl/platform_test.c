#include "backends/opencl/platform.h"

#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

static const struct e2b_opencl_info machine[] = {
    {.platform = "Portable Computing", .device = "cpu-haswell", .is_cpu = true, .score = 1004},
    {.platform = "Maker CUDA", .device = "Titan", .is_gpu = true, .score = 15072},
    {.platform = "Maker CUDA", .device = "Titan Max", .is_gpu = true, .score = 15132},
    {.platform = "Broken", .device = "Other GPU", .is_gpu = true, .score = -1},
};

static int choice(int count, const char *select) {
    struct e2b_error err = {0};
    int index = -1;
    assert_ok(e2b_opencl_choose(machine, count, select, &index, &err), err);
    return index;
}

static void selections_mean_devices(void **state) {
    (void)state;
    assert_int_equal(choice(4, NULL), 2);
    assert_int_equal(choice(4, ""), 2);
    assert_int_equal(choice(4, "auto"), 2);
    assert_int_equal(choice(4, "GPU"), 2);
    assert_int_equal(choice(4, "cpu"), 0);
    assert_int_equal(choice(4, "1"), 1);
    assert_int_equal(choice(4, "titan"), 2);
    assert_int_equal(choice(4, "cuda TITAN max"), 2);
    assert_int_equal(choice(2, "titan"), 1);
    assert_int_equal(choice(4, "haswell"), 0);
    assert_int_equal(choice(1, "auto"), 0);
}

static void a_failed_choice_names_what_there_is(void **state) {
    static const char *const wrong[] = {"nope", "4", "-1", "3", "other gpu", "1x"};
    struct e2b_error err = {0};
    int index = 77;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_fails(e2b_opencl_choose(machine, 4, wrong[i], &index, &err), E2B_NOT_FOUND,
            "1 \"Maker CUDA Titan\"", err);
        assert_int_equal(index, 77);
    }
    assert_fails(
        e2b_opencl_choose(machine, 1, "gpu", &index, &err), E2B_NOT_FOUND, "cpu-haswell", err);
    assert_fails(e2b_opencl_choose(NULL, 0, "auto", &index, &err), E2B_NOT_FOUND,
        "apt-get install pocl-opencl-icd", err);
}

static void devices_are_listed(void **state) {
    struct e2b_opencl_info infos[16];
    struct e2b_error err = {0};
    int count = -1, again;
    (void)state;
    assert_ok(e2b_opencl_list(infos, 16, &count, &err), err);
    if (count == 0)
        e2b_skip("no OpenCL device on this machine");
    for (int i = 0; i < count && i < 16; i++) {
        assert_true(infos[i].platform[0] && infos[i].device[0] && infos[i].reason[0]);
        assert_true(infos[i].platform_version[0]);
        assert_true(infos[i].compute_units > 0 && infos[i].memory_bytes > 0);
        assert_false(infos[i].is_cpu && infos[i].is_gpu);
    }
    assert_ok(e2b_opencl_list(infos, 0, &again, &err), err);
    assert_int_equal(again, count);
}

static void properties_that_are_missing_read_empty(void **state) {
    struct e2b_cl_found *found;
    struct e2b_error err = {0};
    char text[64] = "x";
    int count;
    (void)state;
    assert_ok(e2b_cl_find(&found, &count, &err), err);
    if (count == 0)
        e2b_skip("no OpenCL device on this machine");
    e2b_cl_device_text(found[0].device, 0x7fff, text, sizeof text);
    assert_string_equal(text, "");
    assert_int_equal(e2b_cl_device_number(found[0].device, 0x7fff), 0);
    e2b_cl_device_text(found[0].device, CL_DEVICE_NAME, text, 4);
    assert_int_equal(strlen(text), 3);
    assert_false(e2b_cl_device_extension(found[0].device, "cl_khr"));
    assert_true(e2b_cl_device_extension(found[0].device, "cl_khr_global_int32_base_atomics"));
    free(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selections_mean_devices),
        cmocka_unit_test(a_failed_choice_names_what_there_is),
        cmocka_unit_test(devices_are_listed),
        cmocka_unit_test(properties_that_are_missing_read_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
