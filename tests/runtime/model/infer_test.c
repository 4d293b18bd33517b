#include "runtime/model/infer.h"

#include "runtime/model/specialise.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static const struct e2b_graph_options batch3 = {
    .batch = 3, .precision = E2B_F32, .channel_align = 1, .image = {.input = -1}};

static void shapes_are_known_after_it(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_network *net;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 9, 9));
    e2b_builder_floats(builder, "w", E2B_SHAPE(4, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "c");
    e2b_builder_node(builder, "Flatten", "c", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    assert_ok(e2b_specialise(model, &batch3, &net, &err), err);
    const struct e2b_tensor *y = &net->graph.values[net->graph.outputs[0]].tensor;
    assert_true(e2b_shape_equal(&y->shape, E2B_SHAPE(3, 4 * 7 * 7)));
    assert_int_equal(y->stride[0], 4 * 7 * 7);
    assert_int_equal(y->stride[1], 1);
    e2b_network_destroy(net);
    e2b_model_destroy(model);
}

static void refusal_names_the_node(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3));
    e2b_builder_floats(builder, "b", E2B_SHAPE(4), NULL);
    /* The message has these letters in a word of its own, "broadcast". */
    e2b_builder_node(builder, "Add", "x,b", "y")->name = (char *)"ad";
    e2b_builder_output(builder, "y");
    enum e2b_status status = e2b_builder_parse(builder, &model, &err);
    assert_int_not_equal(status, E2B_OK);
    assert_non_null(strstr(err.text, "node \"ad\""));
    e2b_builder_destroy(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_are_known_after_it),
        cmocka_unit_test(refusal_names_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
