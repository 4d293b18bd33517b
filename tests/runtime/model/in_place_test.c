#include "runtime/model/storage.h"

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

/* Channels 0..8 and 8..13 of 13, each read by a convolution. */
static void split_channels_are_read_in_place(void **state) {
    (void)state;
    for (int first = 8; first >= 5; first -= 3) {
        struct e2b_builder *builder = start();
        struct e2b_model *model;
        const int64_t lengths[] = {first, 13 - first};
        e2b_builder_floats(builder, "w13", E2B_SHAPE(13, 3, 1, 1), NULL);
        e2b_builder_floats(builder, "va", E2B_SHAPE(4, first, 1, 1), NULL);
        e2b_builder_floats(builder, "vb", E2B_SHAPE(4, 13 - first, 1, 1), NULL);
        e2b_builder_ints(builder, "lengths", 2, lengths);
        e2b_builder_node(builder, "Conv", "x,w13", "c");
        e2b_builder_attr_int(
            builder, e2b_builder_node(builder, "Split", "c,lengths", "a,b"), "axis", 1);
        e2b_builder_node(builder, "Conv", "a,va", "d");
        e2b_builder_node(builder, "Conv", "b,vb", "e");
        e2b_builder_node(builder, "Sub", "d,e", "y");
        struct e2b_graph *graph = finish(builder, &model);
        assert_int_equal(e2b_count_nodes(graph, "split"), first % 8 != 0);
        e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
}

static void crops_are_read_in_place(void **state) {
    (void)state;
    for (int64_t step = 1; step <= 2; step++) {
        struct e2b_builder *builder = start();
        struct e2b_model *model;
        e2b_builder_ints(builder, "from", 2, (const int64_t[]){1, 0});
        e2b_builder_ints(builder, "to", 2, (const int64_t[]){3, 4});
        e2b_builder_ints(builder, "axes", 2, (const int64_t[]){2, 3});
        e2b_builder_ints(builder, "steps", 2, (const int64_t[]){1, step});
        e2b_builder_node(builder, "Conv", "x,w5", "c");
        e2b_builder_node(builder, "Slice", "c,from,to,axes,steps", "s");
        e2b_builder_node(builder, "Exp", "s", "y");
        struct e2b_graph *graph = finish(builder, &model);
        assert_int_equal(e2b_count_nodes(graph, "slice"), step != 1);
        e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_written_in_place),
        cmocka_unit_test(unaligned_parts_keep_the_kernel),
        cmocka_unit_test(parts_that_cannot_move_keep_the_kernel),
        cmocka_unit_test(nested_concats_are_one_block),
        cmocka_unit_test(split_channels_are_read_in_place),
        cmocka_unit_test(crops_are_read_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
