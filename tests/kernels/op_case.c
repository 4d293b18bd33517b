#include "tests/kernels/op_case.h"

#include "backends/opencl/opencl.h"
#include "tests/kernels/op_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *precision_name(enum e2b_dtype precision) {
    return precision == E2B_F16 ? "fp16" : "fp32";
}

static int report(const struct e2b_op_case *test, const char *what, const char *text) {
    printf("FAILED: %s \"%s\": %s: %s\n", test->op, test->name, what, text);
    return 1;
}

/* A case that must be refused; err is what import and infer said. */
static int check_refusal(const struct e2b_op_case *test, const struct e2b_error *err) {
    if (err->status == E2B_OK)
        return report(test, "was not refused, expected", test->fails);
    return strstr(err->text, test->fails) ? 0 : report(test, "refused with", err->text);
}

/* The reference against values that the case gives. */
static int check_expected(const struct e2b_op_problem *problem) {
    const struct e2b_op_case *test = problem->test;
    if (!test->expected)
        return 0;
    int64_t count = e2b_shape_count(&problem->outputs[0].tensor.shape);
    if (test->expected_count && test->expected_count != count)
        return report(test, "reference", "wrong number of elements");
    double error = e2b_relative_error(problem->out[0], test->expected, count);
    return error < 1e-6 ? 0 : report(test, "reference", "differs from the expected values");
}

static int run_candidate(const struct e2b_op_problem *problem, const struct e2b_op_setup *setup,
    const struct e2b_variant *variant, int candidate) {
    const struct e2b_op_case *test = problem->test;
    bool half = setup->precision == E2B_F16;
    double given = half ? test->tolerance_f16 : test->tolerance_f32;
    double tolerance = given > 0 ? given : half ? 2e-3 : 1e-5, error = INFINITY;
    struct e2b_error err = {0};
    struct e2b_op_run run;
    e2b_op_run_init(&run, problem, setup);
    if (e2b_op_run_prepare(&run, variant, candidate, &err) == E2B_OK
        && e2b_op_run_once(&run, &err) == E2B_OK)
        e2b_op_run_check(&run, &error, &err);
    e2b_op_run_finish(&run);
    char what[160];
    snprintf(what, sizeof what, "%s[%d] %s%s", variant->name, candidate,
        precision_name(setup->precision), setup->wide ? " wide" : "");
    if (err.status != E2B_OK)
        return report(test, what, err.text);
    if (error <= tolerance)
        return 0;
    printf("FAILED: %s \"%s\": %s: error %.3g, tolerance %.3g\n", test->op, test->name, what, error,
        tolerance);
    return 1;
}

static int run_variants(const struct e2b_op_problem *problem, const struct e2b_op_setup *setup) {
    const struct e2b_op_case *test = problem->test;
    int failures = 0, accepted = 0;
    struct e2b_op_run run;
    e2b_op_run_init(&run, problem, setup);
    for (const struct e2b_variant *v = problem->call.op->variants; v && v->name; v++) {
        char reason[128] = "";
        int candidates = 1;
        if (!e2b_op_run_accepts(&run, v, &candidates, reason, sizeof reason)) {
            if (!setup->wide && setup->precision == E2B_F32)
                printf("%s \"%s\": %s refused: %s\n", test->op, test->name, v->name, reason);
            continue;
        }
        accepted++;
        for (int c = 0; c < candidates; c++)
            failures += run_candidate(problem, setup, v, c);
    }
    return accepted ? failures : report(test, precision_name(setup->precision), "all refused");
}

static int run_on_device(const struct e2b_op_problem *problem, struct e2b_device *device) {
    int failures = 0;
    for (int wide = 0; wide <= !problem->test->only_dense; wide++)
        for (int half = 0; half <= !problem->test->only_f32; half++)
            failures += run_variants(
                problem, &(struct e2b_op_setup){device, half ? E2B_F16 : E2B_F32, wide});
    return failures;
}

/* device NULL: host side only. */
static int run_case(const struct e2b_op_case *test, struct e2b_device *device) {
    struct e2b_op_problem problem;
    struct e2b_error err = {0};
    int failures = 0;
    enum e2b_status status = e2b_op_problem_init(&problem, test, &err);
    if (test->fails)
        failures = check_refusal(test, &err);
    else if (status != E2B_OK || e2b_op_problem_reference(&problem, &err) != E2B_OK)
        failures = report(test, "reference", err.text);
    else
        failures = check_expected(&problem);
    if (!test->fails && failures == 0 && device && problem.call.op->variants)
        failures = run_on_device(&problem, device);
    e2b_op_problem_finish(&problem);
    return failures;
}

int e2b_op_cases_run(const struct e2b_op_cases *cases) {
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    int failures = 0;
    if (e2b_opencl_open(&(struct e2b_opencl_options){0}, &device, &err) != E2B_OK)
        printf("SKIP: no OpenCL device (%s): only references were checked\n", err.text);
    for (int i = 0; i < cases->count; i++)
        if (!cases->cases[i].bench)
            failures += run_case(&cases->cases[i], device);
    bool skipped = !device;
    if (device)
        device->ops->destroy(device);
    return failures ? failures : skipped ? -1 : 0;
}

/* One variant on one device, see e2b_op_cases_run_on. */
struct selection {
    struct e2b_device *device;
    const char *variant;
    int candidates, runs;
};

static int run_selected(const struct e2b_op_problem *problem, const struct e2b_op_setup *setup,
    struct selection *selection) {
    int failures = 0, count = 1;
    struct e2b_op_run run;
    e2b_op_run_init(&run, problem, setup);
    for (const struct e2b_variant *v = problem->call.op->variants; v && v->name; v++) {
        char reason[128] = "";
        if (strcmp(v->name, selection->variant) != 0
            || !e2b_op_run_accepts(&run, v, &count, reason, sizeof reason))
            continue;
        for (int c = 0; c < selection->candidates && c < count; c++) {
            int candidate = selection->candidates >= count ? c
                : c ? 1 + selection->runs / 2 * 7 % (count - 1)
                    : 0;
            failures += run_candidate(problem, setup, v, candidate);
            selection->runs++;
        }
    }
    return failures;
}

static int run_case_selected(const struct e2b_op_case *test, struct selection *selection) {
    struct e2b_op_problem problem;
    struct e2b_error err = {0};
    int failures = 0;
    if (e2b_op_problem_init(&problem, test, &err) == E2B_OK && !test->fails
        && e2b_op_problem_reference(&problem, &err) == E2B_OK)
        for (int i = 0; i < 4; i++) {
            const struct e2b_op_setup setup = {
                selection->device, i % 2 ? E2B_F16 : E2B_F32, i / 2 == 1};
            if ((i % 2 == 0 || !test->only_f32) && (i < 2 || !test->only_dense))
                failures += run_selected(&problem, &setup, selection);
        }
    e2b_op_problem_finish(&problem);
    return failures;
}

int e2b_op_cases_run_on(const struct e2b_op_cases *cases, struct e2b_device *device,
    const char *variant, int candidates) {
    struct selection selection = {device, variant, candidates, 0};
    int failures = 0;
    for (int i = 0; i < cases->count; i++)
        if (!cases->cases[i].bench)
            failures += run_case_selected(&cases->cases[i], &selection);
    printf("%s.%s: %d runs, %d failed\n", cases->family, variant, selection.runs, failures);
    return selection.runs ? failures : 1;
}
