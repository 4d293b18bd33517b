#include "runtime/engine/trial.h"
#include "tests/runtime/engine/choices.h"
#include "tests/support.h"

#include <math.h>
#include <string.h>

#define LENGTH 1000

struct bench {
    struct e2b_device *device;
    struct e2b_programs *programs;
    struct choices_graph graph;
    struct e2b_trial *trial;
    int64_t runs;
};

static struct bench *open_bench(void) {
    static struct bench bench;
    static const int64_t lengths[] = {LENGTH};
    static const char *const kernels[] = {
        "standard", "good60", "good40", "good30", "near", "wrong", "silent", "absent"};
    static const struct e2b_source *source;
    struct e2b_error err = {0};
    bench.device = choices_device(&bench.runs);
    choices_graph_init(&bench.graph, &choices_op, 1, lengths, 1);
    assert_ok(e2b_programs_create(bench.device, &bench.programs, &err), err);
    struct e2b_operand inputs[1] = {{.present = true}}, outputs[1] = {{.present = true}};
    struct e2b_call call = {.op = &choices_op,
        .input_count = 1,
        .output_count = 1,
        .inputs = inputs,
        .outputs = outputs};
    struct e2b_launch_list list = {0};
    assert_ok(choices_op.variants[0].emit(&call, &list, &err), err);
    source = list.launches[0].source;
    e2b_launch_list_finish(&list);
    for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++) {
        char options[32];
        snprintf(options, sizeof options, "-DKERNEL=%s", kernels[i]);
        e2b_programs_want(bench.programs, source, options);
    }
    e2b_programs_build_each(bench.programs, true);
    assert_ok(
        e2b_trial_create(bench.device, &bench.graph.graph, 0, bench.programs, &bench.trial, &err),
        err);
    return &bench;
}

static void close_bench(struct bench *bench) {
    e2b_trial_destroy(bench->trial);
    e2b_programs_destroy(bench->programs);
    struct e2b_sim_objects left = e2b_sim_objects(bench->device);
    assert_int_equal(left.buffers + left.queues + left.programs + left.kernels + left.events, 0);
    bench->device->ops->destroy(bench->device);
}

static void times_are_the_devices(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench *bench = open_bench();
    const struct e2b_choice choices[] = {{"standard", 0}, {"good", 2}};
    int64_t times[2];
    assert_ok(e2b_trial_time(bench->trial, choices, 2, INT64_MAX, times, &err), err);
    assert_int_equal(times[0], LENGTH * CHOICES_STANDARD_NS);
    assert_int_equal(times[1], LENGTH * CHOICES_BEST_NS);
    close_bench(bench);
}

static void what_is_too_slow_is_not_run_again(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench *bench = open_bench();
    const struct e2b_choice choice = {"standard", 0};
    int64_t time_ns;
    assert_ok(e2b_trial_time(bench->trial, &choice, 1, 1000, &time_ns, &err), err);
    assert_int_equal(time_ns, LENGTH * CHOICES_STANDARD_NS);
    assert_int_equal(bench->runs, 2);
    close_bench(bench);
}

static void errors_are_measured_against_the_expected(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench *bench = open_bench();
    const struct e2b_choice standard = {"standard", 0}, good = {"good", 1}, wrong = {"wrong", 0},
                            silent = {"silent", 0};
    double error;
    assert_ok(e2b_trial_expect(bench->trial, &standard, &err), err);
    assert_ok(e2b_trial_check(bench->trial, &good, &error, &err), err);
    assert_true(error == 0);
    assert_ok(e2b_trial_check(bench->trial, &wrong, &error, &err), err);
    assert_true(fabs(error - 0.05) < 1e-6);
    assert_ok(e2b_trial_check(bench->trial, &silent, &error, &err), err);
    assert_true(isinf(error));
    assert_fails(e2b_trial_expect(bench->trial, &silent, &err), E2B_DEVICE, "not finite", err);
    close_bench(bench);
}

static void failures_are_told_and_leave_nothing(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench *bench = open_bench();
    const struct e2b_choice standard = {"standard", 0}, absent = {"absent", 0};
    int64_t time_ns;
    double error;
    assert_int_not_equal(
        e2b_trial_time(bench->trial, &absent, 1, INT64_MAX, &time_ns, &err), E2B_OK);
    e2b_error_clear(&err);
    for (int fault = 0; fault < E2B_SIM_FAULT_COUNT; fault++) {
        if (fault == E2B_SIM_FAULT_BUILD || fault == E2B_SIM_FAULT_ALLOCATION)
            continue;
        e2b_sim_fail_nth(bench->device, (enum e2b_sim_fault)fault, 3);
        assert_int_not_equal(
            e2b_trial_time(bench->trial, &standard, 1, INT64_MAX, &time_ns, &err), E2B_OK);
        e2b_error_clear(&err);
    }
    assert_ok(e2b_trial_time(bench->trial, &standard, 1, INT64_MAX, &time_ns, &err), err);
    assert_ok(e2b_trial_expect(bench->trial, &standard, &err), err);
    assert_ok(e2b_trial_check(bench->trial, &standard, &error, &err), err);
    struct e2b_trial *other;
    e2b_sim_fail_nth(bench->device, E2B_SIM_FAULT_ALLOCATION, 2);
    assert_fails(
        e2b_trial_create(bench->device, &bench->graph.graph, 0, bench->programs, &other, &err),
        E2B_NO_MEMORY, "", err);
    close_bench(bench);
}

static void a_program_that_is_not_built_is_named(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench *bench = open_bench();
    struct e2b_programs *none;
    struct e2b_trial *trial;
    const struct e2b_choice standard = {"standard", 0};
    int64_t time_ns;
    assert_ok(e2b_programs_create(bench->device, &none, &err), err);
    assert_ok(e2b_trial_create(bench->device, &bench->graph.graph, 0, none, &trial, &err), err);
    assert_fails(e2b_trial_time(trial, &standard, 1, INT64_MAX, &time_ns, &err), E2B_UNSUPPORTED,
        "choices.cl does not build", err);
    e2b_trial_destroy(trial);
    e2b_programs_destroy(none);
    close_bench(bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_the_devices),
        cmocka_unit_test(what_is_too_slow_is_not_run_again),
        cmocka_unit_test(errors_are_measured_against_the_expected),
        cmocka_unit_test(failures_are_told_and_leave_nothing),
        cmocka_unit_test(a_program_that_is_not_built_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
