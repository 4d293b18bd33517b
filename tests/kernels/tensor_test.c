#include "kernels/tensor.h"

#include "tests/support.h"

#include <math.h>
#include <string.h>

static void strides_follow_the_layout(void **state) {
    (void)state;
    struct e2b_tensor tensor = {.shape = {4, {2, 3, 4, 5}}};
    e2b_tensor_set_dense(&tensor, 8);
    const int64_t row[] = {60, 20, 5, 1};
    assert_memory_equal(tensor.stride, row, sizeof row);
    assert_true(e2b_tensor_is_row_dense(&tensor));
    assert_int_equal(e2b_tensor_extent(&tensor, 8), 120);
    tensor.layout = E2B_CHANNELS_LAST;
    e2b_tensor_set_dense(&tensor, 8);
    const int64_t last[] = {160, 1, 40, 8};
    assert_memory_equal(tensor.stride, last, sizeof last);
    assert_false(e2b_tensor_is_row_dense(&tensor));
    assert_int_equal(e2b_tensor_extent(&tensor, 8), 320);
    assert_int_equal(e2b_tensor_extent(&tensor, 1), 315);
}

static void shapes_broadcast(void **state) {
    (void)state;
    struct e2b_shape a = {3, {4, 1, 6}}, b = {2, {5, 1}}, out;
    assert_true(e2b_shape_broadcast(&a, &b, &out));
    assert_true(e2b_shape_equal(&out, &(struct e2b_shape){3, {4, 5, 6}}));
    assert_false(e2b_shape_broadcast(&a, &(struct e2b_shape){1, {7}}, &out));
    assert_int_equal(e2b_shape_count(&(struct e2b_shape){0, {0}}), 1);
    char text[32], little[4];
    assert_string_equal(e2b_shape_print(&a, text, sizeof text), "4x1x6");
    assert_string_equal(e2b_shape_print(&a, little, sizeof little), "4x1");
    assert_string_equal(e2b_shape_print(&(struct e2b_shape){0, {0}}, text, sizeof text), "scalar");
}

static void reshape_needs_no_copy_where_strides_allow(void **state) {
    (void)state;
    struct e2b_tensor tensor = {.dtype = E2B_F32, .shape = {3, {2, 3, 4}}}, out;
    e2b_tensor_set_dense(&tensor, 1);
    assert_true(e2b_tensor_reshape(&tensor, &(struct e2b_shape){2, {6, 4}}, &out));
    assert_int_equal(out.stride[0], 4);
    tensor.stride[0] = 20; /* a slice of a longer tensor */
    assert_true(e2b_tensor_reshape(&tensor, &(struct e2b_shape){3, {2, 2, 6}}, &out));
    assert_int_equal(out.stride[0], 20);
    assert_int_equal(out.stride[1], 6);
    assert_false(e2b_tensor_reshape(&tensor, &(struct e2b_shape){1, {24}}, &out));
    assert_false(e2b_tensor_reshape(&tensor, &(struct e2b_shape){1, {23}}, &out));
}

static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        float value = e2b_float_from_half((uint16_t)bits);
        if (!isnan(value))
            assert_int_equal(e2b_half_from_float(value), bits);
    }
    assert_true(isnan(e2b_float_from_half(e2b_half_from_float(NAN))));
    assert_int_equal(e2b_half_from_float(1.0f + 0x1p-11f), 0x3c00);
    assert_int_equal(e2b_half_from_float(1.0f + 0x3p-11f), 0x3c02);
    assert_int_equal(e2b_half_from_float(65504.0f), 0x7bff);
    assert_int_equal(e2b_half_from_float(65520.0f), 0x7c00);
    assert_int_equal(e2b_half_from_float(0x1p-25f), 0);
    assert_int_equal(e2b_half_from_float(0x1.8p-25f), 1);
}

static void integers_saturate(void **state) {
    (void)state;
    const double from[] = {-1e30, -1.9, 1.9, 1e30, (double)NAN};
    int8_t to[5];
    e2b_from_double(E2B_I8, from, to, 5);
    const int8_t expected[] = {-128, -1, 1, 127, 0};
    assert_memory_equal(to, expected, sizeof to);
    int64_t wide[5];
    e2b_from_double(E2B_I64, from, wide, 5);
    assert_true(wide[0] == INT64_MIN && wide[3] == INT64_MAX);
}

static void types_have_names(void **state) {
    (void)state;
    for (int dtype = E2B_F32; dtype < E2B_DTYPE_COUNT; dtype++)
        assert_int_equal(e2b_dtype_by_name(e2b_dtype_name(dtype)), dtype);
    assert_int_equal(e2b_dtype_by_name("FP8"), E2B_NONE);
    assert_int_equal(e2b_dtype_by_onnx(7), E2B_I64);
    assert_int_equal(e2b_dtype_by_onnx(99), E2B_NONE);
    assert_int_equal(e2b_dtype_bytes(E2B_F16), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strides_follow_the_layout),
        cmocka_unit_test(shapes_broadcast),
        cmocka_unit_test(reshape_needs_no_copy_where_strides_allow),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(integers_saturate),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
