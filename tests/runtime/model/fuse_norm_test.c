#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

enum { OFF = 1, SHOWN = 2, OTHER_READER = 4 };

static void add_norm(struct e2b_builder *builder, const char *inputs, const char *y) {
    Onnx__NodeProto *norm = e2b_builder_node(builder, "LayerNormalization", inputs, y);
    e2b_builder_attr_int(builder, norm, "axis", -1);
}

/* Two products by 64 columns, each normalised: the first norm is read by a product and, as a
 * residual, by the second norm's product. */
static void expect(int columns, int what, int norms) {
    const struct e2b_graph_options options = {.batch = 2,
        .precision = E2B_F32,
        .channel_align = 4,
        .sums_rows = !(what & OFF),
        .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(17);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5, 32));
    e2b_builder_floats(builder, "w", E2B_SHAPE(32, columns), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(columns, columns), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(columns, 24), NULL);
    e2b_builder_floats(builder, "scale", E2B_SHAPE(columns), NULL);
    e2b_builder_floats(builder, "shift", E2B_SHAPE(columns), NULL);
    e2b_builder_node(builder, "MatMul", "x,w", "a");
    add_norm(builder, "a,scale,shift", "b");
    e2b_builder_node(builder, "MatMul", "b,v", "c");
    e2b_builder_node(builder, "Add", "c,b", "d");
    add_norm(builder, "d,shift,scale", "e");
    e2b_builder_node(builder, "MatMul", "e,u", "y");
    e2b_builder_output(builder, "y");
    if (what & SHOWN)
        e2b_builder_output(builder, "b");
    if (what & OTHER_READER) {
        e2b_builder_node(builder, "Sigmoid", "e", "z");
        e2b_builder_output(builder, "z");
    }
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "layer_norm"), norms);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void products_compute_the_norms_between_them(void **state) {
    (void)state;
    expect(64, 0, 0);
    expect(1024, 0, 0);
}

static void others_stay(void **state) {
    (void)state;
    expect(64, OFF, 2);
    expect(48, 0, 2);            /* no whole blocks */
    expect(64, SHOWN, 1);        /* the first is an output */
    expect(64, OTHER_READER, 1); /* the second is read by something else */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_compute_the_norms_between_them),
        cmocka_unit_test(others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
