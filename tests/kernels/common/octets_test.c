#include "kernels/common/octets.h"
#include "tests/support.h"

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
        cmocka_unit_test(octets_need_aligned_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
