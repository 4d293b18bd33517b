#include "tests/kernels/op_case.h"
#include "tests/support.h"

extern const struct e2b_op_cases e2b_cases_inverted_residual;

static void every_variant_agrees_with_the_reference(void **state) {
    (void)state;
    int failures = e2b_op_cases_run(&e2b_cases_inverted_residual);
    if (failures < 0)
        e2b_skip("variants need an OpenCL device");
    assert_int_equal(failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_agrees_with_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
