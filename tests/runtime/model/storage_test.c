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

static void concat(
    struct e2b_builder *builder, const char *inputs, const char *output, int64_t axis) {
    e2b_builder_attr_int(
        builder, e2b_builder_node(builder, "Concat", inputs, output), "axis", axis);
}

static struct e2b_graph *finish(struct e2b_builder *builder, struct e2b_model **model) {
    *model = e2b_builder_model(builder);
    return e2b_check_graph(*model, &options, 1e-5);
}

static void expect_concats(struct e2b_builder *builder, int kernels) {
    struct e2b_model *model;
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(e2b_count_nodes(graph, "concat"), kernels);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void parts_are_written_in_place(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w8", "a");
    e2b_builder_node(builder, "Conv", "x,w16", "b");
    e2b_builder_node(builder, "Conv", "x,w5", "c");
    concat(builder, "a,b,c", "j", 1);
    e2b_builder_node(builder, "Relu", "j", "y");
    expect_concats(builder, 0);
    builder = start();
    e2b_builder_node(builder, "Conv", "x,w5", "a");
    e2b_builder_node(builder, "Conv", "x,w5", "b");
    concat(builder, "a,b", "j", 2);
    e2b_builder_node(builder, "Relu", "j", "y");
    expect_concats(builder, 0);
}

/* Pad lanes of a part in the middle would fall on its neighbour. */
static void unaligned_parts_keep_the_kernel(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w5", "a");
    e2b_builder_node(builder, "Conv", "x,w8", "b");
    concat(builder, "a,b", "j", 1);
    e2b_builder_node(builder, "Relu", "j", "y");
    expect_concats(builder, 1);
}

static void parts_that_cannot_move_keep_the_kernel(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w8", "a");
    concat(builder, "a,a", "j", 1);
    e2b_builder_node(builder, "Relu", "j", "y");
    expect_concats(builder, 1);
    builder = start();
    e2b_builder_node(builder, "Conv", "x,w8", "a");
    e2b_builder_node(builder, "Conv", "x,w16", "b");
    concat(builder, "a,b", "j", 1);
    concat(builder, "b,a", "k", 1);
    e2b_builder_node(builder, "Mul", "j,k", "y");
    expect_concats(builder, 1);
    builder = start();
    e2b_builder_floats(builder, "table", E2B_SHAPE(2, 8, 4, 4), NULL);
    e2b_builder_node(builder, "Conv", "x,w8", "a");
    e2b_builder_proto(builder)->graph->input[0]->type->tensor_type->shape->dim[0]->has_dim_value =
        true;
    e2b_builder_proto(builder)->graph->input[0]->type->tensor_type->shape->dim[0]->dim_value = 2;
    concat(builder, "a,table", "j", 1);
    e2b_builder_node(builder, "Relu", "j", "y");
    expect_concats(builder, 1);
}

/* A dense block: what was joined is a part of the next join. */
static void nested_concats_are_one_block(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_model *model;
    e2b_builder_floats(builder, "v8", E2B_SHAPE(8, 16, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w8", "a");
    e2b_builder_node(builder, "Conv", "x,w8", "b0");
    e2b_builder_node(builder, "Sigmoid", "b0", "b");
    concat(builder, "a,b", "j", 1);
    e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Conv", "j,v8", "c"), "pads", 4,
        (const int64_t[]){1, 1, 1, 1});
    concat(builder, "j,c", "k", 1);
    e2b_builder_node(builder, "Tanh", "k", "y");
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(e2b_count_nodes(graph, "concat"), 0);
    int storage = -1;
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op->layout == E2B_LAYOUT_VIEW) {
            const struct e2b_value *joined = &graph->values[graph->nodes[i].outputs[0]];
            assert_true(storage < 0 || storage == joined->storage);
            storage = joined->storage;
        }
    assert_true(storage >= 0);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
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
        cmocka_unit_test(parts_are_written_in_place),
        cmocka_unit_test(unaligned_parts_keep_the_kernel),
        cmocka_unit_test(parts_that_cannot_move_keep_the_kernel),
        cmocka_unit_test(nested_concats_are_one_block),
        cmocka_unit_test(edges_have_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
