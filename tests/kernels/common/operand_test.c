#include "kernels/common/operand.h"

#include "tests/support.h"

#include <string.h>

static const float numbers[] = {1, -2, 0.5f};
static const struct e2b_constant constant = {
    .id = 7, .dtype = E2B_F32, .shape = {1, {3}}, .data = numbers};

static void vectors_are_padded_with_zeros(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    assert_int_equal(e2b_pack_vector(&list, &constant, 5), 0);
    assert_int_equal(e2b_pack_vector(&list, NULL, 5), 1);
    assert_int_equal(list.packings[0].bytes, 5 * sizeof(float));
    float out[5];
    memset(out, 0xff, sizeof out);
    list.packings[0].pack(&list.packings[0], out);
    const float padded[] = {1, -2, 0.5f, 0, 0}, zeros[5] = {0};
    assert_memory_equal(out, padded, sizeof out);
    list.packings[1].pack(&list.packings[1], out);
    assert_memory_equal(out, zeros, sizeof out);
    e2b_launch_list_finish(&list);
}

static void operands_are_tensors_or_converted_constants(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    struct e2b_operand inputs[] = {{.present = true}, {.present = true, .constant = &constant}};
    struct e2b_call call = {.input_count = 2, .inputs = inputs};
    static const struct e2b_source source = {"a.cl", "", 0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "k", "%s", "");
    assert_non_null(launch);
    for (int i = 0; i < 3; i++)
        assert_ok(e2b_launch_operand(&list, launch, &call, i, E2B_F16, &err), err);
    assert_int_equal(launch->arg_count, 5);
    assert_int_equal(launch->args[0].kind, E2B_ARG_INPUT);
    assert_int_equal(launch->args[1].kind, E2B_ARG_PACKED);
    assert_int_equal(launch->args[2].i, 0);
    uint16_t out[3];
    list.packings[0].pack(&list.packings[0], out);
    const uint16_t halves[] = {0x3c00, 0xc000, 0x3800};
    assert_memory_equal(out, halves, sizeof out);
    e2b_launch_list_finish(&list);
}

static void constants_are_read_densely(void **state) {
    (void)state;
    struct e2b_operand operand = {.present = true,
        .constant = &constant,
        .tensor = {.layout = E2B_CHANNELS_LAST, .shape = {3, {2, 3, 4}}}};
    int64_t stride[E2B_MAX_RANK];
    e2b_operand_strides(&operand, stride);
    assert_int_equal(stride[0], 12);
    assert_int_equal(stride[1], 4);
    assert_int_equal(stride[2], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_padded_with_zeros),
        cmocka_unit_test(operands_are_tensors_or_converted_constants),
        cmocka_unit_test(constants_are_read_densely),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
