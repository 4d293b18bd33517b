#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_graph_options options = {.batch = 2,
    .precision = E2B_F32,
    .channel_align = 4,
    .image = {.input = -1},
    .stage = E2B_GRAPH_FUSED};

static void add_norm(struct e2b_builder *builder, const char *input, const char *output) {
    static const float variance[] = {0.5f, 1, 2, 0.25f, 3, 1.5f};
    char inputs[64];
    e2b_builder_floats(builder, "scale", E2B_SHAPE(6), NULL);
    e2b_builder_floats(builder, "shift", E2B_SHAPE(6), NULL);
    e2b_builder_floats(builder, "mean", E2B_SHAPE(6), NULL);
    e2b_builder_floats(builder, "variance", E2B_SHAPE(6), variance);
    snprintf(inputs, sizeof inputs, "%s,scale,shift,mean,variance", input);
    e2b_builder_node(builder, "BatchNormalization", inputs, output);
}

static struct e2b_builder *start_conv(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4, 5, 5));
    e2b_builder_floats(builder, "w", E2B_SHAPE(6, 4, 3, 3), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(6), NULL);
    e2b_builder_output(builder, "y");
    return builder;
}

static void expect(struct e2b_builder *builder, int nodes) {
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(graph->node_count, nodes);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void batch_norm_goes_into_conv(void **state) {
    (void)state;
    struct e2b_builder *builder = start_conv();
    e2b_builder_node(builder, "Conv", "x,w", "c");
    add_norm(builder, "c", "y");
    expect(builder, 1);
    builder = start_conv();
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    add_norm(builder, "c", "y");
    expect(builder, 1);
}

/* Caffe's way: normalise, then Mul and Add of reshaped vectors. */
static void a_chain_of_scales_goes_into_conv(void **state) {
    (void)state;
    struct e2b_builder *builder = start_conv();
    e2b_builder_floats(builder, "m", E2B_SHAPE(6), NULL);
    e2b_builder_floats(builder, "a", E2B_SHAPE(1, 6, 1, 1), NULL);
    e2b_builder_ints(builder, "axes", 2, (const int64_t[]){1, 2});
    e2b_builder_scalar(builder, "two", 2);
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    add_norm(builder, "c", "n");
    e2b_builder_node(builder, "Unsqueeze", "m,axes", "m3");
    e2b_builder_node(builder, "Mul", "n,m3", "s");
    e2b_builder_node(builder, "Add", "a,s", "t");
    e2b_builder_node(builder, "Sub", "two,t", "u");
    e2b_builder_node(builder, "Div", "u,two", "v");
    e2b_builder_node(builder, "Relu", "v", "y");
    expect(builder, 1);
}

/* DenseNet's: normalise what no convolution made, then scale and shift. */
static void a_lone_norm_takes_the_scales(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(9);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 6, 5, 5));
    e2b_builder_floats(builder, "m", E2B_SHAPE(6, 1, 1), NULL);
    e2b_builder_floats(builder, "a", E2B_SHAPE(6, 1, 1), NULL);
    add_norm(builder, "x", "n");
    e2b_builder_node(builder, "Mul", "n,m", "s");
    e2b_builder_node(builder, "Add", "s,a", "t");
    e2b_builder_node(builder, "Relu", "t", "y");
    e2b_builder_output(builder, "y");
    expect(builder, 1);
}

static void what_cannot_go_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start_conv();
    e2b_builder_floats(builder, "a", E2B_SHAPE(6, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    e2b_builder_node(builder, "Add", "c,a", "y");
    expect(builder, 2);
    builder = start_conv();
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    e2b_builder_output(builder, "c");
    add_norm(builder, "c", "y");
    expect(builder, 2);
    builder = start_conv();
    e2b_builder_scalar(builder, "two", 2);
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    e2b_builder_node(builder, "Div", "two,c", "y");
    expect(builder, 2);
}

static void matrix_products_take_scale_and_bias(void **state) {
    (void)state;
    for (int trans = 0; trans < 2; trans++) {
        struct e2b_builder *builder = e2b_builder_create(13);
        e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4));
        e2b_builder_floats(builder, "w", trans ? E2B_SHAPE(6, 4) : E2B_SHAPE(4, 6), NULL);
        e2b_builder_floats(builder, "b", E2B_SHAPE(6), NULL);
        Onnx__NodeProto *gemm = e2b_builder_node(builder, "Gemm", "x,w,b", "g");
        e2b_builder_attr_int(builder, gemm, "transB", trans);
        e2b_builder_attr_float(builder, gemm, "alpha", 0.5f);
        e2b_builder_attr_float(builder, gemm, "beta", 3);
        e2b_builder_output(builder, "y");
        add_norm(builder, "g", "y");
        expect(builder, 1);
    }
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4));
    e2b_builder_floats(builder, "w", E2B_SHAPE(4, 6), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(6), NULL);
    e2b_builder_floats(builder, "s", E2B_SHAPE(6), NULL);
    e2b_builder_node(builder, "MatMul", "x,w", "g");
    e2b_builder_node(builder, "Add", "b,g", "h");
    e2b_builder_node(builder, "Mul", "h,s", "y");
    e2b_builder_output(builder, "y");
    expect(builder, 1);
}

/* Batch sizes share folded weights: the operand is the same constant. */
static void folded_weights_are_shared(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_builder *builder = start_conv();
    e2b_builder_node(builder, "Conv", "x,w,b", "c");
    add_norm(builder, "c", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph_options other = options;
    struct e2b_graph *a, *b;
    other.batch = 7;
    assert_ok(e2b_graph_create(model, &options, &a, &err), err);
    assert_ok(e2b_graph_create(model, &other, &b, &err), err);
    for (int k = 1; k < 3; k++)
        assert_ptr_equal(
            a->values[a->nodes[0].inputs[k]].constant, b->values[b->nodes[0].inputs[k]].constant);
    e2b_graph_destroy(a);
    e2b_graph_destroy(b);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_norm_goes_into_conv),
        cmocka_unit_test(a_chain_of_scales_goes_into_conv),
        cmocka_unit_test(a_lone_norm_takes_the_scales),
        cmocka_unit_test(what_cannot_go_stays),
        cmocka_unit_test(matrix_products_take_scale_and_bias),
        cmocka_unit_test(folded_weights_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
