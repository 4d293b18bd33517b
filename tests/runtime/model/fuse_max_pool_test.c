#include "kernels/conv/conv.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_traits hopper = {.device = "testing",
    .ptx_sm = 90,
    .compute_units = 132,
    .local_bytes = 232448,
    .max_group = 1024,
    .channel_align = 8};

struct shape {
    int kernel, window, stride, pad;
    const char *pool;
    bool read_twice;
};

/* A convolution of 16 channels with Relu, and a pool. */
static void expect(const struct e2b_traits *traits, struct shape s, bool fused) {
    const struct e2b_graph_options options = {.batch = 2,
        .precision = E2B_F16,
        .channel_align = 8,
        .traits = traits,
        .image = {.input = -1}};
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 16, 10, 13));
    e2b_builder_floats(builder, "w", E2B_SHAPE(24, 16, s.kernel, s.kernel), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(24), NULL);
    e2b_builder_node(builder, "Conv", "x,w,b", "sums");
    e2b_builder_node(builder, "Relu", "sums", "active");
    Onnx__NodeProto *pool = e2b_builder_node(builder, s.pool, "active", "y");
    e2b_builder_attr_ints(builder, pool, "kernel_shape", 2, (const int64_t[]){s.window, s.window});
    e2b_builder_attr_ints(builder, pool, "strides", 2, (const int64_t[]){s.stride, s.stride});
    e2b_builder_attr_ints(builder, pool, "pads", 4, (const int64_t[]){s.pad, s.pad, s.pad, s.pad});
    e2b_builder_output(builder, "y");
    if (s.read_twice) {
        e2b_builder_node(builder, "Tanh", "active", "z");
        e2b_builder_output(builder, "z");
    }
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_graph *graph = e2b_check_graph(model, &options, 2e-2);
    assert_int_equal(e2b_count_nodes(graph, "pool"), !fused);
    assert_int_equal(e2b_count_nodes(graph, "conv"), 1);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void a_convolution_pools_what_it_writes(void **state) {
    (void)state;
    expect(&hopper, (struct shape){3, 2, 2, 0, "MaxPool", false}, true);
}

static void others_stay(void **state) {
    (void)state;
    static const struct e2b_traits processor = {.is_cpu = true, .vector_bytes = 32};
    expect(NULL, (struct shape){3, 2, 2, 0, "MaxPool", false}, false);
    expect(&processor, (struct shape){3, 2, 2, 0, "MaxPool", false}, false);
    expect(&hopper, (struct shape){3, 3, 2, 0, "MaxPool", false}, false); /* windows overlap */
    expect(&hopper, (struct shape){3, 2, 2, 1, "MaxPool", false}, false);
    expect(&hopper, (struct shape){3, 2, 2, 0, "AveragePool", false}, false);
    expect(&hopper, (struct shape){3, 2, 2, 0, "MaxPool", true}, false);
    expect(&hopper, (struct shape){1, 2, 2, 0, "MaxPool", false}, false); /* no variant pools it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_pools_what_it_writes),
        cmocka_unit_test(others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
