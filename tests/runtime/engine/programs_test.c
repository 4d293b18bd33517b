#include "backends/sim/sim.h"
#include "runtime/engine/programs.h"
#include "tests/support.h"

#include <string.h>

static const struct e2b_source one = {"one.cl", "", 0}, two = {"two.cl", "", 0};

static void equal_wishes_are_one_program(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_programs *programs;
    assert_ok(e2b_sim_create(&(struct e2b_sim_options){0}, &device, &err), err);
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    int first = e2b_programs_want(programs, &one, "-DA");
    assert_int_equal(e2b_programs_want(programs, &one, "-DA"), first);
    assert_int_not_equal(e2b_programs_want(programs, &one, "-DB"), first);
    assert_int_not_equal(e2b_programs_want(programs, &two, "-DA"), first);
    assert_int_equal(e2b_programs_count(programs), 3);
    assert_null(e2b_programs_get(programs, first));
    assert_ok(e2b_programs_build(programs, true, &err), err);
    assert_int_equal(e2b_sim_objects(device).programs, 3);
    assert_ok(e2b_programs_build(programs, true, &err), err);
    assert_int_equal(e2b_sim_objects(device).programs, 3);
    for (int i = 0; i < 3; i++)
        assert_non_null(e2b_programs_get(programs, i));
    e2b_programs_destroy(programs);
    assert_int_equal(e2b_sim_objects(device).programs, 0);
    device->ops->destroy(device);
}

static void many_are_built_and_a_failure_is_told(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_programs *programs;
    assert_ok(e2b_sim_create(&(struct e2b_sim_options){0}, &device, &err), err);
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    for (int i = 0; i < 100; i++) {
        char options[16];
        snprintf(options, sizeof options, "-DN=%d", i);
        assert_int_equal(e2b_programs_want(programs, &one, options), i);
    }
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_BUILD, 10);
    assert_int_equal(e2b_programs_build(programs, true, &err), E2B_DEVICE);
    assert_true(e2b_sim_objects(device).programs < 100);
    e2b_error_clear(&err);
    assert_ok(e2b_programs_build(programs, true, &err), err);
    assert_int_equal(e2b_sim_objects(device).programs, 100);
    e2b_programs_destroy(programs);
    device->ops->destroy(device);
}

static void each_is_built_though_one_fails_for_good(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_programs *programs;
    assert_ok(e2b_sim_create(&(struct e2b_sim_options){0}, &device, &err), err);
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    for (int i = 0; i < 50; i++) {
        char options[16];
        snprintf(options, sizeof options, "-DN=%d", i);
        e2b_programs_want(programs, &one, options);
    }
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_BUILD, 10);
    e2b_programs_build_each(programs, true);
    assert_int_equal(e2b_sim_objects(device).programs, 49);
    e2b_programs_build_each(programs, true);
    assert_int_equal(e2b_sim_objects(device).programs, 49);
    assert_ok(e2b_programs_build(programs, true, &err), err);
    assert_int_equal(e2b_sim_objects(device).programs, 50);
    e2b_programs_destroy(programs);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_wishes_are_one_program),
        cmocka_unit_test(many_are_built_and_a_failure_is_told),
        cmocka_unit_test(each_is_built_though_one_fails_for_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
