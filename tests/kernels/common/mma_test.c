#include "kernels/common/mma.h"

#include "tests/kernels/common/mma_setting.h"
#include "tests/support.h"

#include <string.h>

static void convolutions_are_covered(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct mma_setting setting;
        mma_start(&setting, half ? E2B_F16 : E2B_F32, 3, 7, 13, 75, 3);
        mma_each_candidate(&setting, mma_check_sizes);
        setting.problem.residual_input = 3;
        memcpy(setting.problem.r_stride, setting.problem.y_stride, sizeof setting.problem.r_stride);
        mma_each_candidate(&setting, mma_check_sizes);
        mma_finish(&setting);
    }
}

static int pipelines_seen;

static void note_pipelines(const struct mma_setting *setting, const struct e2b_launch_list *list,
    const struct mma_tiling *tiling) {
    mma_check_sizes(setting, list, tiling);
    pipelines_seen += strstr(list->launches[0].options, "-DPIPELINE") != NULL;
}

/* As many groups as compute units, whose last four warps copy. */
static void many_tiles_go_through_a_pipeline(void **state) {
    (void)state;
    struct mma_setting setting;
    mma_start(&setting, E2B_F16, 40, 28, 64, 256, 1);
    setting.traits.ptx_sm = 90;
    pipelines_seen = 0;
    mma_each_candidate(&setting, note_pipelines);
    assert_true(pipelines_seen >= 3);
    mma_finish(&setting);
}

static void tiles_fit_the_local_memory(void **state) {
    (void)state;
    const int64_t sizes[] = {50 << 10, 99 << 10, 163 << 10, 227 << 10};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mma_setting setting;
        mma_start(&setting, E2B_F16, 8, 14, 256, 256, 1);
        setting.traits.local_bytes = sizes[i];
        mma_each_candidate(&setting, mma_check_sizes);
        mma_finish(&setting);
    }
}

static bool is_matrix(struct mma_setting *setting) {
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_mma_emit(&setting->call, &setting->problem, &list, &err), err);
    bool found = strstr(list.launches[0].options, "-DMATRIX") != NULL;
    e2b_launch_list_finish(&list);
    return found;
}

static void pixels_that_lie_evenly_are_rows_of_a_matrix(void **state) {
    (void)state;
    struct mma_setting even, wide, window;
    mma_start(&even, E2B_F16, 3, 8, 64, 64, 1);
    mma_start(&window, E2B_F16, 3, 8, 64, 64, 3);
    assert_true(is_matrix(&even));
    assert_false(is_matrix(&window));
    for (int tensor = 0; tensor < 3; tensor++)
        for (int i = 0; i < 2; i++) {
            wide = even;
            wide.call.traits = &wide.traits;
            wide.call.outputs = &wide.output;
            struct e2b_mma_problem *problem = &wide.problem;
            memcpy(problem->r_stride, problem->y_stride, sizeof problem->r_stride);
            problem->residual_input = 1;
            assert_true(is_matrix(&wide));
            (tensor == 0          ? problem->x_stride
                    : tensor == 1 ? problem->y_stride
                                  : problem->r_stride)[i] += 64;
            assert_false(is_matrix(&wide));
        }
    mma_finish(&even);
    mma_finish(&window);
}

/* Tiles are offered with several splits that leave a group enough to do. */
/* Of groups of 128, and of local memory that two of a compute unit have. */
static void launches_to_be_merged_have_groups_of_one_size(void **state) {
    (void)state;
    static const int64_t sides[] = {112, 56, 28, 14, 7, 1};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        for (int half = 0; half < 2; half++) {
            struct mma_setting setting;
            struct e2b_launch_list list = {0};
            struct e2b_error err = {0};
            mma_start(&setting, half ? E2B_F16 : E2B_F32, 2, sides[i], 256, 72, 3);
            setting.traits.ptx_sm = 90;
            setting.call.group_items = 128;
            assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
            struct mma_tiling tiling = mma_tiling_of(&list.launches[0]);
            mma_check_sizes(&setting, &list, &tiling);
            assert_int_equal(list.launches[0].local[0], 128);
            assert_true(2 * list.launches[0].local_bytes <= 226 << 10);
            e2b_launch_list_finish(&list);
            mma_finish(&setting);
        }
}

static void what_cannot_run_is_refused_with_a_reason(void **state) {
    (void)state;
    struct mma_setting setting;
    mma_start(&setting, E2B_F16, 1, 4, 16, 24, 3);
    struct mma_setting old = setting, small = setting, bytes = setting, narrow = setting,
                       row = setting, residual = setting, large = setting;
    large.problem.kernel_h = large.problem.kernel_w = 41;
    old.traits.ptx_sm = 75;
    small.traits.local_bytes = 48 << 10;
    bytes.output.tensor.dtype = E2B_I8;
    narrow.problem.outputs_end = 20;
    row.problem.x_stride[1] += 4;
    residual.problem.residual_input = 2;
    residual.problem.r_stride[2] = 12;
    const struct {
        struct mma_setting *setting;
        const char *says;
    } refusals[] = {{&old, "sm_80"}, {&small, "local memory"}, {&bytes, "fp16"},
        {&large, "too large"}, {&narrow, "multiples of 8"}, {&row, "multiples of 8"},
        {&residual, "multiples of 8"}};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct mma_setting *now = refusals[i].setting;
        now->call.traits = &now->traits;
        now->call.outputs = &now->output;
        const char *reason = e2b_mma_refuses(&now->call, &now->problem);
        assert_non_null(reason);
        assert_non_null(strstr(reason, refusals[i].says));
    }
    mma_finish(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_covered),
        cmocka_unit_test(many_tiles_go_through_a_pipeline),
        cmocka_unit_test(tiles_fit_the_local_memory),
        cmocka_unit_test(pixels_that_lie_evenly_are_rows_of_a_matrix),
        cmocka_unit_test(launches_to_be_merged_have_groups_of_one_size),
        cmocka_unit_test(what_cannot_run_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
