#include "kernels/activation.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_graph_options options = {.batch = 2,
    .precision = E2B_F32,
    .channel_align = 4,
    .image = {.input = -1},
    .stage = E2B_GRAPH_FUSED};

static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4, 5, 5));
    e2b_builder_floats(builder, "w", E2B_SHAPE(4, 4, 1, 1), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(4, 4, 1, 1), NULL);
    e2b_builder_output(builder, "y");
    return builder;
}

static struct e2b_graph *finish(struct e2b_builder *builder, struct e2b_model **model) {
    *model = e2b_builder_model(builder);
    return e2b_check_graph(*model, &options, 1e-5);
}

static void expect(struct e2b_builder *builder, int nodes) {
    struct e2b_model *model;
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(graph->node_count, nodes);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void clip_goes_into_conv(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_model *model;
    e2b_builder_scalar(builder, "low", 0);
    e2b_builder_scalar(builder, "high", 6);
    e2b_builder_node(builder, "Conv", "x,w", "c");
    e2b_builder_node(builder, "Clip", "c,low,high", "y");
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(graph->node_count, 1);
    const struct e2b_epilogue *epilogue = e2b_node_epilogue(&graph->nodes[0]);
    assert_int_equal(epilogue->activation.kind, E2B_ACT_CLIP);
    assert_true(epilogue->activation.a == 0 && epilogue->activation.b == 6);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* relu(conv(relu(conv x)) + x), the basic residual block. */
static void sum_and_activation_go_into_conv(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_model *model;
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Relu", "a", "b");
    e2b_builder_node(builder, "Conv", "b,v", "c");
    e2b_builder_node(builder, "Add", "x,c", "s");
    e2b_builder_node(builder, "Relu", "s", "y");
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(graph->node_count, 2);
    const struct e2b_node *last = &graph->nodes[1];
    const struct e2b_epilogue *epilogue = e2b_node_epilogue(last);
    assert_int_equal(epilogue->residual_input, last->op->residual_input);
    assert_int_equal(last->inputs[epilogue->residual_input], graph->inputs[0]);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* The producer that the file puts first may take the sum only where the other operand is ready. */
static void two_producers(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Conv", "x,v", "b");
    e2b_builder_node(builder, "Sum", "a,b", "y");
    expect(builder, 2);
    builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Sigmoid", "x", "b");
    e2b_builder_node(builder, "Add", "a,b", "y");
    expect(builder, 2);
}

/* Embeddings: two tables, and positions that are the same for each sample. */
static void gathers_add_what_is_added_to_them(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "i", E2B_I64, E2B_SHAPE(-1, 5));
    e2b_builder_input(builder, "k", E2B_I64, E2B_SHAPE(-1, 5));
    e2b_builder_floats(builder, "t", E2B_SHAPE(9, 8), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(9, 8), NULL);
    e2b_builder_floats(builder, "positions", E2B_SHAPE(1, 5, 8), NULL);
    e2b_builder_node(builder, "Gather", "t,i", "a");
    e2b_builder_node(builder, "Gather", "u,k", "b");
    e2b_builder_node(builder, "Add", "a,b", "c");
    e2b_builder_node(builder, "Add", "c,positions", "y");
    e2b_builder_output(builder, "y");
    expect(builder, 2);
}

static void what_cannot_fuse_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Relu", "a", "b");
    e2b_builder_node(builder, "Conv", "a,v", "c");
    e2b_builder_node(builder, "Add", "b,c", "y");
    expect(builder, 3);
    builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Add", "a,a", "y");
    expect(builder, 2);
    builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Relu", "a", "b");
    e2b_builder_node(builder, "Tanh", "b", "y");
    expect(builder, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clip_goes_into_conv),
        cmocka_unit_test(sum_and_activation_go_into_conv),
        cmocka_unit_test(two_producers),
        cmocka_unit_test(gathers_add_what_is_added_to_them),
        cmocka_unit_test(what_cannot_fuse_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
