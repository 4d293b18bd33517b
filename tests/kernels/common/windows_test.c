#include "kernels/common/windows.h"
#include "tests/support.h"

#include <string.h>

static const struct e2b_traits gpu = {.compute_units = 132, .ptx_sm = 90};

/* 3x3 over square images. */
static struct e2b_windows square(int samples, int channels, int side, int stride) {
    return (struct e2b_windows){.samples = samples,
        .channels = channels,
        .in = {side, side},
        .out = {side / stride, side / stride},
        .kernel = {3, 3},
        .stride = {stride, stride},
        .dilation = {1, 1},
        .pad = {1, 1},
        .in_step = {(int64_t)side * channels, channels},
        .out_step = {(int64_t)side / stride * channels, channels},
        .weighted = true};
}

static void assert_tile(const struct e2b_windows *windows, int lanes, int rows, int pixels) {
    struct e2b_windows_tile tile = e2b_windows_tile(&gpu, windows, 0);
    assert_int_equal(tile.lanes, lanes);
    assert_int_equal(tile.rows, rows);
    assert_int_equal(tile.pixels, pixels);
}

static void tiles_grow_with_what_there_is_to_do(void **state) {
    (void)state;
    struct e2b_windows windows = square(1, 64, 28, 1);
    assert_tile(&windows, 2, 2, 2);
    windows.samples = 64;
    assert_tile(&windows, 2, 4, 7);
}

static void tiles_waste_little_of_an_image(void **state) {
    (void)state;
    struct e2b_windows windows = square(64, 2048, 8, 1);
    assert_tile(&windows, 2, 4, 4);
}

static void tiles_leave_registers_to_strides(void **state) {
    (void)state;
    struct e2b_windows windows = square(64, 96, 112, 2);
    assert_tile(&windows, 2, 2, 4);
    windows.stride[0] = windows.stride[1] = 100;
    for (int i = 0; i < e2b_windows_candidates(); i++)
        assert_int_equal(e2b_windows_tile(&gpu, &windows, i).rows, 1);
}

static void merged_launches_run_at_once_where_they_can(void **state) {
    (void)state;
    struct e2b_windows windows = square(1, 384, 14, 1);
    windows.merged = true;
    assert_tile(&windows, 4, 1, 2);
    windows = square(1, 144, 56, 1);
    windows.merged = true;
    assert_tile(&windows, 4, 2, 2);
    windows.weighted = false;
    assert_tile(&windows, 8, 1, 2);
}

static void merged_launches_are_for_any_shape(void **state) {
    (void)state;
    char options[E2B_WINDOWS_OPTIONS];
    struct e2b_windows windows = square(8, 144, 56, 1);
    struct e2b_windows_tile tile = e2b_windows_tile(&gpu, &windows, 0);
    e2b_windows_options(&gpu, &windows, &tile, options);
    assert_non_null(strstr(options, " -DSTEPS=8064,144,8064,144"));
    windows.merged = true;
    e2b_windows_options(&gpu, &windows, &tile, options);
    assert_string_equal(options, "-DTILE=2,4,7 -DKERNEL=3,3 -DSTRIDES=1,1 -DDILATIONS=1,1 -DPTX");
}

static void what_is_too_long_to_say_is_not_said(void **state) {
    (void)state;
    char options[E2B_WINDOWS_OPTIONS];
    struct e2b_windows windows = square(1, 8, 1 << 20, 1);
    windows.stride[0] = windows.stride[1] = 1 << 20;
    windows.dilation[0] = windows.dilation[1] = 1 << 20;
    windows.in[0] = windows.in[1] = INT32_MAX;
    windows.pad[0] = windows.pad[1] = 1 << 20;
    windows.in_step[0] = windows.in_step[1] = INT32_MAX;
    struct e2b_windows_tile tile = {8, 1, 1};
    e2b_windows_options(&gpu, &windows, &tile, options);
    assert_null(strstr(options, "CHANNELS"));
}

static void a_grid_has_all_tiles(void **state) {
    (void)state;
    struct e2b_windows windows = square(3, 24, 17, 1);
    struct e2b_launch launch = {0};
    e2b_windows_grid(&launch, &windows, &(struct e2b_windows_tile){4, 4, 6});
    assert_true(launch.global[0] >= (size_t)3 * 5 * 3 * 6);
    assert_int_equal(launch.global[0] % launch.local[0], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_grow_with_what_there_is_to_do),
        cmocka_unit_test(tiles_waste_little_of_an_image),
        cmocka_unit_test(tiles_leave_registers_to_strides),
        cmocka_unit_test(merged_launches_run_at_once_where_they_can),
        cmocka_unit_test(merged_launches_are_for_any_shape),
        cmocka_unit_test(what_is_too_long_to_say_is_not_said),
        cmocka_unit_test(a_grid_has_all_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
