#include "kernels/attention/attention.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

#include <math.h>

#define PERM(...) ((const int64_t[]){__VA_ARGS__})

static struct e2b_graph_options options_of(enum e2b_graph_stage stage) {
    return (struct e2b_graph_options){.batch = 2,
        .precision = E2B_F32,
        .channel_align = 4,
        .image = {.input = -1},
        .stage = stage};
}

static void transpose(
    struct e2b_builder *builder, const char *input, const char *output, const int64_t *perm) {
    Onnx__NodeProto *node = e2b_builder_node(builder, "Transpose", input, output);
    e2b_builder_attr_ints(builder, node, "perm", 4, perm);
}

static void softmax(
    struct e2b_builder *builder, const char *input, const char *output, int64_t axis) {
    Onnx__NodeProto *node = e2b_builder_node(builder, "Softmax", input, output);
    e2b_builder_attr_int(builder, node, "axis", axis);
}

/* Queries, keys and values of 5 and 6 tokens, 3 heads of 8, as q, k and v of their attention. */
static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5, 3, 8));
    e2b_builder_input(builder, "z", E2B_F32, E2B_SHAPE(-1, 6, 3, 8));
    e2b_builder_input(builder, "mask", E2B_F32, E2B_SHAPE(-1, 1, 1, 6));
    transpose(builder, "x", "q", PERM(0, 2, 1, 3));
    transpose(builder, "z", "k", PERM(0, 2, 3, 1));
    transpose(builder, "z", "v", PERM(0, 2, 1, 3));
    e2b_builder_scalar(builder, "root", 4);
    e2b_builder_scalar(builder, "half", 0.5f);
    e2b_builder_output(builder, "y");
    return builder;
}

static struct e2b_graph *finish(
    struct e2b_builder *builder, enum e2b_graph_stage stage, struct e2b_model **model) {
    const struct e2b_graph_options options = options_of(stage);
    *model = e2b_builder_model(builder);
    return e2b_check_graph(*model, &options, 1e-5);
}

static const struct e2b_node *attention_of(const struct e2b_graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op == &e2b_op_attention)
            return &graph->nodes[i];
    return NULL;
}

static void expect(struct e2b_builder *builder, int nodes, int inputs, double scale) {
    struct e2b_model *model;
    struct e2b_graph *graph = finish(builder, E2B_GRAPH_FUSED, &model);
    const struct e2b_node *node = attention_of(graph);
    assert_non_null(node);
    assert_int_equal(graph->node_count, nodes);
    assert_int_equal(node->input_count, inputs);
    const struct e2b_attention_params *params = node->params;
    assert_true(fabs((double)params->scale - scale) < 1e-7);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void expect_none(struct e2b_builder *builder) {
    struct e2b_model *model;
    struct e2b_graph *graph = finish(builder, E2B_GRAPH_FUSED, &model);
    assert_null(attention_of(graph));
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void scaled_scores_with_a_mask(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "MatMul", "q,k", "s");
    e2b_builder_node(builder, "Div", "s,root", "t");
    e2b_builder_node(builder, "Add", "mask,t", "m");
    softmax(builder, "m", "p", -1);
    e2b_builder_node(builder, "MatMul", "p,v", "h");
    transpose(builder, "h", "y", PERM(0, 2, 1, 3));
    expect(builder, 1, 4, 0.25);
}

static void scaled_queries_and_keys(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Mul", "q,half", "q2");
    e2b_builder_node(builder, "Mul", "half,k", "k2");
    e2b_builder_node(builder, "MatMul", "q2,k2", "s");
    softmax(builder, "s", "p", 3);
    e2b_builder_node(builder, "MatMul", "p,v", "h");
    transpose(builder, "h", "y", PERM(0, 2, 1, 3));
    expect(builder, 1, 3, 0.25);
}

/* No Transpose follows, and keys come through two of them: views stand in, and no kernel copies. */
static void other_orders_are_views(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_model *model;
    transpose(builder, "v", "k2", PERM(0, 1, 3, 2));
    e2b_builder_node(builder, "MatMul", "q,k2", "s");
    softmax(builder, "s", "p", -1);
    e2b_builder_node(builder, "MatMul", "p,v", "h");
    e2b_builder_node(builder, "Relu", "h", "y");
    struct e2b_graph *graph = finish(builder, E2B_GRAPH_PLACED, &model);
    assert_int_equal(e2b_count_nodes(graph, "attention"), 1);
    assert_int_equal(e2b_count_nodes(graph, "activation"), 1);
    assert_int_equal(e2b_count_nodes(graph, "matmul"), 0);
    const struct e2b_node *node = attention_of(graph);
    assert_int_equal(node->inputs[E2B_ATTENTION_Q], graph->inputs[0]);
    assert_int_equal(node->inputs[E2B_ATTENTION_K], graph->inputs[1]);
    assert_int_equal(node->inputs[E2B_ATTENTION_V], graph->inputs[1]);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void what_is_no_attention_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "MatMul", "q,k", "s");
    softmax(builder, "s", "p", 2); /* over the queries */
    e2b_builder_node(builder, "MatMul", "p,v", "y");
    expect_none(builder);
    builder = start();
    e2b_builder_node(builder, "MatMul", "q,k", "s");
    e2b_builder_node(builder, "Add", "s,mask", "m");
    e2b_builder_node(builder, "Mul", "m,half", "t"); /* the mask is scaled too */
    softmax(builder, "t", "p", -1);
    e2b_builder_node(builder, "MatMul", "p,v", "y");
    expect_none(builder);
    builder = start();
    e2b_builder_node(builder, "MatMul", "q,k", "s");
    softmax(builder, "s", "p", -1);
    e2b_builder_node(builder, "MatMul", "p,v", "y");
    e2b_builder_output(builder, "p"); /* the weights are wanted */
    expect_none(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scaled_scores_with_a_mask),
        cmocka_unit_test(scaled_queries_and_keys),
        cmocka_unit_test(other_orders_are_views),
        cmocka_unit_test(what_is_no_attention_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
