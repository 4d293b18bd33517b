#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

#include <string.h>

/* A 1x1 convolution to 8 channels, one of `group` groups that reads it, and Relu after `relus` of
 * them. */
static void expect(bool core_caches, int channels, int group, int relus, int fused) {
    const struct e2b_graph_options options = {.batch = 2,
        .precision = E2B_F32,
        .channel_align = 4,
        .core_caches = core_caches,
        .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, channels, 5, 6));
    e2b_builder_floats(builder, "w", E2B_SHAPE(8, channels, 1, 1), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(8), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(8, 8 / group, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w,b", "wide");
    e2b_builder_node(builder, "Relu", "wide", "active");
    Onnx__NodeProto *conv = e2b_builder_node(builder, "Conv", "active,v", relus > 1 ? "sums" : "y");
    e2b_builder_attr_ints(builder, conv, "pads", 4, (const int64_t[]){1, 1, 1, 0});
    e2b_builder_attr_int(builder, conv, "group", group);
    if (relus > 1)
        e2b_builder_node(builder, "Relu", "sums", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    assert_int_equal(e2b_count_nodes(graph, "expand_depthwise"), fused);
    assert_int_equal(e2b_count_nodes(graph, "conv"), fused ? 0 : 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void an_expansion_and_its_depthwise_convolution_merge(void **state) {
    (void)state;
    expect(true, 3, 8, 2, 1);
}

static void others_stay(void **state) {
    (void)state;
    expect(false, 3, 8, 2, 0); /* no cache */
    expect(true, 8, 8, 2, 0);  /* no expansion */
    expect(true, 3, 2, 2, 0);  /* not depthwise */
    expect(true, 3, 8, 1, 0);  /* two activations */
}

/* A block of three convolutions with Relu after the first two, or of the last two. */
static void expect_block(
    bool joins_blocks, bool expands, bool residual, const char *reads_between) {
    const struct e2b_graph_options options = {.batch = 2,
        .precision = E2B_F32,
        .channel_align = 4,
        .joins_blocks = joins_blocks,
        .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(
        builder, expands ? "x" : "active", E2B_F32, E2B_SHAPE(-1, expands ? 3 : 8, 5, 6));
    e2b_builder_floats(builder, "w", E2B_SHAPE(8, 3, 1, 1), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(8), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(8, 1, 3, 3), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(3, 8, 1, 1), NULL);
    if (expands) {
        e2b_builder_node(builder, "Conv", "x,w,b", "wide");
        e2b_builder_node(builder, "Relu", "wide", "active");
    }
    Onnx__NodeProto *conv = e2b_builder_node(builder, "Conv", "active,v,b", "sums");
    e2b_builder_attr_ints(builder, conv, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    e2b_builder_attr_int(builder, conv, "group", 8);
    e2b_builder_node(builder, "Relu", "sums", "between");
    e2b_builder_node(builder, "Conv", "between,u", residual ? "narrow" : "y");
    if (residual)
        e2b_builder_node(builder, "Add", "narrow,x", "y");
    e2b_builder_output(builder, "y");
    if (reads_between) {
        e2b_builder_node(builder, reads_between, "between", "z");
        e2b_builder_output(builder, "z");
    }
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    bool joined = joins_blocks && !reads_between;
    assert_int_equal(e2b_count_nodes(graph, "conv_block"), joined);
    assert_int_equal(e2b_count_nodes(graph, "conv"), joined ? 0 : 2 + expands);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void an_inverted_residual_becomes_one_node(void **state) {
    (void)state;
    expect_block(true, true, true, NULL);
    expect_block(true, true, false, NULL);
    expect_block(true, false, false, NULL);
    expect_block(false, true, true, NULL);
}

static void what_another_reads_stays(void **state) {
    (void)state;
    expect_block(true, true, true, "Sigmoid");
}

static const struct e2b_traits hopper = {.device = "testing",
    .ptx_sm = 90,
    .compute_units = 132,
    .local_bytes = 232448,
    .max_group = 1024,
    .channel_align = 8};

struct bottleneck {
    int channels; /* between */
    int stride;
    const char *reads_between;
    const char *adds; /* to the third one's sums; NULL: what the block begins with */
};

/* 16 channels, few, few, 16 again. Beside it are "early" and "late", convolutions of the image:
 * which one is a block's last depends on where it stands. */
static void expect_bottleneck(const struct e2b_traits *traits, struct bottleneck b, bool joined) {
    const struct e2b_graph_options options = {.batch = 16,
        .precision = E2B_F16,
        .channel_align = 8,
        .traits = traits,
        .joins_blocks = traits != NULL,
        .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 16, 9, 10));
    e2b_builder_floats(builder, "w", E2B_SHAPE(b.channels, 16, 1, 1), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(b.channels), NULL);
    e2b_builder_floats(builder, "v", E2B_SHAPE(b.channels, b.channels, 3, 3), NULL);
    e2b_builder_floats(builder, "u", E2B_SHAPE(16, b.channels, 1, 1), NULL);
    e2b_builder_node(builder, "Relu", "x", "begin");
    e2b_builder_floats(builder, "s", E2B_SHAPE(16, 16, 1, 1), NULL);
    if (b.adds && !strcmp(b.adds, "early"))
        e2b_builder_node(builder, "Conv", "begin,s", "early");
    e2b_builder_node(builder, "Conv", "begin,w,b", "first");
    e2b_builder_node(builder, "Relu", "first", "few");
    Onnx__NodeProto *conv = e2b_builder_node(builder, "Conv", "few,v,b", "second");
    e2b_builder_attr_ints(builder, conv, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    e2b_builder_attr_ints(builder, conv, "strides", 2, (const int64_t[]){b.stride, b.stride});
    e2b_builder_node(builder, "Relu", "second", "between");
    e2b_builder_node(builder, "Conv", "between,u", b.stride > 1 ? "sums" : "third");
    if (b.adds && !strcmp(b.adds, "late"))
        e2b_builder_node(builder, "Conv", "begin,s", "late");
    if (b.stride == 1)
        e2b_builder_node(builder, "Add",
            !b.adds                      ? "third,begin"
                : strcmp(b.adds, "late") ? "third,early"
                                         : "third,late",
            "sums");
    e2b_builder_node(builder, "Relu", "sums", "y");
    e2b_builder_output(builder, "y");
    if (b.reads_between) {
        e2b_builder_node(builder, b.reads_between, "few", "z");
        e2b_builder_output(builder, "z");
    }
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-1);
    assert_int_equal(e2b_count_nodes(graph, "conv_block"), joined);
    assert_int_equal(e2b_count_nodes(graph, "conv"), joined ? 0 : 3);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void a_bottleneck_becomes_one_node_where_that_is_faster(void **state) {
    (void)state;
    static const struct e2b_traits older = {.ptx_sm = 80, .compute_units = 108, .channel_align = 8};
    expect_bottleneck(&hopper, (struct bottleneck){8, 1, NULL, NULL}, true);
    expect_bottleneck(
        &hopper, (struct bottleneck){136, 1, NULL, NULL}, false); /* no variant takes it */
    expect_bottleneck(&hopper, (struct bottleneck){8, 2, NULL, NULL}, false);
    expect_bottleneck(&hopper, (struct bottleneck){8, 1, "Sigmoid", NULL}, false);
    expect_bottleneck(&hopper, (struct bottleneck){8, 1, NULL, "early"}, true);
    expect_bottleneck(&hopper, (struct bottleneck){8, 1, NULL, "late"}, true);
    expect_bottleneck(&older, (struct bottleneck){8, 1, NULL, NULL}, false);
    expect_bottleneck(NULL, (struct bottleneck){8, 1, NULL, NULL}, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_expansion_and_its_depthwise_convolution_merge),
        cmocka_unit_test(others_stay),
        cmocka_unit_test(an_inverted_residual_becomes_one_node),
        cmocka_unit_test(what_another_reads_stays),
        cmocka_unit_test(a_bottleneck_becomes_one_node_where_that_is_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
