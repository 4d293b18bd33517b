#include "backends/opencl/probe.h"

#include "backends/opencl/object.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>

static void the_device_computes(void **state) {
    struct e2b_device *device = *state;
    struct e2b_error err = {0};
    int warp = 0;
    assert_ok(e2b_cl_probe_basic(device, &warp, &err), err);
    assert_true(warp >= 1);
    assert_true(device->traits.is_cpu || warp == device->traits.warp);
}

/* What a probe says now is what the traits say, wherever those came from. */
static void probes_agree_with_the_traits(void **state) {
    struct e2b_device *device = *state;
    const struct e2b_profile *profile = e2b_opencl_of(device)->profile;
    if (device->traits.is_cpu)
        assert_int_equal(e2b_cl_probe_prefetch(device), device->traits.prefetch);
    if (device->traits.half_arithmetic || profile->hides_half)
        assert_int_equal(e2b_cl_probe_half(device), device->traits.half_arithmetic);
    if (profile->inline_ptx)
        assert_int_equal(e2b_cl_probe_ptx(device), device->traits.ptx_sm);
    assert_true(
        e2b_cl_probe_local(device, device->traits.local_bytes) >= device->traits.local_bytes);
}

static void a_device_without_inline_ptx_has_no_level(void **state) {
    struct e2b_device *device = *state;
    if (e2b_opencl_of(device)->profile->inline_ptx)
        e2b_skip("this device may have inline PTX");
    assert_int_equal(e2b_cl_probe_ptx(device), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_computes),
        cmocka_unit_test(probes_agree_with_the_traits),
        cmocka_unit_test(a_device_without_inline_ptx_has_no_level),
    };
    return cmocka_run_group_tests(tests, e2b_test_begin, e2b_test_end);
}
