#include "runtime/model/graph.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <math.h>
#include <string.h>

/* y = relu(x + b), z = tanh(x): by hand. */
static void computes_every_output(void **state) {
    (void)state;
    const float b[] = {1, -2};
    struct e2b_error err = {0};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 2));
    e2b_builder_floats(builder, "b", E2B_SHAPE(2), b);
    e2b_builder_node(builder, "Add", "x,b", "s");
    e2b_builder_node(builder, "Relu", "s", "y");
    e2b_builder_node(builder, "Tanh", "x", "z");
    e2b_builder_output(builder, "y");
    e2b_builder_output(builder, "z");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph;
    const struct e2b_graph_options options = {.batch = 2,
        .precision = E2B_F32,
        .channel_align = 1,
        .image = {.input = -1},
        .stage = E2B_GRAPH_FUSED};
    assert_ok(e2b_graph_create(model, &options, &graph, &err), err);
    const double x[] = {0.5, 1, -3, 4}, *in[] = {x};
    double y[4], z[4], *out[] = {y, z};
    assert_ok(e2b_graph_reference(graph, in, out, &err), err);
    assert_true(y[0] == 1.5 && y[1] == 0 && y[2] == 0 && y[3] == 2);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(z[i] - tanh(x[i])) < 1e-15);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(computes_every_output)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
