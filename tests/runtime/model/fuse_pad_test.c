#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static void expect(const int64_t *pads, float value, int pads_left) {
    const struct e2b_graph_options options = {
        .batch = 2, .precision = E2B_F32, .channel_align = 4, .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 5, 6));
    e2b_builder_floats(builder, "w", E2B_SHAPE(4, 3, 3, 3), NULL);
    e2b_builder_ints(builder, "pads", 8, pads);
    e2b_builder_scalar(builder, "value", value);
    e2b_builder_node(builder, "Pad", "x,pads,value", "p");
    e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Conv", "p,w", "y"), "pads", 4,
        (const int64_t[]){0, 1, 1, 0});
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "pad"), pads_left);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void zeros_around_images_go_into_conv(void **state) {
    (void)state;
    expect((const int64_t[]){0, 0, 1, 2, 0, 0, 3, 0}, 0, 0);
}

static void other_pads_stay(void **state) {
    (void)state;
    expect((const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1}, 1, 1);
    expect((const int64_t[]){0, 0, -1, 1, 0, 0, 0, 1}, 0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_around_images_go_into_conv),
        cmocka_unit_test(other_pads_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
