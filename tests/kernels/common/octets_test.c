#include "kernels/common/octets.h"
#include "tests/support.h"

static const struct e2b_traits gpu = {.compute_units = 100, .ptx_sm = 90};

static void runs_grow_with_what_there_is_to_do(void **state) {
    (void)state;
    struct e2b_octet_windows windows = {
        .octets = 8, .width = 56, .lines = 56, .kernel = 3, .stride = 1, .dilation = 1};
    assert_int_equal(e2b_octets_run(&gpu, &windows, 0), 1);
    windows.lines *= 64;
    assert_int_equal(e2b_octets_run(&gpu, &windows, 0), 8);
}

static void runs_leave_registers_to_strides(void **state) {
    (void)state;
    const struct e2b_octet_windows windows = {
        .octets = 64, .width = 56, .lines = 56 * 64, .kernel = 3, .stride = 2, .dilation = 1};
    assert_int_equal(e2b_octets_run(&gpu, &windows, 0), 4);
}

static void runs_waste_little_of_a_line(void **state) {
    (void)state;
    struct e2b_octet_windows windows = {
        .octets = 64, .width = 7, .lines = 7 * 4096, .kernel = 3, .stride = 1, .dilation = 1};
    assert_int_equal(e2b_octets_run(&gpu, &windows, 0), 7);
    for (int i = 1; i <= e2b_octets_runs(); i++)
        assert_true(e2b_octets_run(&gpu, &windows, i) > 1);
}

static void groups_fit_every_device(void **state) {
    (void)state;
    const struct e2b_octet_windows windows = {
        .octets = 1, .width = 3, .lines = 1000, .kernel = 2, .stride = 1, .dilation = 1};
    struct e2b_launch launch = {0};
    e2b_octets_grid(&launch, &windows, 8);
    assert_int_equal(launch.local[0], 1);
    assert_int_equal(launch.local[2], 64);
    assert_true(launch.global[1] * 8 >= 3);
    assert_true(launch.global[2] >= 1000);
}

static void octets_need_aligned_pixels(void **state) {
    (void)state;
    struct e2b_tensor tensor = {
        .shape = {4, {1, 5, 2, 2}}, .stride = {32, 1, 16, 8}, .layout = E2B_CHANNELS_LAST};
    assert_true(e2b_octets_aligned(&tensor));
    tensor.stride[3] = 5;
    assert_false(e2b_octets_aligned(&tensor));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_grow_with_what_there_is_to_do),
        cmocka_unit_test(runs_leave_registers_to_strides),
        cmocka_unit_test(runs_waste_little_of_a_line),
        cmocka_unit_test(groups_fit_every_device),
        cmocka_unit_test(octets_need_aligned_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
