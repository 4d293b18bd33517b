#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

#include <string.h>

struct pool {
    int kernel, stride, pad, include_pad, ceil_mode;
};

static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 24, 7, 6));
    e2b_builder_output(builder, "y");
    return builder;
}

static void add_pool(struct e2b_builder *builder, const char *from, const char *to, struct pool p) {
    Onnx__NodeProto *node = e2b_builder_node(builder, "AveragePool", from, to);
    e2b_builder_attr_ints(builder, node, "kernel_shape", 2, (const int64_t[]){p.kernel, p.kernel});
    e2b_builder_attr_ints(builder, node, "strides", 2, (const int64_t[]){p.stride, p.stride});
    e2b_builder_attr_ints(
        builder, node, "pads", 4, (const int64_t[]){p.pad, p.pad, p.pad, p.pad});
    e2b_builder_attr_int(builder, node, "count_include_pad", p.include_pad);
    e2b_builder_attr_int(builder, node, "ceil_mode", p.ceil_mode);
}

static void add_conv(
    struct e2b_builder *builder, const char *from, const char *to, int channels, bool has_bias) {
    char list[32];
    snprintf(list, sizeof list, has_bias ? "%s,w,b" : "%s,w", from);
    e2b_builder_floats(builder, "w", E2B_SHAPE(channels, 24, 1, 1), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(channels), NULL);
    e2b_builder_node(builder, "Conv", list, to);
}

/* Which operators run, in order: "pool conv". */
static void expect(struct e2b_builder *builder, const char *operators) {
    const struct e2b_graph_options options = {
        .batch = 2, .precision = E2B_F32, .channel_align = 8, .image = {.input = -1}};
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 1e-5);
    char found[128] = "";
    for (int i = 0; i < graph->node_count; i++) {
        const char *name = graph->nodes[i].op->name;
        if (strcmp(name, "convert"))
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s",
                *found ? " " : "", name);
    }
    assert_string_equal(found, operators);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void means_are_of_the_fewer_channels(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    add_pool(builder, "x", "p", (struct pool){3, 1, 1, 1, 0});
    add_conv(builder, "p", "c", 16, true);
    e2b_builder_node(builder, "Relu", "c", "y");
    expect(builder, "conv conv");
    builder = start();
    add_pool(builder, "x", "p", (struct pool){3, 1, 1, 0, 0});
    add_conv(builder, "p", "y", 16, true);
    expect(builder, "conv pool");
}

static void what_is_not_linear_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    add_pool(builder, "x", "p", (struct pool){3, 1, 1, 0, 0}); /* fewer numbers at the edge */
    add_conv(builder, "p", "c", 16, true);
    e2b_builder_node(builder, "Relu", "c", "y");
    expect(builder, "pool conv");
    builder = start();
    add_conv(builder, "x", "c", 16, true);
    e2b_builder_node(builder, "Relu", "c", "r");
    add_pool(builder, "r", "y", (struct pool){2, 2, 0, 0, 0});
    expect(builder, "conv pool");
    builder = start();
    add_conv(builder, "x", "c", 16, true);
    add_pool(builder, "c", "y", (struct pool){2, 2, 1, 1, 0}); /* a bias is not added to zeros */
    expect(builder, "conv pool");
}

static void what_gains_nothing_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    add_pool(builder, "x", "p", (struct pool){3, 1, 1, 1, 0});
    add_conv(builder, "p", "y", 32, false);
    expect(builder, "pool conv");
    builder = start();
    add_pool(builder, "x", "p", (struct pool){2, 2, 0, 0, 0});
    add_conv(builder, "p", "y", 16, false);
    expect(builder, "pool conv");
    builder = start();
    add_conv(builder, "x", "c", 5, false);
    add_pool(builder, "c", "y", (struct pool){2, 2, 0, 0, 0});
    expect(builder, "conv pool");
}

static void convolutions_are_of_the_fewer_pixels(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    add_conv(builder, "x", "c", 16, true);
    add_pool(builder, "c", "y", (struct pool){2, 2, 1, 0, 1});
    expect(builder, "pool conv");
    builder = start();
    add_conv(builder, "x", "c", 32, true);
    e2b_builder_node(builder, "GlobalAveragePool", "c", "y");
    expect(builder, "pool conv");
}

static void a_pool_that_others_read_stays(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_output(builder, "p");
    add_pool(builder, "x", "p", (struct pool){3, 1, 1, 1, 0});
    add_conv(builder, "p", "y", 16, false);
    expect(builder, "pool conv");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_are_of_the_fewer_channels),
        cmocka_unit_test(what_is_not_linear_stays),
        cmocka_unit_test(what_gains_nothing_stays),
        cmocka_unit_test(convolutions_are_of_the_fewer_pixels),
        cmocka_unit_test(a_pool_that_others_read_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
