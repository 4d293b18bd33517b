#include "runtime/engine/merge.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/merging.h"
#include "tests/support.h"

#define INSTANCES 6

/* A step that reads one part of the arena and writes another, ends exclusive. */
static struct e2b_step step_of(int64_t in, int64_t in_end, int64_t out, int64_t out_end) {
    struct e2b_step step = {.launch.arg_count = 2};
    step.args[0].footprint = (struct e2b_footprint){.begin = in, .end = in_end};
    step.args[1].footprint = (struct e2b_footprint){.begin = out, .end = out_end, .written = true};
    return step;
}

static void check_waits(const struct e2b_step *steps, int count, const char *expected) {
    bool waits[16];
    e2b_merge_waits(steps, count, waits);
    for (int s = 0; s < count; s++)
        for (int i = 0; i < s; i++)
            assert_int_equal(waits[s * count + i], expected[s * count + i] == 'w');
}

static void a_stage_waits_for_what_it_reads_and_no_other_wait_implies(void **state) {
    (void)state;
    const struct e2b_step steps[] = {
        step_of(900, 964, 0, 64), step_of(0, 64, 64, 128), step_of(64, 128, 128, 192)};
    check_waits(steps, 3,
        "..."
        "w.."
        ".w.");
}

static void branches_do_not_wait_for_each_other(void **state) {
    (void)state;
    const struct e2b_step steps[] = {step_of(900, 964, 0, 64), step_of(0, 64, 64, 128),
        step_of(0, 64, 128, 192), step_of(64, 192, 192, 256)};
    check_waits(steps, 4,
        "...."
        "w..."
        "w..."
        ".ww.");
}

static void memory_is_not_overwritten_before_it_was_read(void **state) {
    (void)state;
    const struct e2b_step steps[] = {step_of(0, 64, 64, 128), step_of(900, 964, 0, 64)};
    check_waits(steps, 2,
        ".."
        "w.");
}

static void places_do_not_mix(void **state) {
    (void)state;
    struct e2b_step steps[] = {step_of(900, 964, 0, 64), step_of(0, 64, 128, 192)};
    steps[1].args[0].place = E2B_PLACE_GRAPH_INPUT;
    check_waits(steps, 2,
        ".."
        "..");
}

static void set_lanes(struct e2b_step *step, int arg, int64_t width) {
    step->args[arg].footprint.pitch = 64;
    step->args[arg].footprint.width = width;
}

static void parts_of_a_concatenation_do_not_wait_for_each_other(void **state) {
    (void)state;
    struct e2b_step steps[] = {step_of(900, 964, 0, 640), step_of(900, 964, 32, 640)};
    set_lanes(&steps[0], 1, 32);
    set_lanes(&steps[1], 1, 32);
    check_waits(steps, 2,
        ".."
        "..");
    set_lanes(&steps[0], 1, 36);
    check_waits(steps, 2,
        ".."
        "w.");
}

static void a_merged_network_computes_the_same_bits(void **state) {
    (void)state;
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    merging_check(device, 1, E2B_F32);
    merging_check(device, MERGING_BATCH, E2B_F32);
    merging_check(device, 1, E2B_F16);
    merging_check(device, MERGING_BATCH, E2B_F16);
    merging_check_times(device, 1, E2B_F16);
    device->ops->destroy(device);
}

/* More than there are threads, at one time: each has its own counters, and none needs another. */
static void many_merged_launches_run_side_by_side(void **state) {
    (void)state;
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    struct e2b_error err = {0};
    struct e2b_instance *instances[INSTANCES];
    float expected[MERGING_OUT], got[MERGING_OUT];
    struct merging rig = merging_open(device, 1, E2B_F32, E2B_MERGE_ALWAYS);
    merging_run(&rig, 0.5f, expected);
    for (int i = 0; i < INSTANCES; i++)
        instances[i] = merging_instance(&rig);
    for (int again = 0; again < 20; again++)
        for (int i = 0; i < INSTANCES; i++)
            assert_ok(e2b_instance_run(instances[i], 0, NULL, NULL, &err), err);
    for (int i = 0; i < INSTANCES; i++) {
        struct e2b_queue *queue = e2b_instance_queue(instances[i]);
        assert_ok(device->ops->enqueue_read(queue, rig.out, 0, got, sizeof got, NULL, &err), err);
        assert_ok(device->ops->finish(queue, &err), err);
        assert_memory_equal(got, expected, sizeof got);
    }
    for (int i = 0; i < INSTANCES; i++)
        e2b_instance_destroy(instances[i]);
    merging_close(&rig);
    device->ops->destroy(device);
}

static void a_network_is_merged_only_where_a_launch_costs(void **state) {
    (void)state;
    struct e2b_device *device = fixture_sim();
    struct merging rig = merging_open(device, 1, E2B_F32, E2B_MERGE_WHERE_IT_PAYS);
    int steps = e2b_plan_step_count(rig.plan);
    merging_close(&rig);
    device->traits.launch_ns = 1000000;
    rig = merging_open(device, 1, E2B_F32, E2B_MERGE_WHERE_IT_PAYS);
    assert_true(e2b_plan_step_count(rig.plan) < steps);
    merging_close(&rig);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stage_waits_for_what_it_reads_and_no_other_wait_implies),
        cmocka_unit_test(branches_do_not_wait_for_each_other),
        cmocka_unit_test(memory_is_not_overwritten_before_it_was_read),
        cmocka_unit_test(places_do_not_mix),
        cmocka_unit_test(parts_of_a_concatenation_do_not_wait_for_each_other),
        cmocka_unit_test(a_merged_network_computes_the_same_bits),
        cmocka_unit_test(many_merged_launches_run_side_by_side),
        cmocka_unit_test(a_network_is_merged_only_where_a_launch_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
