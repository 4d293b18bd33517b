#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_graph_options options = {
    .batch = 2, .precision = E2B_F32, .channel_align = 8, .image = {.input = -1}};

static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4, 4));
    e2b_builder_floats(builder, "w8", E2B_SHAPE(8, 3, 1, 1), NULL);
    e2b_builder_floats(builder, "w16", E2B_SHAPE(16, 3, 1, 1), NULL);
    e2b_builder_floats(builder, "w5", E2B_SHAPE(5, 3, 1, 1), NULL);
    e2b_builder_output(builder, "y");
    return builder;
}

static void edges_have_slots(void **state) {
    (void)state;
    static const int64_t in[] = {64}, out[] = {256};
    struct e2b_error err = {0};
    struct e2b_graph_options slots = options;
    slots.input_stride = in;
    slots.output_stride = out;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w8", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph;
    assert_ok(e2b_graph_create(model, &slots, &graph, &err), err);
    const struct e2b_storage *input = &graph->storages[graph->values[graph->inputs[0]].storage];
    const struct e2b_storage *output = &graph->storages[graph->values[graph->outputs[0]].storage];
    assert_int_equal(input->kind, E2B_STORAGE_INPUT);
    assert_int_equal(input->slot_stride, 64);
    assert_int_equal(input->bytes, 64 * 2 * 4);
    assert_int_equal(output->kind, E2B_STORAGE_OUTPUT);
    assert_int_equal(output->slot_stride, 256);
    assert_int_equal(output->bytes, 256 * 2 * 4);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_have_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
