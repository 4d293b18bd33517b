#include "runtime/model/graph.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static void one_line_a_node_and_its_work(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4, 4));
    e2b_builder_floats(builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "y")->name = (char *)"first";
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    const struct e2b_graph_options options = {
        .batch = 2, .precision = E2B_F32, .channel_align = 4, .image = {.input = -1}};
    struct e2b_graph *graph;
    assert_ok(e2b_graph_create(model, &options, &graph, &err), err);
    struct e2b_text text = {0};
    e2b_graph_print(graph, &text);
    int lines = 0;
    for (const char *c = text.data; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, graph->node_count);
    assert_non_null(strstr(text.data, "first"));
    assert_non_null(strstr(text.data, "FP32:2x5x2x2:last"));
    double conv = 2.0 * (2 * 5 * 2 * 2) * (3 * 3 * 3);
    assert_true(e2b_graph_flops(graph) >= conv && e2b_graph_flops(graph) < 1.2 * conv);
    e2b_text_finish(&text);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line_a_node_and_its_work)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
