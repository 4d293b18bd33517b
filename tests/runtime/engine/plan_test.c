#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/planned.h"
#include "tests/support.h"

#include <string.h>

static int count_places(const struct e2b_plan *plan, enum e2b_place place) {
    int count = 0;
    for (int s = 0; s < e2b_plan_step_count(plan); s++) {
        const struct e2b_step *step = e2b_plan_step(plan, s);
        for (int a = 0; a < step->launch.arg_count; a++)
            count += !step->args[a].is_value && step->args[a].place == place;
    }
    return count;
}

static void steps_lead_from_input_to_output(void **state) {
    (void)state;
    struct e2b_device *device = fixture_sim();
    struct planned planned = planned_open(device, 2);
    int steps = e2b_plan_step_count(planned.plan);
    assert_in_range(steps, 1, 3);
    assert_int_equal(count_places(planned.plan, E2B_PLACE_GRAPH_INPUT), 1);
    assert_int_equal(count_places(planned.plan, E2B_PLACE_GRAPH_OUTPUT), 1);
    for (int s = 0; s < steps; s++) {
        const struct e2b_step *step = e2b_plan_step(planned.plan, s);
        assert_non_null(e2b_plan_program(planned.plan, step));
        assert_non_null(step->variant);
        for (int a = 0; a < step->launch.arg_count; a++)
            if (!step->args[a].is_value && step->args[a].place >= E2B_PLACE_GRAPH_INPUT)
                assert_int_equal(step->args[a].slot_stride, PLANNED_SLOT_FLOATS);
    }
    assert_true(steps == 1 || e2b_plan_arena_bytes(planned.plan) >= 2 * FIXTURE_FEATURES * 4);
    assert_ptr_equal(e2b_plan_graph(planned.plan), planned.graph);
    assert_ptr_equal(e2b_plan_device(planned.plan), device);
    planned_close(&planned);
    device->ops->destroy(device);
}

static void plans_of_two_sizes_share_programs_and_weights(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device = fixture_sim();
    struct planned planned = planned_open(device, 2);
    int programs = e2b_programs_count(planned.programs);
    int64_t weights = e2b_weights_bytes(planned.weights);
    struct e2b_plan *again;
    assert_ok(e2b_plan_create(
                  device, planned.graph, planned.weights, planned.programs, NULL, &again, &err),
        err);
    assert_int_equal(e2b_programs_count(planned.programs), programs);
    assert_int_equal(e2b_weights_bytes(planned.weights), weights);
    e2b_plan_destroy(again);
    planned_close(&planned);
    device->ops->destroy(device);
}

static void explain_has_a_line_a_node_and_force_may_refuse(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_text explain = {0};
    struct e2b_plan *plan;
    struct e2b_device *device = fixture_sim();
    struct planned planned = planned_open(device, 1);
    assert_ok(e2b_plan_create(device, planned.graph, planned.weights, planned.programs,
                  &(struct e2b_plan_options){.explain = &explain, .quiet = true}, &plan, &err),
        err);
    int lines = 0;
    for (const char *at = explain.data; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, planned.graph->node_count);
    e2b_plan_destroy(plan);
    char force[64];
    snprintf(force, sizeof force, "%s.none", planned.graph->nodes[0].op->name);
    assert_int_equal(e2b_plan_create(device, planned.graph, planned.weights, planned.programs,
                         &(struct e2b_plan_options){.force_variant = force}, &plan, &err),
        E2B_UNSUPPORTED);
    e2b_text_finish(&explain);
    planned_close(&planned);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_lead_from_input_to_output),
        cmocka_unit_test(plans_of_two_sizes_share_programs_and_weights),
        cmocka_unit_test(explain_has_a_line_a_node_and_force_may_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
