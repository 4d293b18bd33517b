#include "kernels/op.h"

#include "tests/support.h"

static const int64_t ints[] = {1, 2, 3};
static const struct e2b_attr attrs[] = {
    {.name = "axis", .kind = E2B_ATTR_INT, .i = -1},
    {.name = "alpha", .kind = E2B_ATTR_FLOAT, .f = 0.5f},
    {.name = "mode", .kind = E2B_ATTR_STRING, .s = "linear"},
    {.name = "pads", .kind = E2B_ATTR_INTS, .ints = ints, .count = 3},
};
static const struct e2b_onnx_node node = {
    .name = "n", .type = "T", .attrs = attrs, .attr_count = 4};

static void attributes_are_found_by_name_and_kind(void **state) {
    (void)state;
    assert_ptr_equal(e2b_attr_find(&node, "mode"), &attrs[2]);
    assert_null(e2b_attr_find(&node, "mod"));
    assert_int_equal(e2b_attr_int(&node, "axis", 7), -1);
    assert_true(e2b_attr_float(&node, "alpha", 2) == 0.5f);
    assert_string_equal(e2b_attr_string(&node, "mode", "nearest"), "linear");
}

static void missing_ones_and_other_kinds_fall_back(void **state) {
    (void)state;
    assert_int_equal(e2b_attr_int(&node, "alpha", 7), 7);
    assert_true(e2b_attr_float(&node, "axis", 2) == 2.0f);
    assert_string_equal(e2b_attr_string(&node, "pads", "nearest"), "nearest");
    int64_t out[4];
    assert_int_equal(e2b_attr_ints(&node, "axis", out, 4), -1);
}

static void lists_are_copied_up_to_the_capacity(void **state) {
    (void)state;
    int64_t out[3] = {0, 0, 9};
    assert_int_equal(e2b_attr_ints(&node, "pads", out, 2), 3);
    assert_int_equal(out[1], 2);
    assert_int_equal(out[2], 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_found_by_name_and_kind),
        cmocka_unit_test(missing_ones_and_other_kinds_fall_back),
        cmocka_unit_test(lists_are_copied_up_to_the_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
