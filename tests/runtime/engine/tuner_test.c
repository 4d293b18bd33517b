#include "runtime/base/file.h"
#include "runtime/engine/tuner.h"
#include "tests/runtime/engine/choices.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

struct tuned_run {
    struct e2b_device *device;
    struct e2b_tuning *tuning;
    struct e2b_tuner_report report;
    struct choices_graph graph;
    int64_t runs;
};

static void open_run(
    struct tuned_run *run, const struct e2b_op *op, const int64_t *lengths, int count) {
    struct e2b_error err = {0};
    memset(run, 0, sizeof *run);
    run->device = choices_device(&run->runs);
    assert_ok(e2b_tuning_create("simulated device", &run->tuning, &err), err);
    choices_graph_init(&run->graph, op, 1, lengths, count);
}

static void tune(struct tuned_run *run, int64_t budget_ns, bool again, const char *path) {
    struct e2b_error err = {0};
    const struct e2b_graph *const graphs[] = {&run->graph.graph};
    const struct e2b_tuner_options options = {
        .budget_ns = budget_ns, .again = again, .quiet = true};
    e2b_tuner_report_finish(&run->report);
    assert_ok(
        e2b_tune(run->device, graphs, 1, run->tuning, path, &options, &run->report, &err), err);
    struct e2b_sim_objects left = e2b_sim_objects(run->device);
    assert_int_equal(left.buffers + left.queues + left.programs + left.kernels + left.events, 0);
}

static void close_run(struct tuned_run *run) {
    e2b_tuner_report_finish(&run->report);
    e2b_tuning_destroy(run->tuning);
    run->device->ops->destroy(run->device);
}

static void the_fastest_right_choice_wins(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000};
    open_run(&run, &choices_op, lengths, 1);
    tune(&run, SECOND, false, NULL);
    assert_int_equal(run.report.row_count, 1);
    const struct e2b_tuner_row *row = &run.report.rows[0];
    assert_int_equal(row->state, E2B_TUNER_TUNED);
    assert_string_equal(row->default_variant, "standard");
    assert_string_equal(row->tuned.variant, "good");
    assert_int_equal(row->tuned.candidate, 2);
    assert_int_equal(row->tuned.default_ns, 1000 * CHOICES_STANDARD_NS);
    assert_int_equal(row->tuned.best_ns, 1000 * CHOICES_BEST_NS);
    assert_int_equal(row->wrong_count, 2);
    assert_int_equal(row->failed_count, 1);
    assert_int_equal(row->choice_count, 8); /* candidates 2 and 3 are one */
    close_run(&run);
}

/* Kernels are measured alone, whatever takes their arguments later. */
static void so_it_does_where_arguments_are_a_structure(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000};
    open_run(&run, &choices_op, lengths, 1);
    run.device->traits.few_arguments = true;
    tune(&run, SECOND, false, NULL);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_TUNED);
    assert_string_equal(run.report.rows[0].tuned.variant, "good");
    close_run(&run);
}

static void a_plan_takes_the_tuned_choice(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct tuned_run run;
    struct e2b_weights *weights;
    struct e2b_programs *programs;
    struct e2b_plan *plan;
    const int64_t lengths[] = {1000};
    struct e2b_storage storages[2] = {
        {.kind = E2B_STORAGE_INPUT, .bytes = 4000}, {.kind = E2B_STORAGE_OUTPUT, .bytes = 4000}};
    open_run(&run, &choices_op, lengths, 1);
    tune(&run, SECOND, false, NULL);
    run.graph.graph.storages = storages;
    run.graph.graph.storage_count = 2;
    for (int i = 0; i < 2; i++)
        run.graph.values[i].storage = i;
    assert_ok(e2b_weights_create(run.device, &weights, &err), err);
    assert_ok(e2b_programs_create(run.device, &programs, &err), err);
    const struct e2b_plan_options tuned = {.tuning = run.tuning, .quiet = true},
                                  forced = {.tuning = run.tuning,
                                      .force_variant = "choices.near",
                                      .quiet = true};
    assert_ok(
        e2b_plan_create(run.device, &run.graph.graph, weights, programs, &tuned, &plan, &err), err);
    assert_string_equal(e2b_plan_step(plan, 0)->launch.kernel, "good30");
    assert_string_equal(e2b_plan_step(plan, 0)->variant, "good");
    e2b_plan_destroy(plan);
    assert_ok(
        e2b_plan_create(run.device, &run.graph.graph, weights, programs, &forced, &plan, &err),
        err);
    assert_string_equal(e2b_plan_step(plan, 0)->variant, "near");
    e2b_plan_destroy(plan);
    e2b_programs_destroy(programs);
    e2b_weights_destroy(weights);
    close_run(&run);
}

static void a_small_gain_is_none(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000};
    open_run(&run, &choices_near_op, lengths, 1);
    tune(&run, SECOND, false, NULL);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_TUNED);
    assert_string_equal(run.report.rows[0].tuned.variant, "standard");
    assert_int_equal(run.report.rows[0].tuned.best_ns, run.report.rows[0].tuned.default_ns);
    assert_int_equal(e2b_tuning_count(run.tuning), 1);
    close_run(&run);
}

static void nothing_to_choose_needs_no_run(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000, 2000};
    open_run(&run, &choices_single_op, lengths, 2);
    tune(&run, SECOND, false, NULL);
    assert_int_equal(run.report.row_count, 0);
    assert_int_equal(run.runs, 0);
    close_run(&run);
}

static void equal_calls_are_measured_once_and_the_costliest_first(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000, 3000, 2000, 1000, 1000, 1000};
    open_run(&run, &choices_op, lengths, 6);
    tune(&run, SECOND, false, NULL);
    assert_int_equal(run.report.row_count, 3);
    assert_int_equal(run.report.rows[0].count, 4);
    assert_string_equal(run.report.rows[0].name, "choices 1000 -> 1000");
    assert_int_equal(run.report.rows[1].count, 1);
    assert_string_equal(run.report.rows[1].name, "choices 3000 -> 3000");
    assert_int_equal(e2b_tuning_count(run.tuning), 3);
    close_run(&run);
}

static void the_budget_ends_it_and_the_next_run_goes_on(void **state) {
    (void)state;
    struct tuned_run run;
    const int64_t lengths[] = {1000, 100000, 2000};
    open_run(&run, &choices_op, lengths, 3);
    tune(&run, 0, false, NULL);
    assert_int_equal(run.runs, 0);
    assert_int_equal(e2b_tuning_count(run.tuning), 0);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_LEFT);
    tune(&run, 100 * 1000 * 1000, false, NULL); /* the longest takes more than that */
    assert_int_equal(e2b_tuning_count(run.tuning), 1);
    assert_string_equal(run.report.rows[0].name, "choices 100000 -> 100000");
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_TUNED);
    assert_int_equal(run.report.rows[1].state, E2B_TUNER_LEFT);
    tune(&run, 100 * SECOND, false, NULL);
    assert_int_equal(e2b_tuning_count(run.tuning), 3);
    int known = 0;
    for (int i = 0; i < 3; i++)
        known += run.report.rows[i].state == E2B_TUNER_KNOWN;
    assert_int_equal(known, 1);
    run.runs = 0;
    tune(&run, 100 * SECOND, false, NULL);
    assert_int_equal(run.runs, 0);
    tune(&run, 100 * SECOND, true, NULL);
    assert_true(run.runs > 0);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_TUNED);
    close_run(&run);
}

/* Whatever fails, the tuner ends well, and never takes a wrong choice. */
static void faults_cost_choices_only(void **state) {
    (void)state;
    const int64_t lengths[] = {1000, 2000};
    for (int fault = 0; fault < E2B_SIM_FAULT_COUNT; fault++)
        for (int nth = 1; nth < 400; nth += nth < 40 ? 1 : 37) {
            struct tuned_run run;
            open_run(&run, &choices_op, lengths, 2);
            e2b_sim_fail_nth(run.device, (enum e2b_sim_fault)fault, nth);
            tune(&run, SECOND, false, NULL);
            for (int i = 0; i < run.report.row_count; i++) {
                const struct e2b_tuner_row *row = &run.report.rows[i];
                if (row->state == E2B_TUNER_TUNED)
                    assert_true(!strcmp(row->tuned.variant, "good")
                        || !strcmp(row->tuned.variant, "standard"));
                else
                    assert_int_equal(row->state, E2B_TUNER_FAILED);
            }
            e2b_sim_fail_nth(run.device, (enum e2b_sim_fault)fault, 0);
            close_run(&run);
        }
    struct tuned_run run;
    open_run(&run, &choices_op, lengths, 2);
    for (int fault = 0; fault < E2B_SIM_FAULT_COUNT; fault++)
        e2b_sim_fail_randomly(run.device, (enum e2b_sim_fault)fault, 1);
    e2b_sim_fail_randomly(run.device, E2B_SIM_FAULT_ALLOCATION, 0);
    tune(&run, SECOND, false, NULL);
    assert_int_equal(e2b_tuning_count(run.tuning), 0);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_FAILED);
    close_run(&run);
}

static void results_are_saved_as_they_come(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct tuned_run run;
    const int64_t lengths[] = {1000, 2000};
    char folder[] = "/tmp/e2b-tuner-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.tune", folder);
    open_run(&run, &choices_op, lengths, 2);
    tune(&run, SECOND, false, path);
    struct e2b_tuning *read;
    assert_ok(e2b_tuning_create("simulated device", &read, &err), err);
    e2b_tuning_load(read, path);
    assert_int_equal(e2b_tuning_count(read), 2);
    e2b_tuning_destroy(read);
    char below[80];
    snprintf(below, sizeof below, "%s/below", path); /* in a file: cannot be written */
    tune(&run, SECOND, true, below);
    assert_int_equal(run.report.rows[0].state, E2B_TUNER_TUNED);
    close_run(&run);
    unlink(path);
    rmdir(folder);
}

static struct e2b_graph *convolutions(
    struct e2b_device *device, enum e2b_dtype precision, struct e2b_model **model) {
    struct e2b_builder *builder = e2b_builder_create(17);
    struct e2b_error err = {0};
    struct e2b_graph *graph;
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 16, 14, 14));
    e2b_builder_floats(builder, "w", E2B_SHAPE(32, 16, 1, 1), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(24, 32, 3, 3), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(32), NULL);
    e2b_builder_node(builder, "Conv", "x,w,b", "a");
    e2b_builder_node(builder, "Relu", "a", "r");
    e2b_builder_node(builder, "Conv", "r,v", "y");
    e2b_builder_output(builder, "y");
    *model = e2b_builder_model(builder);
    const struct e2b_graph_options options = {.batch = 2,
        .precision = precision,
        .channel_align = device->traits.channel_align,
        .image = {.input = -1}};
    assert_ok(e2b_graph_create(*model, &options, &graph, &err), err);
    return graph;
}

/* Every choice that a real device offers runs, and none of them is wrong. */
static void a_real_device_is_tuned(void **state) {
    (void)state;
    static const enum e2b_dtype precisions[] = {E2B_F32, E2B_F16};
    struct e2b_error err = {0};
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    for (int p = 0; p < 2; p++) {
        struct e2b_tuner_report report = {0};
        struct e2b_tuning *tuning;
        struct e2b_model *model;
        struct e2b_graph *graph = convolutions(device, precisions[p], &model);
        const struct e2b_graph *const graphs[] = {graph};
        const struct e2b_tuner_options options = {.budget_ns = 300 * SECOND, .quiet = true};
        assert_ok(e2b_tuning_create(device->traits.device, &tuning, &err), err);
        assert_ok(e2b_tune(device, graphs, 1, tuning, NULL, &options, &report, &err), err);
        assert_int_equal(report.row_count, 2);
        for (int i = 0; i < report.row_count; i++) {
            const struct e2b_tuner_row *row = &report.rows[i];
            assert_int_equal(row->state, E2B_TUNER_TUNED);
            assert_true(row->choice_count > 1);
            assert_int_equal(row->failed_count, 0);
            assert_int_equal(row->wrong_count, 0);
            assert_true(row->tuned.best_ns > 0 && row->tuned.best_ns <= row->tuned.default_ns);
        }
        assert_int_equal(e2b_tuning_count(tuning), 2);
        e2b_tuner_report_finish(&report);
        e2b_tuning_destroy(tuning);
        e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_right_choice_wins),
        cmocka_unit_test(so_it_does_where_arguments_are_a_structure),
        cmocka_unit_test(a_plan_takes_the_tuned_choice),
        cmocka_unit_test(a_small_gain_is_none),
        cmocka_unit_test(nothing_to_choose_needs_no_run),
        cmocka_unit_test(equal_calls_are_measured_once_and_the_costliest_first),
        cmocka_unit_test(the_budget_ends_it_and_the_next_run_goes_on),
        cmocka_unit_test(faults_cost_choices_only),
        cmocka_unit_test(results_are_saved_as_they_come),
        cmocka_unit_test(a_real_device_is_tuned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
