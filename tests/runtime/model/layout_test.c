#include "kernels/conv/conv.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const int64_t input_strides[] = {256, 256}, output_strides[] = {512, 512};
static const struct e2b_graph_options options = {.batch = 3,
    .precision = E2B_F32,
    .channel_align = 8,
    .input_stride = input_strides,
    .output_stride = output_strides,
    .image = {.input = -1}};

static const struct e2b_traits processor = {.device = "testing",
    .is_cpu = true,
    .compute_units = 2,
    .vector_bytes = 32,
    .channel_align = 8};

static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 6, 6));
    e2b_builder_floats(builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(4, 5, 1, 1), NULL);
    e2b_builder_output(builder, "y");
    return builder;
}

static const struct e2b_value *value(const struct e2b_graph *graph, int index) {
    return &graph->values[index];
}

static void images_are_channels_last_inside(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Conv", "a,v", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(graph->node_count, 4);
    assert_string_equal(graph->nodes[0].op->name, "convert");
    assert_string_equal(graph->nodes[3].op->name, "convert");
    const struct e2b_tensor *a = &value(graph, graph->nodes[1].outputs[0])->tensor;
    assert_int_equal(a->layout, E2B_CHANNELS_LAST);
    assert_int_equal(a->stride[1], 1);
    assert_int_equal(a->stride[3], 8);
    assert_int_equal(value(graph, graph->inputs[0])->tensor.stride[0], 256);
    assert_int_equal(value(graph, graph->outputs[0])->tensor.stride[0], 512);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void few_channels_are_read_as_they_lie_where_a_device_can(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_graph_options planar = options;
    planar.traits = &processor;
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Conv", "a,v", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &planar, 1e-5);
    assert_int_equal(graph->node_count, 3);
    assert_int_equal(graph->nodes[0].inputs[0], graph->inputs[0]);
    assert_int_equal(value(graph, graph->nodes[0].outputs[0])->tensor.layout, E2B_CHANNELS_LAST);
    assert_int_equal(value(graph, graph->nodes[1].inputs[0])->tensor.stride[1], 1);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* Of fp32 inside a graph of fp16 too, where a variant converts what it reads. */
static void images_of_users_are_read_as_they_lie(void **state) {
    (void)state;
    static const struct e2b_traits hopper = {.device = "testing",
        .ptx_sm = 90,
        .compute_units = 1,
        .local_bytes = 232448,
        .max_group = 1024,
        .channel_align = 8};
    static const struct e2b_traits *const traits[] = {&hopper, &processor, NULL};
    for (int i = 0; i < 3; i++) {
        struct e2b_builder *builder = start();
        struct e2b_graph_options half = options;
        half.batch = 60; /* more than are read at once */
        half.precision = E2B_F16;
        half.traits = traits[i];
        e2b_builder_node(builder, "Conv", "x,w", "a");
        e2b_builder_node(builder, "Conv", "a,v", "y");
        struct e2b_model *model = e2b_builder_model(builder);
        struct e2b_graph *graph = e2b_check_graph(model, &half, 2e-2);
        assert_int_equal(graph->nodes[0].op == &e2b_op_conv, traits[i] != NULL);
        assert_int_equal(
            value(graph, graph->nodes[0].outputs[0])->tensor.layout, E2B_CHANNELS_LAST);
        assert_int_equal(value(graph, graph->nodes[0].outputs[0])->tensor.dtype, E2B_F16);
        e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
}

/* Readers share one conversion. */
static void conversions_are_shared(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_floats(builder, "u", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Conv", "x,u", "b");
    e2b_builder_node(builder, "Mul", "a,b", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void half_inside_float_at_the_edges(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_graph_options half = options;
    half.precision = E2B_F16;
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Relu", "a", "b");
    e2b_builder_node(builder, "Conv", "b,v", "c");
    e2b_builder_node(builder, "Flatten", "c", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &half, 2e-2);
    assert_int_equal(value(graph, graph->inputs[0])->tensor.dtype, E2B_F32);
    assert_int_equal(value(graph, graph->outputs[0])->tensor.dtype, E2B_F32);
    for (int i = 0; i + 1 < graph->node_count; i++)
        if (graph->nodes[i].op->layout != E2B_LAYOUT_VIEW && i + 2 < graph->node_count)
            assert_int_equal(value(graph, graph->nodes[i].outputs[0])->tensor.dtype, E2B_F16);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* A row-major result, even through a view, is written into the output's slots by its producer. */
static void results_go_straight_to_slots(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 10));
    e2b_builder_node(builder, "Relu", "x", "a");
    e2b_builder_node(builder, "Flatten", "a", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(graph->node_count, 2);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 0);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void views_of_images_are_copied_only_if_needed(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Flatten", "a", "f");
    e2b_builder_node(builder, "Tanh", "f", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
    builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 3, 3));
    e2b_builder_floats(builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "Flatten", "a", "f");
    e2b_builder_node(builder, "Tanh", "f", "y");
    e2b_builder_output(builder, "y");
    model = e2b_builder_model(builder);
    graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 1);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void image_input_feeds_convolution_directly(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    struct e2b_graph_options image = options;
    image.image = (struct e2b_image_input){0, {120, 110, 100}, {0.01f, 0.02f, 0.03f}};
    e2b_builder_node(builder, "Conv", "x,w", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &image, 1e-4);
    assert_string_equal(graph->nodes[0].op->name, "image");
    assert_int_equal(e2b_count_nodes(graph, "convert"), 1);
    assert_int_equal(graph->node_count, 3);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* An image of one pixel is an image to its kernel and row-major to its reader. */
static void single_pixels_are_results(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_node(builder, "Conv", "x,w", "a");
    e2b_builder_node(builder, "GlobalAveragePool", "a", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    for (int batch = 1; batch <= 3; batch += 2) {
        struct e2b_graph_options sized = options;
        sized.batch = batch;
        struct e2b_graph *graph = e2b_check_graph(model, &sized, 1e-5);
        const struct e2b_tensor *tensor = &value(graph, graph->nodes[2].outputs[0])->tensor;
        assert_string_equal(graph->nodes[2].op->name, "pool");
        assert_int_equal(tensor->layout, E2B_CHANNELS_LAST);
        /* Slots of their own stride take one more copy only where samples lie otherwise. */
        assert_int_equal(graph->node_count, batch == 1 ? 3 : 4);
        e2b_graph_destroy(graph);
    }
    struct e2b_graph_options tight = options;
    tight.batch = 1;
    tight.output_stride = (const int64_t[]){5};
    struct e2b_graph *graph = e2b_check_graph(model, &tight, 1e-5);
    assert_int_equal(graph->node_count, 4); /* no room for pad lanes */
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* TensorFlow's way: images arrive channels-last and are transposed for each convolution. */
static void transposes_cost_nothing(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    const int64_t to_planes[] = {0, 3, 1, 2}, to_pixels[] = {0, 2, 3, 1};
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5, 4, 8));
    e2b_builder_floats(builder, "w8", E2B_SHAPE(8, 8, 3, 3), NULL);
    e2b_builder_attr_ints(
        builder, e2b_builder_node(builder, "Transpose", "x", "a"), "perm", 4, to_planes);
    e2b_builder_node(builder, "Conv", "a,w8", "b");
    e2b_builder_attr_ints(
        builder, e2b_builder_node(builder, "Transpose", "b", "c"), "perm", 4, to_pixels);
    e2b_builder_node(builder, "Sigmoid", "c", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "transpose"), 0);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 0);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* ShuffleNet's: groups of channels are interleaved with one copy, written as the reader wants it.
 */
static void channel_shuffle_is_one_copy(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_floats(builder, "w16", E2B_SHAPE(16, 3, 1, 1), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(5, 16, 1, 1), NULL);
    e2b_builder_ints(builder, "groups", 5, (const int64_t[]){0, 4, 4, 6, 6});
    e2b_builder_ints(builder, "image", 4, (const int64_t[]){0, 16, 6, 6});
    e2b_builder_node(builder, "Conv", "x,w16", "a");
    e2b_builder_node(builder, "Reshape", "a,groups", "b");
    e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Transpose", "b", "c"), "perm", 5,
        (const int64_t[]){0, 2, 1, 3, 4});
    e2b_builder_node(builder, "Reshape", "c,image", "d");
    e2b_builder_node(builder, "Conv", "d,u", "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "transpose"), 0);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 3);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

/* softmax(q k^T) v with two heads: none of four transposes moves data. */
static void attention_moves_nothing(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    const int64_t heads[] = {0, 2, 1, 3}, keys[] = {0, 2, 3, 1};
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5, 8));
    e2b_builder_ints(builder, "split", 4, (const int64_t[]){0, 5, 2, 4});
    e2b_builder_ints(builder, "join", 3, (const int64_t[]){0, 5, 8});
    static const char *const names[] = {"q", "k", "v"};
    for (int i = 0; i < 3; i++) {
        char weight[8], in[16], flat[8], parts[8], reshape[16];
        snprintf(weight, sizeof weight, "w%s", names[i]);
        snprintf(in, sizeof in, "x,%s", weight);
        snprintf(flat, sizeof flat, "f%s", names[i]);
        snprintf(parts, sizeof parts, "p%s", names[i]);
        snprintf(reshape, sizeof reshape, "%s,split", flat);
        e2b_builder_floats(builder, weight, E2B_SHAPE(8, 8), NULL);
        e2b_builder_node(builder, "MatMul", in, flat);
        e2b_builder_node(builder, "Reshape", reshape, parts);
        e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Transpose", parts, names[i]),
            "perm", 4, i == 1 ? keys : heads);
    }
    e2b_builder_node(builder, "MatMul", "q,k", "scores");
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "scores", "s"), "axis", -1);
    e2b_builder_node(builder, "MatMul", "s,v", "mixed");
    e2b_builder_attr_ints(
        builder, e2b_builder_node(builder, "Transpose", "mixed", "back"), "perm", 4, heads);
    e2b_builder_node(builder, "Reshape", "back,join", "joined");
    e2b_builder_node(builder, "Add", "joined,x", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "transpose"), 0);
    assert_int_equal(e2b_count_nodes(graph, "attention"), 1);
    assert_int_equal(e2b_count_nodes(graph, "convert"), 0);
    e2b_graph_destroy(graph);
    struct e2b_graph_options half = options;
    half.precision = E2B_F16;
    e2b_graph_destroy(e2b_check_graph(model, &half, 2e-2));
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_channels_last_inside),
        cmocka_unit_test(few_channels_are_read_as_they_lie_where_a_device_can),
        cmocka_unit_test(images_of_users_are_read_as_they_lie),
        cmocka_unit_test(conversions_are_shared),
        cmocka_unit_test(half_inside_float_at_the_edges),
        cmocka_unit_test(results_go_straight_to_slots),
        cmocka_unit_test(views_of_images_are_copied_only_if_needed),
        cmocka_unit_test(image_input_feeds_convolution_directly),
        cmocka_unit_test(single_pixels_are_results),
        cmocka_unit_test(transposes_cost_nothing),
        cmocka_unit_test(channel_shuffle_is_one_copy),
        cmocka_unit_test(attention_moves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
