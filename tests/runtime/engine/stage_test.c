#include "runtime/engine/stage.h"

#include "runtime/model/model.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdio.h>
#include <string.h>

static const char alone_text[] = "__kernel void alone(__global float *y) {\n}\n";
static const char together_text[] = "__kernel void together(__global float *y) {\n"
                                    "    barrier(CLK_LOCAL_MEM_FENCE);\n}\n";
static const struct e2b_source alone = {"a.cl", alone_text, sizeof alone_text - 1};
static const struct e2b_source together = {"b.cl", together_text, sizeof together_text - 1};

static const struct e2b_traits gpu = {.compute_units = 100, .launch_ns = 8000, .ptx_sm = 90};
static const struct e2b_traits cpu = {
    .is_cpu = true, .compute_units = 4, .launch_ns = 20000, .vector_bytes = 32};

static struct e2b_step step_of(const struct e2b_source *source, const char *kernel, size_t groups,
    size_t items, double flops) {
    struct e2b_step step = {.launch = {.source = source,
                                .global = {groups * items, 1, 1},
                                .local = {items, 1, 1},
                                .flops = flops}};
    strcpy(step.launch.kernel, kernel);
    return step;
}

static void groups_that_meet_say_how_large_all_are(void **state) {
    (void)state;
    const struct e2b_step steps[] = {step_of(&alone, "alone", 1, 256, 0),
        step_of(&alone, "alone", 1, 256, 0), step_of(&together, "together", 1, 128, 0)};
    assert_int_equal(e2b_stages_items(&gpu, steps, 3), 128);
    assert_int_equal(e2b_stages_items(&gpu, steps, 2), 256);
}

static void groups_of_another_size_are_cut_into_parts(void **state) {
    (void)state;
    const struct e2b_staging staging = {&gpu, E2B_F16, 128};
    struct e2b_step large = step_of(&alone, "alone", 10, 256, 0);
    struct e2b_step small = step_of(&alone, "alone", 10, 32, 0);
    struct e2b_step many = step_of(&alone, "alone", 100000, 128, 0);
    assert_int_equal(e2b_stage_jobs(&staging, &large.launch), 20);
    assert_int_equal(e2b_stage_jobs(&staging, &small.launch), 3);
    int64_t each = e2b_stage_parts_a_job(&staging, &many.launch);
    assert_true(each > 1 && e2b_stage_jobs(&staging, &many.launch) * each >= 100000);
    large.launch.jobs = 7;
    assert_int_equal(e2b_stage_jobs(&staging, &large.launch), 7);
    assert_int_equal(e2b_stage_parts_a_job(&staging, &large.launch), 1);
}

static void short_launches_of_a_gpu_pay_and_those_that_fill_it_do_not(void **state) {
    (void)state;
    const struct e2b_staging half = {&gpu, E2B_F16, 128}, single = {&gpu, E2B_F32, 128};
    struct e2b_step steps[8], full = step_of(&alone, "alone", 2000, 128, 0);
    for (int i = 0; i < 8; i++)
        steps[i] = step_of(&together, "together", 100, 128, 3e8);
    assert_true(e2b_stages_pay(&half, steps, 8));
    assert_false(e2b_stages_pay(&single, steps, 8));
    assert_false(e2b_stages_pay(&half, steps, 1));
    assert_true(e2b_stage_suits(&half, &steps[0].launch));
    assert_false(e2b_stage_suits(&half, &full.launch));
}

static void on_a_cpu_much_work_is_not_worth_a_compilation(void **state) {
    (void)state;
    const struct e2b_staging staging = {&cpu, E2B_F32, 1};
    struct e2b_step little[2] = {
        step_of(&alone, "alone", 8, 1, 1e6), step_of(&alone, "alone", 8, 1, 1e6)};
    struct e2b_step much[2] = {
        step_of(&alone, "alone", 8, 1, 1e9), step_of(&alone, "alone", 8, 1, 1e9)};
    assert_true(e2b_stages_pay(&staging, little, 2));
    assert_false(e2b_stages_pay(&staging, much, 2));
    assert_true(e2b_stage_suits(&staging, &much[0].launch));
    assert_int_equal(e2b_stage_workers(&staging), 4);
}

/* Of four inverted residuals with an image of `narrow` channels between them. */
static int merged_blocks(int batch, int narrow, int size) {
    const struct e2b_traits card = {.compute_units = 132,
        .warp = 32,
        .max_group = 1024,
        .local_bytes = 226 << 10,
        .max_buffer_bytes = INT64_C(1) << 31,
        .ptx_sm = 90,
        .channel_align = 8,
        .launch_ns = 8000};
    struct e2b_graph_options options = {
        .batch = batch, .precision = E2B_F16, .image = {.input = -1}};
    struct e2b_error err = {0};
    struct e2b_graph *graph;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x0", E2B_F32, E2B_SHAPE(-1, narrow, size, size));
    e2b_builder_floats(builder, "w", E2B_SHAPE(6 * narrow, narrow, 1, 1), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(6 * narrow, 1, 3, 3), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(narrow, 6 * narrow, 1, 1), NULL);
    for (int i = 0; i < 4; i++) {
        char names[6][16];
        for (int k = 0; k < 6; k++)
            snprintf(names[k], sizeof names[k], "%c%d", "xabcdx"[k], i + (k == 5));
        char text[48];
        snprintf(text, sizeof text, "%s,w", names[0]);
        e2b_builder_node(builder, "Conv", text, names[1]);
        e2b_builder_node(builder, "Relu", names[1], names[2]);
        snprintf(text, sizeof text, "%s,v", names[2]);
        Onnx__NodeProto *conv = e2b_builder_node(builder, "Conv", text, names[3]);
        e2b_builder_attr_ints(builder, conv, "pads", 4, (const int64_t[]){1, 1, 1, 1});
        e2b_builder_attr_int(builder, conv, "group", 6 * narrow);
        e2b_builder_node(builder, "Relu", names[3], names[4]);
        snprintf(text, sizeof text, "%s,u", names[4]);
        e2b_builder_node(builder, "Conv", text, names[5]);
    }
    e2b_builder_output(builder, "x4");
    struct e2b_model *model = e2b_builder_model(builder);
    e2b_plan_suit_graph(&card, &options);
    assert_ok(e2b_graph_create(model, &options, &graph, &err), err);
    int items = e2b_merge_items(&card, graph, E2B_MERGE_WHERE_IT_PAYS);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
    return items;
}

static void blocks_merge_where_their_parts_have_launches_of_their_own(void **state) {
    (void)state;
    assert_int_equal(merged_blocks(1, 160, 7), 128);
    assert_int_equal(merged_blocks(8, 24, 56), 0); /* a launch each */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_that_meet_say_how_large_all_are),
        cmocka_unit_test(groups_of_another_size_are_cut_into_parts),
        cmocka_unit_test(short_launches_of_a_gpu_pay_and_those_that_fill_it_do_not),
        cmocka_unit_test(on_a_cpu_much_work_is_not_worth_a_compilation),
        cmocka_unit_test(blocks_merge_where_their_parts_have_launches_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
