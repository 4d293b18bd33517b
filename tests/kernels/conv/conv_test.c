#include "kernels/conv/variants.h"

#include "tests/kernels/op_case.h"
#include "tests/support.h"

extern const struct e2b_op_cases e2b_cases_conv;

static void every_variant_agrees_with_the_reference(void **state) {
    (void)state;
    int failures = e2b_op_cases_run(&e2b_cases_conv);
    if (failures < 0)
        e2b_skip("variants need an OpenCL device");
    assert_int_equal(failures, 0);
}

static int lanes(int vector_bytes, int64_t channels) {
    struct e2b_traits traits = {.vector_bytes = vector_bytes, .channel_align = 8};
    struct e2b_operand out = {.tensor.shape = {.rank = 4, .dims = {1, channels, 7, 7}}};
    struct e2b_call call = {.traits = &traits, .outputs = &out, .output_count = 1};
    return e2b_conv_lanes(&call);
}

static void vectors_fit_registers_and_channels(void **state) {
    (void)state;
    assert_int_equal(lanes(64, 32), 16);
    assert_int_equal(lanes(64, 30), 16);
    assert_int_equal(lanes(64, 24), 8);
    assert_int_equal(lanes(32, 32), 8);
    assert_int_equal(lanes(16, 32), 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_fit_registers_and_channels),
        cmocka_unit_test(every_variant_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
