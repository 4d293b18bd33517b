#include "kernels/conv/variants.h"
#include "tests/support.h"

#include <stdlib.h>

static const struct e2b_traits hopper = {.device = "testing",
    .ptx_sm = 90,
    .compute_units = 132,
    .local_bytes = 232448,
    .max_group = 1024};

struct layer {
    struct e2b_conv_params params;
    struct e2b_constant weights;
    struct e2b_operand inputs[2], output;
    struct e2b_call call;
};

static struct e2b_tensor image(int64_t n, int64_t c, int64_t side) {
    int64_t pixel = (c + 7) / 8 * 8;
    return (struct e2b_tensor){.dtype = E2B_F16,
        .shape = {4, {n, c, side, side}},
        .stride = {side * side * pixel, 1, side * pixel, pixel}};
}

static void make(struct layer *layer, int64_t n, int64_t from, int64_t to, int64_t side,
    int64_t kernel, int64_t stride) {
    const struct e2b_shape weights = {4, {to, from, kernel, kernel}};
    *layer = (struct layer){
        .params = {.rank = 2,
            .group = 1,
            .kernel = {kernel, kernel},
            .stride = {stride, stride},
            .dilation = {1, 1},
            .pad = {kernel / 2, kernel / 2, kernel / 2, kernel / 2}},
        .weights = {.dtype = E2B_F32,
            .shape = weights,
            .data = calloc((size_t)e2b_shape_count(&weights), sizeof(float))},
    };
    assert_non_null(layer->weights.data);
    layer->inputs[0] = (struct e2b_operand){.present = true, .tensor = image(n, from, side)};
    layer->inputs[1] = (struct e2b_operand){.present = true,
        .tensor = {.dtype = E2B_F16, .shape = weights},
        .constant = &layer->weights};
    e2b_tensor_set_dense(&layer->inputs[1].tensor, 1);
    layer->output = (struct e2b_operand){.present = true, .tensor = image(n, to, side / stride)};
    layer->call = (struct e2b_call){.op = &e2b_op_conv,
        .name = "c",
        .params = &layer->params,
        .input_count = 2,
        .output_count = 1,
        .inputs = layer->inputs,
        .outputs = &layer->output,
        .traits = &hopper};
}

/* What was faster on an H200, see docs/results/gpu-kernels-2026-11-29.md. */
static void it_yields_where_implicit_gemm_was_faster(void **state) {
    (void)state;
    static const struct {
        int64_t n, from, to, side, kernel, stride;
        bool yields;
    } layers[] = {
        {8, 3, 64, 224, 3, 1, false},
        {32, 64, 64, 224, 3, 1, false},
        {128, 256, 256, 56, 3, 1, true},
        {8, 512, 512, 28, 3, 1, true},
        {128, 128, 128, 28, 3, 1, false},
        {32, 3, 64, 224, 7, 2, false},
        {8, 512, 512, 14, 3, 1, true},
        {128, 512, 512, 14, 3, 1, true},
        {128, 512, 512, 7, 3, 1, true},
        {8, 128, 128, 28, 3, 1, true},
        {32, 128, 128, 112, 3, 1, false},
        {128, 128, 128, 112, 3, 1, false},
        {128, 128, 128, 56, 3, 2, true},
        {1, 256, 256, 28, 3, 1, true},
    };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        struct layer layer;
        char reason[128] = "";
        make(&layer, layers[i].n, layers[i].from, layers[i].to, layers[i].side, layers[i].kernel,
            layers[i].stride);
        if (!e2b_conv_patch_accepts(&layer.call, reason, sizeof reason))
            fail_msg("layer %zu: %s", i, reason);
        if (e2b_conv_patch_yields(&layer.call) != layers[i].yields)
            fail_msg("layer %zu %s", i, layers[i].yields ? "does not yield" : "yields");
        free((void *)layer.weights.data);
    }
}

/* VGG-16's layers before pools, see docs/results/gpu-convolutions-2026-11-29.md. */
static void it_pools_where_that_was_faster(void **state) {
    (void)state;
    static const struct {
        int64_t n, channels, side;
        bool pools;
    } layers[] = {
        {1, 64, 224, true},
        {1, 512, 28, false},
        {1, 512, 14, false},
        {8, 128, 112, true},
        {32, 64, 224, true},
        {32, 128, 112, true},
        {32, 256, 56, true},
        {32, 512, 28, false},
        {32, 512, 14, false},
        {128, 64, 224, true},
        {128, 128, 112, true},
        {128, 256, 56, true},
        {128, 512, 28, false},
        {128, 512, 14, false},
    };
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        struct layer layer;
        make(&layer, layers[i].n, layers[i].channels, layers[i].channels, layers[i].side, 3, 1);
        layer.params.pool[0] = layer.params.pool[1] = 2;
        layer.output.tensor = image(layers[i].n, layers[i].channels, layers[i].side / 2);
        if (e2b_conv_pools(&layer.call) != layers[i].pools)
            fail_msg("layer %zu %s", i, layers[i].pools ? "does not pool" : "pools");
        free((void *)layer.weights.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_yields_where_implicit_gemm_was_faster),
        cmocka_unit_test(it_pools_where_that_was_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
