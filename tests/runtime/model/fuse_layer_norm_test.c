#include "kernels/norm/norm.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

#include <math.h>

static const struct e2b_graph_options options = {.batch = 2,
    .precision = E2B_F32,
    .channel_align = 4,
    .image = {.input = -1},
    .stage = E2B_GRAPH_FUSED};

static void mean(struct e2b_builder *builder, const char *input, const char *output, int64_t axis) {
    Onnx__NodeProto *node = e2b_builder_node(builder, "ReduceMean", input, output);
    e2b_builder_attr_ints(builder, node, "axes", 1, &axis);
}

/* x, its difference from the mean over `axis` as d, and the root of variance and epsilon as r. */
static struct e2b_builder *start(int64_t axis) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 6, 10));
    e2b_builder_floats(builder, "scale", E2B_SHAPE(10), NULL);
    e2b_builder_floats(builder, "bias", E2B_SHAPE(10), NULL);
    e2b_builder_scalar(builder, "two", 2);
    e2b_builder_scalar(builder, "epsilon", 1e-3f);
    mean(builder, "x", "m", axis);
    e2b_builder_node(builder, "Sub", "x,m", "d");
    e2b_builder_node(builder, "Pow", "d,two", "s");
    mean(builder, "s", "var", axis);
    e2b_builder_node(builder, "Add", "var,epsilon", "e");
    e2b_builder_node(builder, "Sqrt", "e", "r");
    e2b_builder_output(builder, "y");
    return builder;
}

static void expect(struct e2b_builder *builder, int norms, int nodes) {
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "layer_norm"), norms);
    assert_int_equal(graph->node_count, nodes);
    if (norms) {
        const struct e2b_layer_norm_params *params = graph->nodes[0].params;
        assert_int_equal(params->axis, 2);
        assert_true(fabs((double)params->epsilon - 1e-3) < 1e-9);
    }
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void as_exporters_write_it(void **state) {
    (void)state;
    struct e2b_builder *builder = start(-1);
    e2b_builder_node(builder, "Div", "d,r", "n");
    e2b_builder_node(builder, "Mul", "n,scale", "p");
    e2b_builder_node(builder, "Add", "bias,p", "y");
    expect(builder, 1, 1);
    builder = start(2);
    e2b_builder_node(builder, "Reciprocal", "r", "i");
    e2b_builder_node(builder, "Mul", "i,d", "n");
    e2b_builder_node(builder, "Mul", "scale,n", "y");
    expect(builder, 1, 1);
}

static void a_bias_that_is_no_row_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start(-1);
    e2b_builder_node(builder, "Div", "d,r", "n");
    e2b_builder_node(builder, "Mul", "n,scale", "p");
    e2b_builder_node(builder, "Add", "p,x", "y");
    expect(builder, 1, 2);
}

static void other_statistics_stay(void **state) {
    (void)state;
    struct e2b_builder *builder = start(1); /* over the tokens */
    e2b_builder_node(builder, "Div", "d,r", "n");
    e2b_builder_node(builder, "Mul", "n,scale", "y");
    expect(builder, 0, 7);
    builder = start(-1); /* not centred */
    e2b_builder_node(builder, "Div", "x,r", "n");
    e2b_builder_node(builder, "Mul", "n,scale", "y");
    expect(builder, 0, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_exporters_write_it),
        cmocka_unit_test(a_bias_that_is_no_row_stays),
        cmocka_unit_test(other_statistics_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
