#include "backends/opencl/traits.h"

#include "backends/opencl/object.h"
#include "runtime/base/thread.h"
#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <string.h>
#include <unistd.h>

static struct e2b_device *open_with(const char *cache) {
    const struct e2b_opencl_options options = {
        .select = getenv("E2B_TEST_DEVICE"), .cache_folder = cache};
    struct e2b_error err = {0};
    struct e2b_device *device;
    assert_ok(e2b_opencl_open(&options, &device, &err), err);
    return device;
}

static void traits_fit_the_machine(void **state) {
    struct e2b_device *device = open_with(getenv("E2B_TEST_CACHE"));
    const struct e2b_traits *traits = &device->traits;
    (void)state;
    assert_true(traits->base_align_bytes >= 64);
    assert_true(traits->local_bytes >= 1024);
    if (traits->is_cpu) {
        assert_int_equal(traits->channel_align, traits->vector_bytes / 4);
        assert_true(traits->compute_units <= e2b_topology_get()->cores);
        assert_int_equal(traits->l2_bytes, (int64_t)e2b_topology_get()->l2_bytes);
        assert_int_equal(traits->ptx_sm, 0);
        assert_string_equal(device->pci_address, "");
    } else {
        assert_int_equal(traits->channel_align, 8);
        assert_int_equal(traits->vector_bytes, 0);
    }
    device->ops->destroy(device);
}

static void the_identity_names_platform_device_and_driver(void **state) {
    struct e2b_cl_found *found;
    struct e2b_error err = {0};
    struct e2b_device device;
    int count;
    (void)state;
    assert_ok(e2b_cl_find(&found, &count, &err), err);
    if (count == 0)
        e2b_skip("no OpenCL device on this machine");
    e2b_cl_identify(&device, &found[0]);
    assert_non_null(strstr(device.identity, found[0].info.device));
    assert_non_null(strstr(device.identity, found[0].info.driver));
    size_t shown = strlen(found[0].info.platform) < 30 ? strlen(found[0].info.platform) : 30;
    assert_int_equal(strncmp(device.identity, found[0].info.platform, shown), 0);
    char *before = strdup(device.identity);
    found[0].info.driver[0] ^= 1;
    e2b_cl_identify(&device, &found[0]);
    assert_string_not_equal(before, device.identity);
    free(before);
    free(found);
}

/* Opened twice with one cache: the second time the traits come from it, and are the same. */
static void probe_results_are_remembered(void **state) {
    char folder[] = "/tmp/e2b-traits-XXXXXX", command[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    struct e2b_device *first = open_with(folder), *second = open_with(folder);
    assert_memory_equal(&first->traits, &second->traits, sizeof first->traits);
    assert_string_equal(first->identity, second->identity);
    first->ops->destroy(first);
    second->ops->destroy(second);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traits_fit_the_machine),
        cmocka_unit_test(the_identity_names_platform_device_and_driver),
        cmocka_unit_test(probe_results_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
