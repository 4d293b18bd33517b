#include "runtime/model/specialise.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static struct e2b_model *make_model(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 2, 2));
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_builder_output(builder, "y");
    return e2b_builder_model(builder);
}

static void batch_is_bound_and_checked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model = make_model();
    struct e2b_graph_options options = {.batch = 4, .image = {.input = -1}};
    struct e2b_network *net;
    assert_ok(e2b_specialise(model, &options, &net, &err), err);
    assert_int_equal(net->graph.batch, 4);
    assert_int_equal(net->graph.values[net->graph.inputs[0]].tensor.shape.dims[0], 4);
    e2b_network_destroy(net);
    options.batch = 0;
    assert_fails(e2b_specialise(model, &options, &net, &err), E2B_INVALID, "1..65536", err);
    e2b_model_destroy(model);
}

static void image_input_is_normalised_on_the_device(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model = make_model();
    struct e2b_graph_options options = {
        .batch = 1, .image = {.input = 0, .mean = {10, 20, 30}, .scale = {1, 2, 0.5}}};
    struct e2b_network *net;
    assert_ok(e2b_specialise(model, &options, &net, &err), err);
    const struct e2b_tensor *input = &net->graph.values[net->graph.inputs[0]].tensor;
    assert_int_equal(input->dtype, E2B_U8);
    assert_true(e2b_shape_equal(&input->shape, E2B_SHAPE(1, 2, 2, 3)));
    double pixels[12], y[12];
    const double *in[] = {pixels};
    double *out[] = {y};
    for (int i = 0; i < 12; i++)
        pixels[i] = 10 * i;
    assert_ok(e2b_graph_reference(&net->graph, in, out, &err), err);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 4; i++) {
            double wanted = (pixels[3 * i + c] - 10 * (c + 1)) * (double)options.image.scale[c];
            assert_true(y[4 * c + i] == (wanted > 0 ? wanted : 0));
        }
    e2b_network_destroy(net);
    options.image.input = 1;
    assert_fails(e2b_specialise(model, &options, &net, &err), E2B_INVALID, "inputs 0..0", err);
    e2b_model_destroy(model);
}

static void image_needs_planes(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_network *net;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 16));
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    const struct e2b_graph_options options = {.batch = 1, .image = {.input = 0}};
    assert_fails(
        e2b_specialise(model, &options, &net, &err), E2B_INVALID, "cannot be an image", err);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_is_bound_and_checked),
        cmocka_unit_test(image_input_is_normalised_on_the_device),
        cmocka_unit_test(image_needs_planes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
