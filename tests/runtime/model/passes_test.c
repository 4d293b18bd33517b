#include "runtime/model/passes.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_graph_options options = {.batch = 2,
    .precision = E2B_F32,
    .channel_align = 4,
    .image = {.input = -1},
    .stage = E2B_GRAPH_FUSED};

static void identities_vanish(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 6));
    e2b_builder_node(builder, "Identity", "x", "a");
    e2b_builder_node(builder, "Dropout", "a", "b");
    e2b_builder_node(builder, "Relu", "b", "c");
    e2b_builder_node(builder, "Identity", "c", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(graph->node_count, 1);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* An input that is an output still has to be copied into the output's slots. */
static void nothing_but_an_identity(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    struct e2b_graph_options place = options;
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 6));
    e2b_builder_node(builder, "Identity", "x", "y");
    e2b_builder_node(builder, "Identity", "x", "z");
    e2b_builder_output(builder, "y");
    e2b_builder_output(builder, "z");
    struct e2b_model *model = e2b_builder_model(builder);
    place.stage = E2B_GRAPH_PLACED;
    struct e2b_graph *graph = e2b_check_graph(model, &place, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities_vanish),
        cmocka_unit_test(nothing_but_an_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
