#include "runtime/model/graph.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static struct e2b_model *make_model(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4, 4));
    e2b_builder_floats(builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "y");
    e2b_builder_output(builder, "y");
    return e2b_builder_model(builder);
}

static const struct e2b_graph_options options = {
    .batch = 2, .precision = E2B_F32, .channel_align = 4, .image = {.input = -1}};

static void call_describes_the_node(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model = make_model();
    struct e2b_graph *graph;
    assert_ok(e2b_graph_create(model, &options, &graph, &err), err);
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(graph, 1, inputs, outputs, &call);
    assert_string_equal(call.op->name, "conv");
    assert_true(inputs[0].present && !inputs[0].constant);
    assert_true(inputs[1].present && inputs[1].constant);
    assert_int_equal(inputs[0].tensor.layout, E2B_CHANNELS_LAST);
    assert_true(e2b_shape_equal(&outputs[0].tensor.shape, E2B_SHAPE(2, 5, 2, 2)));
    e2b_graph_destroy(graph);
    e2b_graph_destroy(NULL);
    e2b_model_destroy(model);
}

static void options_are_checked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model = make_model();
    struct e2b_graph *graph;
    struct e2b_graph_options wrong = options;
    wrong.precision = E2B_I8;
    assert_fails(e2b_graph_create(model, &wrong, &graph, &err), E2B_INVALID, "INT8", err);
    wrong = options;
    wrong.channel_align = 0;
    assert_fails(e2b_graph_create(model, &wrong, &graph, &err), E2B_INVALID, "1..1024", err);
    wrong = options;
    wrong.batch = -1;
    assert_fails(e2b_graph_create(model, &wrong, &graph, &err), E2B_INVALID, "batch size -1", err);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(call_describes_the_node),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
