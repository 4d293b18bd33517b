#include "kernels/launch.h"

#include "tests/support.h"

#include <string.h>

static const struct e2b_source source = {"a.cl", "", 0};

static void launches_keep_their_arguments_in_order(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "kernel", "-DN=%d", 3);
    assert_non_null(launch);
    assert_string_equal(launch->options, "-DN=3");
    e2b_launch_input(launch, 2);
    e2b_launch_output(launch, 0);
    e2b_launch_scratch(launch, 1);
    e2b_launch_int(launch, -5);
    e2b_launch_float(launch, 0.5);
    const enum e2b_arg_kind kinds[] = {
        E2B_ARG_INPUT, E2B_ARG_OUTPUT, E2B_ARG_SCRATCH, E2B_ARG_INT, E2B_ARG_FLOAT};
    assert_int_equal(launch->arg_count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(launch->args[i].kind, kinds[i]);
    assert_int_equal(launch->args[0].index, 2);
    assert_int_equal(launch->args[3].i, -5);
    assert_true(launch->args[4].f == 0.5f);
    e2b_launch_list_finish(&list);
    assert_int_equal(list.launch_count, 0);
    assert_null(list.launches);
}

static void grids_are_whole_groups(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "kernel", "%s", "");
    assert_non_null(launch);
    e2b_launch_grid(launch, 100, 7, 1);
    assert_int_equal(launch->global[0], 100);
    e2b_launch_group(launch, 64, 4, 1);
    assert_int_equal(launch->global[0], 128);
    assert_int_equal(launch->global[1], 8);
    assert_int_equal(launch->global[2], 1);
    e2b_launch_list_finish(&list);
}

static void packings_are_numbered(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    for (int i = 0; i < 20; i++)
        assert_int_equal(e2b_launch_list_pack(&list, &(struct e2b_packing){.bytes = (size_t)i}), i);
    assert_int_equal(list.packings[19].bytes, 19);
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launches_keep_their_arguments_in_order),
        cmocka_unit_test(grids_are_whole_groups),
        cmocka_unit_test(packings_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
