#include "tests/kernels/common/mma_setting.h"

#include "kernels/common/jobs.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

/* Every value is exact in fp16, also when halved, and none is 0. */
static float *numbers(int64_t count) {
    float *values = malloc((size_t)count * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(i * 7 % 1999 + 1) * (i % 3 ? 1 : -1);
    return values;
}

struct e2b_constant mma_constant_of(int64_t count) {
    return (struct e2b_constant){.dtype = E2B_F32, .shape = {1, {count}}, .data = numbers(count)};
}

void mma_start(struct mma_setting *setting, enum e2b_dtype dtype, int64_t samples, int64_t side,
    int64_t channels, int64_t outputs, int64_t kernel) {
    int64_t taps = kernel * kernel, x = (channels + 7) / 8 * 8, y = (outputs + 7) / 8 * 8;
    *setting = (struct mma_setting){
        .traits = {.ptx_sm = 80, .compute_units = 132, .local_bytes = 232448, .max_group = 1024},
        .output = {.present = true, .tensor = {.dtype = dtype}},
        .call = {.name = "c", .output_count = 1},
        .weights = mma_constant_of(outputs * channels * taps),
        .bias = mma_constant_of(outputs),
        .problem = {.samples = samples,
            .height = side,
            .width = side,
            .out_height = side,
            .out_width = side,
            .kernel_h = kernel,
            .kernel_w = kernel,
            .stride = {1, 1},
            .dilation = {1, 1},
            .pad_top = kernel / 2,
            .pad_left = kernel / 2,
            .channels = channels,
            .outputs = outputs,
            .outputs_end = y,
            .x_stride = {side * side * x, side * x, x},
            .y_stride = {side * side * y, side * y, y},
            .weight_stride = {channels * taps, taps, 1},
            .weight_scale = 0.5f,
            .bias_scale = 2},
    };
    setting->problem.weights = &setting->weights;
    setting->problem.bias = &setting->bias;
    setting->call.outputs = &setting->output;
    setting->call.traits = &setting->traits;
}

void mma_finish(struct mma_setting *setting) {
    free((void *)setting->weights.data);
    free((void *)setting->bias.data);
}

int mma_option(const struct e2b_launch *launch, const char *name) {
    char text[32];
    snprintf(text, sizeof text, " -D%s=", name);
    const char *found = strstr(launch->options, text);
    assert_non_null(found);
    return atoi(found + strlen(text));
}

struct mma_tiling mma_tiling_of(const struct e2b_launch *launch) {
    return (struct mma_tiling){mma_option(launch, "BM"), mma_option(launch, "BN"),
        mma_option(launch, "WARPS_M"), mma_option(launch, "WARPS_N"), mma_option(launch, "CHUNKS"),
        mma_option(launch, "LOCAL_SLOTS"),
        strstr(launch->options, "-DTEAMS=") ? mma_option(launch, "TEAMS") : 1,
        (int)launch->global[1]};
}

int32_t mma_integer(const struct e2b_launch *launch, int index) {
    index += launch->global[1] > 1;
    for (int i = 0; i < launch->arg_count; i++)
        if (launch->args[i].kind == E2B_ARG_INT && index-- == 0)
            return launch->args[i].i;
    fail_msg("too few integers");
    return 0;
}

static int count_args(const struct e2b_launch *launch, enum e2b_arg_kind kind) {
    int count = 0;
    for (int i = 0; i < launch->arg_count; i++)
        count += launch->args[i].kind == kind;
    return count;
}

void mma_each_candidate(struct mma_setting *setting,
    void (*check)(
        const struct mma_setting *, const struct e2b_launch_list *, const struct mma_tiling *)) {
    assert_null(e2b_mma_refuses(&setting->call, &setting->problem));
    int count = e2b_mma_candidates(&setting->call);
    assert_true(count > 1);
    for (int i = 0; i < count; i++) {
        struct e2b_launch_list list = {0};
        struct e2b_error err = {0};
        setting->call.candidate = i;
        assert_ok(e2b_mma_emit(&setting->call, &setting->problem, &list, &err), err);
        assert_int_equal(list.launch_count, 1);
        struct mma_tiling tiling = mma_tiling_of(&list.launches[0]);
        check(setting, &list, &tiling);
        e2b_launch_list_finish(&list);
    }
    setting->call.candidate = 0;
}

void mma_check_sizes(const struct mma_setting *setting, const struct e2b_launch_list *list,
    const struct mma_tiling *tiling) {
    const struct e2b_mma_problem *problem = &setting->problem;
    const struct e2b_launch *launch = &list->launches[0];
    int64_t pixels = problem->samples * problem->out_height * problem->out_width;
    int64_t rows = e2b_ceil_div(pixels, tiling->rows);
    int64_t columns = e2b_ceil_div(problem->outputs_end, tiling->columns);
    bool pipeline = strstr(launch->options, "-DPIPELINE") != NULL;
    int warps = tiling->warps_m * tiling->warps_n * tiling->teams + (pipeline ? 4 : 0);
    size_t threads = (size_t)warps * 32;
    int64_t units = setting->traits.compute_units;
    int64_t groups = pipeline && rows * columns > units ? units : rows * columns;
    /* Weights that are kept are all of a column's, and a group has one column of tiles. */
    bool keeps = strstr(launch->options, "-DKEPT=") != NULL;
    int64_t kept = keeps ? mma_option(launch, "KEPT") * tiling->columns : 0;
    assert_true(!keeps || mma_option(launch, "KEPT") == mma_integer(launch, 1));
    groups -= keeps ? groups % columns : 0;
    assert_int_equal(launch->local[0], threads);
    assert_int_equal(launch->global[0], (size_t)groups * threads);
    assert_int_equal(strstr(launch->options, "-DSPLIT") != NULL, tiling->splits > 1);
    assert_int_equal(mma_integer(launch, 0), columns);
    assert_int_equal(mma_integer(launch, 2), pixels);
    int64_t stage = tiling->rows + (keeps ? 0 : tiling->columns);
    int64_t chunk_rows = stage * tiling->slots * tiling->teams + kept;
    assert_true(chunk_rows * tiling->chunks * MMA_CHUNK_BYTES <= setting->traits.local_bytes);
    /* A team's sums lie where its stages were. */
    assert_true(tiling->teams == 1
        || stage * tiling->slots * tiling->chunks * MMA_CHUNK_BYTES
            >= tiling->rows * tiling->columns * (int64_t)sizeof(float));
    assert_int_equal(count_args(launch, E2B_ARG_INT), tiling->splits > 1 ? 33 : 32);
    assert_int_equal(count_args(launch, E2B_ARG_FLOAT), 2);
    assert_int_equal(count_args(launch, E2B_ARG_PACKED), 2);
    assert_int_equal(count_args(launch, E2B_ARG_INPUT), problem->residual_input ? 2 : 1);
    double work = 2.0 * (double)(pixels * problem->outputs * problem->channels)
        * (double)(problem->kernel_h * problem->kernel_w);
    assert_true(launch->flops == work);
    /* Groups that share a tile meet in memory that they leave as they found it. */
    assert_int_equal(list->scratch_count, tiling->splits > 1 ? 2 : 0);
    assert_int_equal(count_args(launch, E2B_ARG_SCRATCH), list->scratch_count);
    if (tiling->splits == 1)
        return;
    assert_true(mma_integer(launch, 1) >= 2 * tiling->splits * tiling->teams);
    assert_int_equal(list->scratch[0].bytes,
        rows * columns * tiling->splits * tiling->rows * tiling->columns * 4);
    assert_false(list->scratch[0].persistent);
    assert_int_equal(list->scratch[1].bytes, rows * columns * 4);
    assert_true(list->scratch[1].persistent);
}
