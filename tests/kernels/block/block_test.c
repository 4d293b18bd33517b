#include "kernels/block/block.h"

#include "tests/kernels/op_case.h"
#include "tests/support.h"

#include <string.h>

extern const struct e2b_op_cases e2b_cases_block;

static void every_variant_agrees_with_the_reference(void **state) {
    (void)state;
    int failures = e2b_op_cases_run(&e2b_cases_block);
    if (failures < 0)
        e2b_skip("variants need an OpenCL device");
    assert_int_equal(failures, 0);
}

static struct e2b_operand image(int64_t samples, int64_t channels, int64_t size) {
    struct e2b_operand operand = {.present = true,
        .tensor = {.dtype = E2B_F16,
            .layout = E2B_CHANNELS_LAST,
            .shape = {4, {samples, channels, size, size}}}};
    e2b_tensor_set_dense(&operand.tensor, 8);
    return operand;
}

static struct e2b_operand weights(int64_t outputs, int64_t inputs, int64_t kernel) {
    static const struct e2b_constant any = {.id = 1, .dtype = E2B_F32};
    return (struct e2b_operand){.present = true,
        .tensor = {.dtype = E2B_F32, .shape = {4, {outputs, inputs, kernel, kernel}}},
        .constant = &any};
}

/* The variant of a 3x3 block that ends with as many channels as it has at first; bottlenecks, of
 * one group, add its image. */
static const char *variant_of_groups(
    int64_t group, int64_t samples, int64_t narrow, int64_t wide, int64_t size, int group_items) {
    const struct e2b_traits hopper = {.ptx_sm = 90,
        .compute_units = 132,
        .channel_align = 8,
        .local_bytes = 225 << 10,
        .max_group = 1024};
    struct e2b_conv_block_params params = {.middle = {.rank = 2,
                                               .kernel = {3, 3},
                                               .stride = {1, 1},
                                               .dilation = {1, 1},
                                               .pad = {1, 1, 1, 1},
                                               .group = group,
                                               .epilogue.activation = {E2B_ACT_CLIP, 0, 6}}};
    struct e2b_operand y = image(samples, narrow, size),
                       in[] = {image(samples, narrow, size), weights(wide, narrow, 1), {0},
                           weights(wide, wide / group, 3), {0}, weights(narrow, wide, 1), {0},
                           group == 1 ? image(samples, narrow, size) : (struct e2b_operand){0}};
    struct e2b_call call = {.op = &e2b_op_conv_block,
        .params = &params,
        .input_count = sizeof in / sizeof in[0],
        .output_count = 1,
        .inputs = in,
        .outputs = &y,
        .traits = &hopper,
        .group_items = group_items};
    char reason[128];
    for (const struct e2b_variant *v = call.op->variants; v->name; v++)
        if (v->accepts(&call, reason, sizeof reason) && !call.op->yields(v, &call))
            return v->name;
    return NULL;
}

static const char *variant_of(
    int64_t samples, int64_t narrow, int64_t wide, int64_t size, int group_items) {
    return variant_of_groups(wide, samples, narrow, wide, size, group_items);
}

static void bottlenecks_in_one_launch_where_weights_stay_in_local_memory(void **state) {
    (void)state;
    assert_string_equal(variant_of_groups(1, 128, 256, 64, 56, 0), "bottleneck");
    assert_string_equal(variant_of_groups(1, 8, 256, 64, 56, 0), "bottleneck");
    assert_string_equal(variant_of_groups(1, 1, 256, 64, 56, 128), "apart");
}

static void bottlenecks_of_more_channels_in_strips_where_that_is_much_faster(void **state) {
    (void)state;
    assert_string_equal(variant_of_groups(1, 8, 512, 128, 28, 0), "bottleneck_strip");
    assert_string_equal(variant_of_groups(1, 32, 512, 128, 28, 0), "bottleneck_strip");
    assert_string_equal(variant_of_groups(1, 128, 512, 128, 28, 0), "bottleneck_strip");
    assert_string_equal(variant_of_groups(1, 1, 512, 128, 28, 0), "apart");
    assert_string_equal(variant_of_groups(1, 32, 1024, 256, 14, 0), "apart");
    assert_string_equal(variant_of_groups(1, 32, 512, 128, 28, 128), "apart");
}

static void one_launch_where_wide_images_are_large_or_launches_short(void **state) {
    (void)state;
    assert_string_equal(variant_of(128, 24, 144, 56, 0), "inverted_residual");
    assert_string_equal(variant_of(1, 64, 384, 14, 0), "inverted_residual");
}

static void apart_where_images_are_small_and_deep(void **state) {
    (void)state;
    assert_string_equal(variant_of(128, 160, 960, 7, 0), "apart");
    assert_string_equal(variant_of(1, 160, 960, 7, 0), "apart");
}

static void apart_where_launches_are_merged(void **state) {
    (void)state;
    assert_string_equal(variant_of(1, 64, 384, 14, 128), "apart");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_agrees_with_the_reference),
        cmocka_unit_test(bottlenecks_in_one_launch_where_weights_stay_in_local_memory),
        cmocka_unit_test(bottlenecks_of_more_channels_in_strips_where_that_is_much_faster),
        cmocka_unit_test(one_launch_where_wide_images_are_large_or_launches_short),
        cmocka_unit_test(apart_where_images_are_small_and_deep),
        cmocka_unit_test(apart_where_launches_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
