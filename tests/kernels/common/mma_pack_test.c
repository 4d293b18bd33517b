#include "kernels/common/mma_pack.h"

#include "kernels/common/jobs.h"
#include "tests/kernels/common/mma_setting.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

enum { MMA_COLUMN_BLOCK = 32 };

/* Rows of a stage are permuted against bank conflicts. */
static int64_t packed_chunk(int64_t row, int64_t chunk, int64_t chunks) {
    return chunk ^ (chunks == 8 ? row % 8 : row / 2 % 4);
}

/* A thread stores 8 neighbouring columns, of which each of four matrices gave it two. */
static int64_t packed_row(int64_t column) {
    int64_t in_block = column % MMA_COLUMN_BLOCK, thread = in_block / 8, matrix = in_block % 8 / 2;
    return column - in_block + matrix * 8 + thread * 2 + in_block % 2;
}

static double element(const unsigned char *packed, enum e2b_dtype dtype, int64_t index) {
    double value;
    e2b_to_double(dtype, packed + index * (int64_t)e2b_dtype_bytes(dtype), &value, 1);
    return value;
}

static void check_weights(const struct mma_setting *setting, const struct e2b_launch_list *list,
    const struct mma_tiling *tiling) {
    const struct e2b_mma_problem *problem = &setting->problem;
    const struct e2b_packing *packing = &list->packings[0];
    enum e2b_dtype dtype = setting->output.tensor.dtype;
    int64_t lanes = MMA_CHUNK_BYTES / (int64_t)e2b_dtype_bytes(dtype);
    int64_t slabs = mma_integer(&list->launches[0], 1), depth = tiling->chunks * lanes;
    int64_t taps = problem->kernel_h * problem->kernel_w, found = 0;
    const float *weights = packing->from[0]->data;
    unsigned char *packed = malloc(packing->bytes);
    assert_non_null(packed);
    packing->pack(packing, packed);
    for (int64_t i = 0; i < (int64_t)packing->bytes / (MMA_CHUNK_BYTES / lanes); i++)
        found += element(packed, dtype, i) != 0;
    assert_int_equal(found, problem->outputs * problem->channels * taps);
    for (int64_t output = 0; output < problem->outputs; output++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t channel = 0; channel < problem->channels; channel++) {
                int64_t chunk = tap * e2b_ceil_div(problem->channels, lanes) + channel / lanes;
                int64_t row = output / tiling->columns * slabs + chunk / tiling->chunks;
                row = row * tiling->columns + packed_row(output % tiling->columns);
                chunk = packed_chunk(row, chunk % tiling->chunks, tiling->chunks);
                double value =
                    element(packed, dtype, row * depth + chunk * lanes + channel % lanes);
                const int64_t *stride = problem->weight_stride;
                double want = (double)problem->weight_scale
                    * (double)weights[output * stride[0] + channel * stride[1] + tap * stride[2]];
                assert_true(value == want);
            }
    free(packed);
}

static void weights_of_convolutions_are_all_there(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct mma_setting setting;
        mma_start(&setting, half ? E2B_F16 : E2B_F32, 3, 7, 13, 75, 3);
        mma_each_candidate(&setting, check_weights);
        mma_finish(&setting);
    }
}

static void pipelines_have_them_in_the_same_order(void **state) {
    (void)state;
    struct mma_setting setting;
    mma_start(&setting, E2B_F16, 40, 28, 64, 256, 1);
    setting.traits.ptx_sm = 90;
    mma_each_candidate(&setting, check_weights);
    mma_finish(&setting);
}

/* A matrix comes as [inner][columns]. */
static void weights_of_matrices_are_all_there(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct mma_setting setting;
        mma_start(&setting, half ? E2B_F16 : E2B_F32, 20, 1, 300, 40, 1);
        setting.problem.weight_stride[0] = 1;
        setting.problem.weight_stride[1] = 40;
        setting.problem.weight_stride[2] = 0;
        mma_each_candidate(&setting, check_weights);
        mma_finish(&setting);
    }
}

static void bias_is_scaled_and_padded(void **state) {
    (void)state;
    struct mma_setting setting;
    struct e2b_constant one = mma_constant_of(1);
    mma_start(&setting, E2B_F16, 1, 4, 16, 20, 1);
    const struct e2b_constant *const biases[] = {&setting.bias, &one, NULL};
    for (int i = 0; i < 3; i++) {
        struct e2b_launch_list list = {0};
        struct e2b_error err = {0};
        setting.problem.bias = biases[i];
        assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
        const struct e2b_packing *packing = &list.packings[1];
        int64_t count = (int64_t)(packing->bytes / sizeof(float));
        assert_int_equal(count % mma_tiling_of(&list.launches[0]).columns, 0);
        float *packed = malloc(packing->bytes);
        assert_non_null(packed);
        packing->pack(packing, packed);
        for (int64_t c = 0; c < count; c++) {
            const float *from = biases[i] ? biases[i]->data : NULL;
            float want = c < 20 && from ? 2 * from[biases[i] == &one ? 0 : c] : 0;
            assert_true(packed[c] == want);
        }
        free(packed);
        e2b_launch_list_finish(&list);
    }
    free((void *)one.data);
    mma_finish(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_of_convolutions_are_all_there),
        cmocka_unit_test(pipelines_have_them_in_the_same_order),
        cmocka_unit_test(weights_of_matrices_are_all_there),
        cmocka_unit_test(bias_is_scaled_and_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
