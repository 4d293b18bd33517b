/* The operators' cases, by the variants that a GPU with tensor cores takes. */
#include "tests/kernels/op_case.h"
#include "tests/ptx/device.h"
#include "tests/runtime/engine/merging.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

extern const struct e2b_op_cases e2b_cases_conv, e2b_cases_block, e2b_cases_gemm,
    e2b_cases_attention, e2b_cases_pool, e2b_cases_move, e2b_cases_norm;

static struct e2b_device *open_device(int sm, bool late) {
    static char cache[512];
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    const char *folder = getenv("E2B_TEST_CACHE");
    snprintf(cache, sizeof cache, "%s", folder ? folder : "/tmp/e2bird-test-cache");
    mkdir(cache, 0777);
    strncat(cache, "/ptx", sizeof cache - strlen(cache) - 1);
    mkdir(cache, 0777);
    const struct ptx_device_options options = {
        .compute_units = 4, .ptx_sm = sm, .late = late, .cache = cache};
    if (ptx_device_create(&options, &device, &err) != E2B_OK)
        e2b_skip("%s", err.text);
    return device;
}

static void run_some(
    const struct e2b_op_cases *cases, const char *variant, int sm, bool late, int candidates) {
    struct e2b_device *device = open_device(sm, late);
    int failures = e2b_op_cases_run_on(cases, device, variant, candidates);
    device->ops->destroy(device);
    assert_int_equal(failures, 0);
}

static void run(const struct e2b_op_cases *cases, const char *variant, int sm, bool late) {
    run_some(cases, variant, sm, late, 2);
}

#define PARTIAL(channels, rows, outputs)                                                           \
    {                                                                                              \
        "3x3 of partial tiles, " #channels " to " #outputs, "conv",                                \
            ATTRS(INTS("pads", 1, 1, 1, 1)),                                                       \
            INPUTS(F32(1, channels, rows, 7), CONST_F32(outputs, channels, 3, 3),                  \
                CONST_F32(outputs)),                                                               \
            .only_dense = true                                                                     \
    }

/* Candidates are those that suit the shape: each kind of tile suits one of these. */
static const struct e2b_op_case partial[] = {PARTIAL(24, 5, 24), PARTIAL(24, 7, 96),
    PARTIAL(24, 7, 190), PARTIAL(24, 20, 30), PARTIAL(24, 18, 90), PARTIAL(24, 18, 192),
    PARTIAL(72, 5, 60), PARTIAL(72, 18, 128),
    {"1x1 of partial tiles, too shallow to split", "conv",
        INPUTS(F32(1, 190, 20, 7), CONST_F32(250, 190, 1, 1), CONST_F32(250)), .only_dense = true},
    {"1x1 of more tiles than groups", "conv",
        INPUTS(F32(1, 190, 20, 37), CONST_F32(390, 190, 1, 1), CONST_F32(390)), .only_dense = true},
    {"1x1 of more tiles than groups, deeper than stages", "conv",
        INPUTS(F32(1, 696, 20, 28), CONST_F32(120, 696, 1, 1), CONST_F32(120)),
        .only_dense = true}};
E2B_OP_CASES(every_tile, partial);

/* A plain sum in fp32 has relative errors of 1.4e-7, 4.4e-7 and 1.2e-6 over 64, 576 and 4608 random
 * numbers; one of split fp32 may have four times as much, whatever their size. Over many numbers it
 * has less. */
#define DEEP(outputs, channels, kernel, most, tolerance)                                           \
    {                                                                                              \
#channels " channels up to " #most, "conv",                                                \
            INPUTS(IN(F32, SHAPE(1, channels, 4, 5), .low = -most, .high = most),                  \
                CONST_F32(outputs, channels, kernel, kernel)),                                     \
            .only_dense = true, .only_f32 = true, .tolerance_f32 = tolerance                       \
    }

static const struct e2b_op_case deep[] = {DEEP(40, 576, 1, 1, 4.4e-7), DEEP(8, 512, 3, 1, 1.2e-6),
    DEEP(40, 64, 1, 1e30, 4 * 1.4e-7), DEEP(40, 64, 1, 1e-30, 4 * 1.4e-7)};
E2B_OP_CASES(deep, deep);

static void fp32_in_parts_is_accurate(void **state) {
    (void)state;
    run_some(&e2b_cases_deep, "mma", 90, true, 100);
}

static void every_tile(void **state) {
    (void)state;
    run_some(&e2b_cases_every_tile, "mma", 90, true, 100);
}

static void convolutions_by_warps(void **state) {
    (void)state;
    run(&e2b_cases_conv, "mma", 80, true);
}

static void convolutions_by_warpgroups(void **state) {
    (void)state;
    run(&e2b_cases_conv, "mma", 90, true);
}

static void convolutions_by_patches(void **state) {
    (void)state;
    run_some(&e2b_cases_conv, "patch", 90, true, 100);
}

static void inverted_residuals(void **state) {
    (void)state;
    run_some(&e2b_cases_block, "inverted_residual", 80, true, 4);
}

static void bottlenecks(void **state) {
    (void)state;
    run(&e2b_cases_block, "bottleneck", 90, true);
    run_some(&e2b_cases_block, "bottleneck_strip", 90, true, 3);
}

static void depthwise_convolutions(void **state) {
    (void)state;
    run(&e2b_cases_conv, "depthwise", 0, false);
    run(&e2b_cases_conv, "depthwise", 80, false);
}

static void pools(void **state) {
    (void)state;
    run(&e2b_cases_pool, "tiles", 0, false);
    run(&e2b_cases_pool, "tiles", 80, false);
}

static void moves(void **state) {
    (void)state;
    run(&e2b_cases_move, "map", 0, false);
    run(&e2b_cases_move, "map", 80, false);
}

static void norms(void **state) {
    (void)state;
    run(&e2b_cases_norm, "octets", 0, false);
    run(&e2b_cases_norm, "octets", 80, false);
}

static void matrix_products(void **state) {
    (void)state;
    run(&e2b_cases_gemm, "mma", 90, false);
}

static void attention(void **state) {
    (void)state;
    run(&e2b_cases_attention, "mma", 80, true);
    run(&e2b_cases_attention, "mma", 80, false);
}

static void merged_launches(void **state) {
    (void)state;
    struct e2b_device *device = open_device(90, true);
    merging_check(device, 1, E2B_F16);
    merging_check(device, MERGING_BATCH, E2B_F16);
    merging_check(device, 1, E2B_F32);
    merging_check_times(device, 1, E2B_F16);
    device->ops->destroy(device);
}

/* With an argument: only tests whose names match it, as "convolutions*". */
int main(int argc, char **argv) {
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_launches),
        cmocka_unit_test(attention),
        cmocka_unit_test(fp32_in_parts_is_accurate),
        cmocka_unit_test(every_tile),
        cmocka_unit_test(convolutions_by_warps),
        cmocka_unit_test(convolutions_by_warpgroups),
        cmocka_unit_test(convolutions_by_patches),
        cmocka_unit_test(inverted_residuals),
        cmocka_unit_test(bottlenecks),
        cmocka_unit_test(depthwise_convolutions),
        cmocka_unit_test(pools),
        cmocka_unit_test(moves),
        cmocka_unit_test(norms),
        cmocka_unit_test(matrix_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
