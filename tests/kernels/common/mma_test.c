#include "kernels/common/mma.h"

#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 16, COLUMN_BLOCK = 32 };

struct setting {
    struct e2b_traits traits;
    struct e2b_operand output;
    struct e2b_call call;
    struct e2b_constant weights, bias;
    struct e2b_mma_problem problem;
};

/* What the options of a launch say. */
struct tiling {
    int rows, columns, warps_m, warps_n, chunks, slots, splits;
};

/* Every value is exact in fp16, also when halved, and none is 0. */
static float *numbers(int64_t count) {
    float *values = malloc((size_t)count * sizeof *values);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(i * 7 % 1999 + 1) * (i % 3 ? 1 : -1);
    return values;
}

static struct e2b_constant constant_of(int64_t count) {
    return (struct e2b_constant){.dtype = E2B_F32, .shape = {1, {count}}, .data = numbers(count)};
}

static void start(struct setting *setting, enum e2b_dtype dtype, int64_t samples, int64_t side,
    int64_t channels, int64_t outputs, int64_t kernel) {
    int64_t taps = kernel * kernel, x = (channels + 7) / 8 * 8, y = (outputs + 7) / 8 * 8;
    *setting = (struct setting){
        .traits = {.ptx_sm = 80, .compute_units = 132, .local_bytes = 232448, .max_group = 1024},
        .output = {.present = true, .tensor = {.dtype = dtype}},
        .call = {.name = "c", .output_count = 1},
        .weights = constant_of(outputs * channels * taps),
        .bias = constant_of(outputs),
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

static void finish(struct setting *setting) {
    free((void *)setting->weights.data);
    free((void *)setting->bias.data);
}

static int option(const struct e2b_launch *launch, const char *name) {
    char text[32];
    snprintf(text, sizeof text, " -D%s=", name);
    const char *found = strstr(launch->options, text);
    assert_non_null(found);
    return atoi(found + strlen(text));
}

static struct tiling tiling_of(const struct e2b_launch *launch) {
    return (struct tiling){option(launch, "BM"), option(launch, "BN"), option(launch, "WARPS_M"),
        option(launch, "WARPS_N"), option(launch, "CHUNKS"), option(launch, "LOCAL_SLOTS"),
        (int)launch->global[1]};
}

/* The integers that the kernel takes after the number of splits, if there are any, in its order:
 * [0] column tiles, [1] slabs, [2] pixels. */
static int32_t integer(const struct e2b_launch *launch, int index) {
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

static int64_t ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

/* Emit candidate by candidate. */
static void each_candidate(struct setting *setting,
    void (*check)(const struct setting *, const struct e2b_launch_list *, const struct tiling *)) {
    assert_null(e2b_mma_refuses(&setting->call, &setting->problem));
    int count = e2b_mma_candidates(&setting->call);
    assert_true(count > 1);
    for (int i = 0; i < count; i++) {
        struct e2b_launch_list list = {0};
        struct e2b_error err = {0};
        setting->call.candidate = i;
        assert_ok(e2b_mma_emit(&setting->call, &setting->problem, &list, &err), err);
        assert_int_equal(list.launch_count, 1);
        struct tiling tiling = tiling_of(&list.launches[0]);
        check(setting, &list, &tiling);
        e2b_launch_list_finish(&list);
    }
    setting->call.candidate = 0;
}

static void check_sizes(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    const struct e2b_mma_problem *problem = &setting->problem;
    const struct e2b_launch *launch = &list->launches[0];
    int64_t pixels = problem->samples * problem->out_height * problem->out_width;
    int64_t rows = ceil_div(pixels, tiling->rows);
    int64_t columns = ceil_div(problem->outputs_end, tiling->columns);
    bool pipeline = strstr(launch->options, "-DPIPELINE") != NULL;
    size_t threads = (size_t)(tiling->warps_m * tiling->warps_n + (pipeline ? 4 : 0)) * 32;
    int64_t units = setting->traits.compute_units;
    int64_t groups = pipeline && rows * columns > units ? units : rows * columns;
    /* Weights that are kept are all of a column's, and a group has one column of tiles. */
    bool keeps = strstr(launch->options, "-DKEPT=") != NULL;
    int64_t kept = keeps ? option(launch, "KEPT") * tiling->columns : 0;
    assert_true(!keeps || option(launch, "KEPT") == integer(launch, 1));
    groups -= keeps ? groups % columns : 0;
    assert_int_equal(launch->local[0], threads);
    assert_int_equal(launch->global[0], (size_t)groups * threads);
    assert_int_equal(strstr(launch->options, "-DSPLIT") != NULL, tiling->splits > 1);
    assert_int_equal(integer(launch, 0), columns);
    assert_int_equal(integer(launch, 2), pixels);
    int64_t stage = tiling->rows + (keeps ? 0 : tiling->columns);
    assert_true((stage * tiling->slots + kept) * tiling->chunks * CHUNK_BYTES
        <= setting->traits.local_bytes);
    assert_int_equal(count_args(launch, E2B_ARG_INT), tiling->splits > 1 ? 27 : 26);
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
    assert_true(integer(launch, 1) >= 2 * tiling->splits);
    assert_int_equal(list->scratch[0].bytes,
        rows * columns * tiling->splits * tiling->rows * tiling->columns * 4);
    assert_false(list->scratch[0].persistent);
    assert_int_equal(list->scratch[1].bytes, rows * columns * 4);
    assert_true(list->scratch[1].persistent);
}

/* Rows of a stage are permuted against bank conflicts. */
static int64_t packed_chunk(int64_t row, int64_t chunk, int64_t chunks) {
    return chunk ^ (chunks == 8 ? row % 8 : row / 2 % 4);
}

/* A thread stores 8 neighbouring columns, of which each of four matrices gave it two. */
static int64_t packed_row(int64_t column) {
    int64_t in_block = column % COLUMN_BLOCK, thread = in_block / 8, matrix = in_block % 8 / 2;
    return column - in_block + matrix * 8 + thread * 2 + in_block % 2;
}

static double element(const unsigned char *packed, enum e2b_dtype dtype, int64_t index) {
    double value;
    e2b_to_double(dtype, packed + index * (int64_t)e2b_dtype_bytes(dtype), &value, 1);
    return value;
}

static void check_weights(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    const struct e2b_mma_problem *problem = &setting->problem;
    const struct e2b_packing *packing = &list->packings[0];
    enum e2b_dtype dtype = setting->output.tensor.dtype;
    int64_t lanes = CHUNK_BYTES / (int64_t)e2b_dtype_bytes(dtype);
    int64_t slabs = integer(&list->launches[0], 1), depth = tiling->chunks * lanes;
    int64_t taps = problem->kernel_h * problem->kernel_w, found = 0;
    const float *weights = packing->from[0]->data;
    unsigned char *packed = malloc(packing->bytes);
    assert_non_null(packed);
    packing->pack(packing, packed);
    for (int64_t i = 0; i < (int64_t)packing->bytes / (CHUNK_BYTES / lanes); i++)
        found += element(packed, dtype, i) != 0;
    assert_int_equal(found, problem->outputs * problem->channels * taps);
    for (int64_t output = 0; output < problem->outputs; output++)
        for (int64_t tap = 0; tap < taps; tap++)
            for (int64_t channel = 0; channel < problem->channels; channel++) {
                int64_t chunk = tap * ceil_div(problem->channels, lanes) + channel / lanes;
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

static void check_all(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    check_sizes(setting, list, tiling);
    check_weights(setting, list, tiling);
}

static void convolutions_are_covered(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct setting setting;
        start(&setting, half ? E2B_F16 : E2B_F32, 3, 7, 13, 75, 3);
        each_candidate(&setting, check_all);
        setting.problem.residual_input = 3;
        memcpy(setting.problem.r_stride, setting.problem.y_stride, sizeof setting.problem.r_stride);
        each_candidate(&setting, check_sizes);
        finish(&setting);
    }
}

static int pipelines_seen;

static void note_pipelines(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    check_all(setting, list, tiling);
    pipelines_seen += strstr(list->launches[0].options, "-DPIPELINE") != NULL;
}

/* As many groups as compute units, whose last four warps copy. */
static void many_tiles_go_through_a_pipeline(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, E2B_F16, 40, 28, 64, 256, 1);
    setting.traits.ptx_sm = 90;
    pipelines_seen = 0;
    each_candidate(&setting, note_pipelines);
    assert_true(pipelines_seen >= 3);
    finish(&setting);
}

/* A matrix comes as [inner][columns]. */
static void matrices_are_covered(void **state) {
    (void)state;
    for (int half = 0; half < 2; half++) {
        struct setting setting;
        start(&setting, half ? E2B_F16 : E2B_F32, 20, 1, 300, 40, 1);
        setting.problem.weight_stride[0] = 1;
        setting.problem.weight_stride[1] = 40;
        setting.problem.weight_stride[2] = 0;
        each_candidate(&setting, check_all);
        finish(&setting);
    }
}

static void tiles_fit_the_local_memory(void **state) {
    (void)state;
    const int64_t sizes[] = {50 << 10, 99 << 10, 163 << 10, 227 << 10};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct setting setting;
        start(&setting, E2B_F16, 8, 14, 256, 256, 1);
        setting.traits.local_bytes = sizes[i];
        each_candidate(&setting, check_sizes);
        finish(&setting);
    }
}

static int default_splits(struct setting *setting) {
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_mma_emit(&setting->call, &setting->problem, &list, &err), err);
    int splits = tiling_of(&list.launches[0]).splits;
    e2b_launch_list_finish(&list);
    return splits;
}

static void few_tiles_are_split_and_many_are_not(void **state) {
    (void)state;
    struct setting deep, wide;
    start(&deep, E2B_F16, 1, 1, 4096, 64, 1);
    start(&wide, E2B_F16, 64, 56, 64, 256, 1);
    assert_true(default_splits(&deep) > 1);
    assert_int_equal(default_splits(&wide), 1);
    finish(&deep);
    finish(&wide);
}

/* A feed-forward product of eight times 128 tokens: what four groups of 128 x 192 tell each other
 * of their sums takes longer than the tiles of 64 x 96 that go round once. */
static void sums_that_are_shared_count_by_their_bytes(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, E2B_F16, 1024, 1, 3072, 768, 1);
    setting.traits.ptx_sm = 90;
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
    struct tiling tiling = tiling_of(&list.launches[0]);
    assert_true(tiling.splits * tiling.rows * tiling.columns < 128 * 192);
    e2b_launch_list_finish(&list);
    finish(&setting);
}

static bool is_matrix(struct setting *setting) {
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_mma_emit(&setting->call, &setting->problem, &list, &err), err);
    bool found = strstr(list.launches[0].options, "-DMATRIX") != NULL;
    e2b_launch_list_finish(&list);
    return found;
}

static void pixels_that_lie_evenly_are_rows_of_a_matrix(void **state) {
    (void)state;
    struct setting even, wide, window;
    start(&even, E2B_F16, 3, 8, 64, 64, 1);
    start(&window, E2B_F16, 3, 8, 64, 64, 3);
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
    finish(&even);
    finish(&window);
}

/* Tiles are offered with several splits that leave a group enough to do. */
static unsigned splits_seen;

static void note_splits(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    check_sizes(setting, list, tiling);
    splits_seen |= (unsigned)tiling->splits;
}

static void candidates_differ(void **state) {
    (void)state;
    struct setting deep;
    start(&deep, E2B_F16, 1, 1, 4096, 64, 1);
    splits_seen = 0;
    each_candidate(&deep, note_splits);
    assert_true(__builtin_popcount(splits_seen) >= 3);
    finish(&deep);
}

static bool wide_seen;

static void note_width(const struct setting *setting, const struct e2b_launch_list *list,
    const struct tiling *tiling) {
    check_sizes(setting, list, tiling);
    wide_seen = wide_seen || (tiling->rows == 128 && tiling->columns == 96);
}

static void tiles_that_were_never_run_are_candidates_only(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, E2B_F16, 32, 35, 64, 96, 1);
    setting.traits.ptx_sm = 90;
    wide_seen = false;
    each_candidate(&setting, note_width);
    assert_true(wide_seen);
    struct e2b_launch_list list = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
    struct tiling tiling = tiling_of(&list.launches[0]);
    assert_false(tiling.rows == 128 && tiling.columns == 96);
    e2b_launch_list_finish(&list);
    finish(&setting);
}

static void bias_is_scaled_and_padded(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_constant one = constant_of(1);
    start(&setting, E2B_F16, 1, 4, 16, 20, 1);
    const struct e2b_constant *const biases[] = {&setting.bias, &one, NULL};
    for (int i = 0; i < 3; i++) {
        struct e2b_launch_list list = {0};
        struct e2b_error err = {0};
        setting.problem.bias = biases[i];
        assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
        const struct e2b_packing *packing = &list.packings[1];
        int64_t count = (int64_t)(packing->bytes / sizeof(float));
        assert_int_equal(count % tiling_of(&list.launches[0]).columns, 0);
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
    finish(&setting);
}

/* Of groups of 128, and of local memory that two of a compute unit have. */
static void launches_to_be_merged_have_groups_of_one_size(void **state) {
    (void)state;
    static const int64_t sides[] = {112, 56, 28, 14, 7, 1};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        for (int half = 0; half < 2; half++) {
            struct setting setting;
            struct e2b_launch_list list = {0};
            struct e2b_error err = {0};
            start(&setting, half ? E2B_F16 : E2B_F32, 2, sides[i], 256, 72, 3);
            setting.traits.ptx_sm = 90;
            setting.call.group_items = 128;
            assert_ok(e2b_mma_emit(&setting.call, &setting.problem, &list, &err), err);
            struct tiling tiling = tiling_of(&list.launches[0]);
            check_sizes(&setting, &list, &tiling);
            assert_int_equal(list.launches[0].local[0], 128);
            assert_true(2 * list.launches[0].local_bytes <= 226 << 10);
            e2b_launch_list_finish(&list);
            finish(&setting);
        }
}

static void what_cannot_run_is_refused_with_a_reason(void **state) {
    (void)state;
    struct setting setting;
    start(&setting, E2B_F16, 1, 4, 16, 24, 3);
    struct setting old = setting, small = setting, bytes = setting, narrow = setting, row = setting,
                   residual = setting, large = setting;
    large.problem.kernel_h = large.problem.kernel_w = 41;
    old.traits.ptx_sm = 75;
    small.traits.local_bytes = 48 << 10;
    bytes.output.tensor.dtype = E2B_I8;
    narrow.problem.outputs_end = 20;
    row.problem.x_stride[1] += 4;
    residual.problem.residual_input = 2;
    residual.problem.r_stride[2] = 12;
    const struct {
        struct setting *setting;
        const char *says;
    } refusals[] = {{&old, "sm_80"}, {&small, "local memory"}, {&bytes, "fp16"},
        {&large, "too large"}, {&narrow, "multiples of 8"}, {&row, "multiples of 8"},
        {&residual, "multiples of 8"}};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        struct setting *now = refusals[i].setting;
        now->call.traits = &now->traits;
        now->call.outputs = &now->output;
        const char *reason = e2b_mma_refuses(&now->call, &now->problem);
        assert_non_null(reason);
        assert_non_null(strstr(reason, refusals[i].says));
    }
    finish(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_covered),
        cmocka_unit_test(many_tiles_go_through_a_pipeline),
        cmocka_unit_test(matrices_are_covered),
        cmocka_unit_test(tiles_fit_the_local_memory),
        cmocka_unit_test(few_tiles_are_split_and_many_are_not),
        cmocka_unit_test(sums_that_are_shared_count_by_their_bytes),
        cmocka_unit_test(pixels_that_lie_evenly_are_rows_of_a_matrix),
        cmocka_unit_test(candidates_differ),
        cmocka_unit_test(tiles_that_were_never_run_are_candidates_only),
        cmocka_unit_test(bias_is_scaled_and_padded),
        cmocka_unit_test(launches_to_be_merged_have_groups_of_one_size),
        cmocka_unit_test(what_cannot_run_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
