#include "kernels/common/infer.h"

#include "tests/support.h"

#include <string.h>

static const struct e2b_op op = {.name = "probe"};

struct setting {
    struct e2b_operand inputs[3], outputs[2];
    struct e2b_call call;
};

static void start(struct setting *setting) {
    *setting = (struct setting){.inputs = {{.present = true}, {.present = true}, {0}},
        .call = {.op = &op, .input_count = 3, .output_count = 1}};
    setting->inputs[0].tensor = (struct e2b_tensor){.dtype = E2B_F16, .shape = {2, {4, 5}}};
    setting->call.inputs = setting->inputs;
    setting->call.outputs = setting->outputs;
}

static void operands_are_counted(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    start(&setting);
    assert_ok(e2b_expect(&setting.call, 2, 3, 1, &err), err);
    assert_fails(e2b_expect(&setting.call, 3, 3, 1, &err), E2B_INVALID, "input 2 is missing", err);
    assert_fails(e2b_expect(&setting.call, 1, 2, 1, &err), E2B_INVALID, "3 inputs", err);
    setting.call.output_count = 2;
    assert_fails(e2b_expect(&setting.call, 2, 3, 1, &err), E2B_INVALID, "2 outputs", err);
    setting.call.output_count = 0;
    assert_fails(e2b_expect(&setting.call, 2, 3, 1, &err), E2B_INVALID, "0 outputs", err);
}

static void ranks_and_axes_have_ranges(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    int axis = -1;
    start(&setting);
    assert_ok(e2b_expect_rank(&setting.call, 0, 2, 3, &err), err);
    assert_fails(e2b_expect_rank(&setting.call, 0, 3, 4, &err), E2B_INVALID, "outside 3..4", err);
    assert_ok(e2b_expect_axis(&setting.call, -4, 4, &axis, &err), err);
    assert_int_equal(axis, 0);
    assert_ok(e2b_expect_axis(&setting.call, 3, 4, &axis, &err), err);
    assert_int_equal(axis, 3);
    assert_fails(
        e2b_expect_axis(&setting.call, 4, 4, &axis, &err), E2B_INVALID, "outside -4..3", err);
    assert_fails(
        e2b_expect_axis(&setting.call, INT64_MIN, 4, &axis, &err), E2B_INVALID, "axis", err);
}

static void lists_come_from_constants(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    const int64_t wide[] = {INT64_C(9007199254740993), -2};
    const int32_t narrow[] = {7, -8};
    struct e2b_constant constant = {.dtype = E2B_I64, .shape = {1, {2}}, .data = wide};
    int64_t out[2];
    int count = 0;
    start(&setting);
    assert_fails(e2b_expect_ints(&setting.call, 1, out, 2, &count, &err), E2B_UNSUPPORTED,
        "input 1 must be known", err);
    setting.inputs[1].constant = &constant;
    assert_ok(e2b_expect_ints(&setting.call, 1, out, 2, &count, &err), err);
    assert_int_equal(count, 2);
    assert_true(out[0] == wide[0] && out[1] == -2); /* a double could not hold the first */
    assert_fails(
        e2b_expect_ints(&setting.call, 1, out, 1, &count, &err), E2B_INVALID, "at most 1", err);
    constant = (struct e2b_constant){.dtype = E2B_I32, .shape = {1, {2}}, .data = narrow};
    assert_ok(e2b_expect_ints(&setting.call, 1, out, 2, &count, &err), err);
    assert_true(out[0] == 7 && out[1] == -8);
    assert_true(e2b_constant_number(&constant, 1) == -8);
    constant.shape = (struct e2b_shape){2, {1, 2}};
    assert_fails(e2b_expect_ints(&setting.call, 1, out, 2, &count, &err), E2B_INVALID, "list", err);
}

static void outputs_stay_in_range(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    start(&setting);
    assert_ok(e2b_set_output_like(&setting.call, &err), err);
    assert_int_equal(setting.outputs[0].tensor.dtype, E2B_F16);
    assert_true(e2b_shape_equal(&setting.outputs[0].tensor.shape, &setting.inputs[0].tensor.shape));
    const struct e2b_shape most = {2, {1, E2B_MAX_ELEMENTS}}, none = {3, {0, 1 << 30, 0}};
    assert_ok(e2b_set_output(&setting.call, 0, E2B_F32, &most, &err), err);
    assert_ok(e2b_set_output(&setting.call, 0, E2B_F32, &none, &err), err);
    const struct e2b_shape bad[] = {{2, {2, E2B_MAX_ELEMENTS}}, {1, {-1}}, {1, {INT64_MAX}},
        {3, {0, 1 << 30, 4}}, {4, {1 << 16, 1 << 16, 1 << 16, 1 << 16}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fails(e2b_set_output(&setting.call, 0, E2B_F32, &bad[i], &err), E2B_INVALID,
            "dimension", err);
    const struct e2b_shape deep = {E2B_MAX_RANK + 1, {1}};
    assert_fails(e2b_set_output(&setting.call, 0, E2B_F32, &deep, &err), E2B_INVALID, "rank", err);
}

static void operators_without_attributes_import_nothing(void **state) {
    (void)state;
    struct e2b_error err = {0};
    const struct e2b_onnx_node node = {.name = "n", .type = "Relu"};
    assert_ok(e2b_import_nothing(&node, NULL, &err), err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_are_counted),
        cmocka_unit_test(ranks_and_axes_have_ranges),
        cmocka_unit_test(lists_come_from_constants),
        cmocka_unit_test(outputs_stay_in_range),
        cmocka_unit_test(operators_without_attributes_import_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
