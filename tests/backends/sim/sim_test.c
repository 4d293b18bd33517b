#include "backends/sim/sim.h"

#include "tests/support.h"
#include <string.h>

static const struct e2b_source source = {"x.cl", "", 0};

static struct e2b_device *make(const struct e2b_sim_options *options) {
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    assert_ok(e2b_sim_create(options, &device, &err), err);
    return device;
}

static void memory_has_a_limit(void **state) {
    (void)state;
    const struct e2b_traits traits = {.memory_bytes = 1000, .max_buffer_bytes = 600};
    struct e2b_device *device = make(&(struct e2b_sim_options){.traits = &traits});
    struct e2b_buffer *a = NULL, *b = NULL, *pinned = NULL;
    struct e2b_error err = {0};
    const struct e2b_device_ops *ops = device->ops;
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, 600, &a, &err), err);
    assert_fails(ops->buffer_create(device, E2B_MEMORY_DEVICE, 401, &b, &err), E2B_NO_MEMORY,
        "no room for 401 bytes: 600 of 1000", err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_PINNED, 600, &pinned, &err), err);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, 400, &b, &err), err);
    ops->buffer_destroy(device, a);
    assert_ok(ops->buffer_create(device, E2B_MEMORY_DEVICE, 600, &a, &err), err);
    assert_int_equal(e2b_sim_objects(device).device_bytes, 1000);
    assert_int_equal(e2b_sim_objects(device).pinned_bytes, 600);
    ops->buffer_destroy(device, a);
    ops->buffer_destroy(device, b);
    ops->buffer_destroy(device, pinned);
    assert_int_equal(e2b_sim_objects(device).buffers, 0);
    ops->destroy(device);
}

static void fresh_memory_is_poisoned_alike(void **state) {
    (void)state;
    struct e2b_device *device = make(&(struct e2b_sim_options){0});
    struct e2b_buffer *pinned = NULL;
    struct e2b_error err = {0};
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_PINNED, 3, &pinned, &err), err);
    assert_memory_equal(device->ops->buffer_host(device, pinned), "\xCD\xCD\xCD", 3);
    device->ops->buffer_destroy(device, pinned);
    device->ops->destroy(device);
}

static void the_nth_allocation_or_build_fails(void **state) {
    (void)state;
    struct e2b_device *device = make(&(struct e2b_sim_options){0});
    const struct e2b_device_ops *ops = device->ops;
    struct e2b_buffer *buffer = NULL;
    struct e2b_program *program = NULL;
    struct e2b_error err = {0};
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_ALLOCATION, 2);
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_BUILD, 1);
    for (int i = 1; i <= 3; i++) {
        enum e2b_status status = ops->buffer_create(device, E2B_MEMORY_DEVICE, 4, &buffer, &err);
        assert_int_equal(status, i == 2 ? E2B_NO_MEMORY : E2B_OK);
        ops->buffer_destroy(device, buffer);
    }
    memset(&err, 0, sizeof err);
    assert_fails(ops->program_build(device, &source, "", &program, &err), E2B_DEVICE, "x.cl", err);
    assert_null(program);
    assert_ok(ops->program_build(device, &source, "", &program, &err), err);
    ops->program_destroy(device, program);
    ops->destroy(device);
}

static int failures_of(uint64_t seed) {
    struct e2b_device *device = make(&(struct e2b_sim_options){.seed = seed});
    int failures = 0;
    unsigned order = 0;
    e2b_sim_fail_randomly(device, E2B_SIM_FAULT_ALLOCATION, 0.25);
    for (int i = 0; i < 1000; i++) {
        struct e2b_buffer *buffer = NULL;
        struct e2b_error err = {0};
        failures += device->ops->buffer_create(device, E2B_MEMORY_DEVICE, 4, &buffer, &err) != 0;
        order = order * 3 + (unsigned)failures;
        device->ops->buffer_destroy(device, buffer);
    }
    assert_in_range(failures, 200, 300);
    device->ops->destroy(device);
    return (int)(order % 1000003);
}

static void random_faults_repeat_with_their_seed(void **state) {
    (void)state;
    assert_int_equal(failures_of(1), failures_of(1));
    assert_int_not_equal(failures_of(1), failures_of(2));
}

static void kernels_are_found_by_name(void **state) {
    (void)state;
    char name[] = "double";
    const struct e2b_sim_kernel kernel = {.name = name};
    struct e2b_sim_options options = {.kernels = &kernel, .kernel_count = 1};
    struct e2b_device *device = make(&options);
    const struct e2b_device_ops *ops = device->ops;
    struct e2b_program *program = NULL;
    struct e2b_kernel *found = NULL, *routine = NULL, *none = NULL;
    struct e2b_error err = {0};
    strcpy(name, "other"); /* names are copied */
    assert_ok(ops->program_build(device, &source, "", &program, &err), err);
    assert_ok(ops->kernel_create(device, program, "double", &found, &err), err);
    assert_ok(ops->routine_create(device, "double", &routine, &err), err);
    assert_fails(ops->kernel_create(device, program, "triple", &none, &err), E2B_NOT_FOUND,
        "\"triple\" is not registered", err);
    assert_fails(
        ops->routine_create(device, "triple", &none, &err), E2B_UNSUPPORTED, "triple", err);
    ops->kernel_destroy(device, found);
    ops->kernel_destroy(device, routine);
    ops->program_destroy(device, program);
    ops->destroy(device);
    device = make(&(struct e2b_sim_options){.any_kernel = true});
    assert_ok(device->ops->kernel_create(device, NULL, "anything", &found, &err), err);
    assert_int_equal(e2b_sim_objects(device).kernels, 1);
    device->ops->kernel_destroy(device, found);
    device->ops->destroy(device);
}

static void arguments_have_bounds(void **state) {
    (void)state;
    struct e2b_device *device = make(&(struct e2b_sim_options){.any_kernel = true});
    const struct e2b_device_ops *ops = device->ops;
    struct e2b_kernel *kernel = NULL;
    struct e2b_error err = {0};
    char large[32] = {0};
    assert_ok(ops->kernel_create(device, NULL, "k", &kernel, &err), err);
    assert_fails(ops->kernel_set_value(device, kernel, 64, large, 4, &err), E2B_INVALID,
        "argument 64 is outside 0..63", err);
    assert_fails(
        ops->kernel_set_value(device, kernel, -1, large, 4, &err), E2B_INVALID, "outside", err);
    assert_fails(
        ops->kernel_set_value(device, kernel, 0, large, 17, &err), E2B_INVALID, "1..16", err);
    ops->kernel_destroy(device, kernel);
    ops->destroy(device);
    ops->destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_has_a_limit),
        cmocka_unit_test(fresh_memory_is_poisoned_alike),
        cmocka_unit_test(the_nth_allocation_or_build_fails),
        cmocka_unit_test(random_faults_repeat_with_their_seed),
        cmocka_unit_test(kernels_are_found_by_name),
        cmocka_unit_test(arguments_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
