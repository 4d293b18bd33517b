#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static struct e2b_graph *finish(struct e2b_builder *builder, struct e2b_model **model) {
    const struct e2b_graph_options options = {
        .batch = 2, .precision = E2B_F32, .channel_align = 16, .image = {.input = -1}};
    *model = e2b_builder_model(builder);
    return e2b_check_graph(*model, &options, 1e-5);
}

static void expect_of(struct e2b_builder *builder, const char *op, int products, int copies) {
    struct e2b_model *model;
    struct e2b_graph *graph = finish(builder, &model);
    assert_int_equal(e2b_count_nodes(graph, op), products);
    assert_int_equal(e2b_count_nodes(graph, "split"), copies);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void expect(struct e2b_builder *builder, int products, int copies) {
    expect_of(builder, "matmul", products, copies);
}

/* x (2, 5, 24) times a matrix of so many columns, plus a bias. */
static void project(struct e2b_builder *builder, const char *name, int columns) {
    char weights[16], bias[16], product[16], list[64];
    snprintf(weights, sizeof weights, "w%s", name);
    snprintf(bias, sizeof bias, "b%s", name);
    snprintf(product, sizeof product, "p%s", name);
    e2b_builder_floats(builder, weights, E2B_SHAPE(24, columns), NULL);
    e2b_builder_floats(builder, bias, E2B_SHAPE(columns), NULL);
    snprintf(list, sizeof list, "x,%s", weights);
    e2b_builder_node(builder, "MatMul", list, product);
    snprintf(list, sizeof list, "%s,%s", product, bias);
    e2b_builder_node(builder, "Add", list, name);
}

static struct e2b_builder *start(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5, 24));
    e2b_builder_output(builder, "y");
    return builder;
}

static void show_heads(struct e2b_builder *builder, const char *input, const char *output) {
    char list[64];
    snprintf(list, sizeof list, "%s,heads", input);
    e2b_builder_node(builder, "Reshape", list, output);
}

static void projections_seen_as_heads_are_one_product(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    const int64_t heads[] = {0, 0, -1, 16}, perm[] = {0, 2, 1, 3}, keys[] = {0, 2, 3, 1};
    e2b_builder_ints(builder, "heads", 4, heads);
    static const char *const names[] = {"q", "k", "v"}, *const seen[] = {"qh", "kh", "vh"},
                             *const turned[] = {"qt", "kt", "vt"};
    for (int i = 0; i < 3; i++) {
        project(builder, names[i], 48);
        show_heads(builder, names[i], seen[i]);
        e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Transpose", seen[i], turned[i]),
            "perm", 4, i == 1 ? keys : perm);
    }
    e2b_builder_node(builder, "MatMul", "qt,kt", "s");
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "s", "p"), "axis", -1);
    e2b_builder_node(builder, "MatMul", "p,vt", "y");
    expect(builder, 1, 0);
}

static void parts_may_differ_in_width(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    project(builder, "a", 16);
    project(builder, "b", 48);
    e2b_builder_node(builder, "Sigmoid", "a", "s");
    e2b_builder_node(builder, "Exp", "b", "e");
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Concat", "s,e", "y"), "axis", -1);
    expect(builder, 2, 0); /* their activations differ: two products */
    builder = start();
    project(builder, "a", 16);
    project(builder, "b", 48);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "a", "s"), "axis", -1);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "b", "e"), "axis", -1);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Concat", "s,e", "y"), "axis", -1);
    expect(builder, 1, 0);
}

static void parts_that_vectors_cannot_read_stay_alone(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    project(builder, "a", 12);
    project(builder, "b", 48);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "a", "s"), "axis", -1);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "b", "e"), "axis", -1);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Concat", "s,e", "y"), "axis", -1);
    expect(builder, 2, 0);
}

static void what_leaves_the_graph_stays_alone(void **state) {
    (void)state;
    struct e2b_builder *builder = start();
    e2b_builder_output(builder, "b");
    project(builder, "a", 16);
    project(builder, "b", 48);
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Softmax", "a", "y"), "axis", -1);
    expect(builder, 2, 0);
}

/* A convolution of `input` to so many channels, with or without a bias. */
static void convolve(struct e2b_builder *builder, const char *input, const char *name,
    int64_t channels, int64_t inputs, int64_t kernel, bool has_bias) {
    char weights[16], bias[16], list[64];
    snprintf(weights, sizeof weights, "w%s", name);
    snprintf(bias, sizeof bias, "b%s", name);
    e2b_builder_floats(builder, weights, E2B_SHAPE(channels, inputs, kernel, kernel), NULL);
    e2b_builder_floats(builder, bias, E2B_SHAPE(channels), NULL);
    snprintf(list, sizeof list, has_bias ? "%s,%s,%s" : "%s,%s", input, weights, bias);
    e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Conv", list, name), "pads", 4,
        (const int64_t[]){kernel / 2, kernel / 2, kernel / 2, kernel / 2});
}

static struct e2b_builder *start_image(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 24, 5, 4));
    e2b_builder_output(builder, "y");
    return builder;
}

static void join(struct e2b_builder *builder, const char *list) {
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Concat", list, "y"), "axis", 1);
}

static void convolutions_of_one_image_are_one(void **state) {
    (void)state;
    for (int kernel = 1; kernel <= 3; kernel += 2) {
        struct e2b_builder *builder = start_image();
        convolve(builder, "x", "a", 16, 24, kernel, true);
        convolve(builder, "x", "b", 48, 24, kernel, true);
        convolve(builder, "x", "c", 32, 24, kernel, true); /* lies in the concatenation */
        convolve(builder, "a", "d", 16, 16, 3, true);
        convolve(builder, "b", "e", 16, 48, 3, true);
        convolve(builder, "b", "f", 16, 48, 1, true);
        join(builder, "c,d,e,f");
        expect_of(builder, "conv", 5, 0);
    }
}

static void convolutions_that_differ_stay_alone(void **state) {
    (void)state;
    for (int differ = 0; differ < 3; differ++) {
        struct e2b_builder *builder = start_image();
        convolve(builder, "x", "a", 16, 24, 1, true);
        convolve(builder, "x", "b", differ == 0 ? 40 : 48, 24, differ == 1 ? 3 : 1, differ != 2);
        convolve(builder, "a", "d", 16, 16, 3, true);
        convolve(builder, "b", "e", 16, differ == 0 ? 40 : 48, 3, true);
        join(builder, "d,e");
        expect_of(builder, "conv", 4, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projections_seen_as_heads_are_one_product),
        cmocka_unit_test(parts_may_differ_in_width),
        cmocka_unit_test(parts_that_vectors_cannot_read_stay_alone),
        cmocka_unit_test(what_leaves_the_graph_stays_alone),
        cmocka_unit_test(convolutions_of_one_image_are_one),
        cmocka_unit_test(convolutions_that_differ_stay_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
