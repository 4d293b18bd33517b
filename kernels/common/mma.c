#include "kernels/common/mma.h"

#include "kernels/common/jobs.h"
#include "kernels/common/mma_pack.h"
#include "kernels/common/mma_tile.h"
#include "kernels/common/operand.h"
#include "kernels/common/unit.h"

#include <inttypes.h>
#include <stdio.h>

extern const struct e2b_source e2b_source_mma;

#define ALIGN 8                     /* elements: what a thread stores */
#define MIN_LOCAL_BYTES (49 * 1024) /* of the smallest tile that every device gets */
#define MOST_TAPS 60000             /* times taps in a row: mma.cl divides by a multiplication */
#define NORM_BLOCK 32               /* columns that have a sum */
#define BAND 16                     /* rows of tiles, as mma.cl has it */

static bool all_aligned(const int64_t stride[3]) {
    return stride[0] % ALIGN == 0 && stride[1] % ALIGN == 0 && stride[2] % ALIGN == 0;
}

const char *e2b_mma_refuses(const struct e2b_call *call, const struct e2b_mma_problem *problem) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    if (call->traits->ptx_sm < E2B_MMA_SM)
        return "needs PTX of sm_80";
    if (dtype != E2B_F16 && dtype != E2B_F32)
        return "neither fp32 nor fp16";
    if (call->traits->local_bytes < MIN_LOCAL_BYTES)
        return "needs 48 KiB of local memory";
    if (problem->kernel_h * problem->kernel_w * problem->kernel_w > MOST_TAPS)
        return "a kernel too large";
    if (problem->outputs_end % ALIGN || !all_aligned(problem->x_stride)
        || !all_aligned(problem->y_stride)
        || (problem->residual_input && !all_aligned(problem->r_stride)))
        return "rows or channels are not at multiples of 8 elements";
    return NULL;
}

/* Of all columns, by tiles: a float each. */
static size_t columns_bytes(const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape) {
    return (size_t)(shape->column_tiles * tile->columns) * sizeof(float);
}

/* The shift of a normalised input, by the weights, and that of the residual are part of the bias.
 */
static int add_bias(
    const struct e2b_mma_problem *problem, size_t bytes, struct e2b_launch_list *list) {
    const struct e2b_constant *from[] = {problem->x_norm.sums_input ? problem->weights : NULL,
        problem->x_norm.shift, problem->bias, problem->r_norm.shift};
    return e2b_mma_add_columns(problem, from, problem->bias_scale, false, bytes, list);
}

/* A norm's arguments: sums, a number for each column, and how to read them. */
static enum e2b_status add_norm(const struct e2b_mma_problem *problem,
    const struct e2b_mma_norm *norm, const struct e2b_constant *const from[4], bool rounded,
    size_t bytes, struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    if (!norm->sums_input)
        return E2B_OK;
    int columns = e2b_mma_add_columns(problem, from, 1, rounded, bytes, list);
    if (columns < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_input(launch, norm->sums_input);
    e2b_launch_packed(launch, columns);
    e2b_launch_int(launch, norm->row);
    e2b_launch_float(launch, (double)norm->epsilon);
    return E2B_OK;
}

/* A normalised input's mean is taken off the products, so the sum of its weights is needed. */
static enum e2b_status add_norms(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    size_t bytes, struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    const struct e2b_constant *x[] = {problem->weights, problem->x_norm.scale, NULL, NULL};
    const struct e2b_constant *r[] = {NULL, NULL, problem->r_norm.scale, NULL};
    bool rounded = call->outputs[0].tensor.dtype == E2B_F16;
    if (add_norm(problem, &problem->x_norm, x, rounded, bytes, list, launch, err) != E2B_OK
        || add_norm(problem, &problem->r_norm, r, false, bytes, list, launch, err) != E2B_OK)
        return err->status;
    if (problem->tells_sums)
        e2b_launch_output(launch, 1);
    return E2B_OK;
}

static void describe_norms(const struct e2b_mma_problem *problem, char *options, size_t capacity) {
    char x[24] = "", r[24] = "";
    if (problem->x_norm.sums_input)
        snprintf(x, sizeof x, " -DX_NORM=%d", (int)(problem->x_norm.columns / NORM_BLOCK));
    if (problem->r_norm.sums_input)
        snprintf(r, sizeof r, " -DR_NORM=%d", (int)(problem->r_norm.columns / NORM_BLOCK));
    snprintf(options, capacity, "%s%s%s", x, r, problem->tells_sums ? " -DROW_SUMS" : "");
}

static bool is_pointwise(const struct e2b_mma_problem *problem) {
    return problem->kernel_h * problem->kernel_w == 1 && problem->stride[0] == 1
        && problem->stride[1] == 1 && problem->pad_top == 0 && problem->pad_left == 0
        && problem->out_height == problem->height && problem->out_width == problem->width;
}

/* Work and least traffic, for reports. */
static void account(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct e2b_mma_shape *shape, struct e2b_launch *launch) {
    double bytes = (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    double taps = (double)(problem->kernel_h * problem->kernel_w);
    launch->flops =
        2.0 * (double)shape->rows * (double)problem->outputs * (double)problem->channels * taps;
    launch->bytes = bytes
        * ((double)(problem->samples * problem->height * problem->width * problem->channels)
            + (double)(problem->outputs * problem->channels) * taps
            + (double)(shape->rows * problem->outputs) * (problem->residual_input ? 2 : 1));
}

static void add_split(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape, int split) {
    size_t tile_count = (size_t)(shape->row_tiles * shape->column_tiles);
    int partial = list->scratch_count++, arrived = list->scratch_count++;
    list->scratch[partial] = (struct e2b_scratch){
        .bytes = tile_count * (size_t)(split * tile->rows * tile->columns) * sizeof(float)};
    list->scratch[arrived] =
        (struct e2b_scratch){.bytes = tile_count * sizeof(uint32_t), .persistent = true};
    e2b_launch_scratch(launch, partial);
    e2b_launch_scratch(launch, arrived);
    e2b_launch_int(launch, split);
}

/* What mma.cl multiplies by, to divide: 2^32 / by. */
static int64_t inverse_of(int64_t by) {
    return by == 1 ? UINT32_MAX : (INT64_C(1) << 32) / by;
}

static void add_inverses(const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape, struct e2b_launch *launch) {
    int64_t band = tile->by == E2B_MMA_KEEPING ? 1 : BAND, last = shape->row_tiles % BAND;
    const int64_t inverses[] = {inverse_of(problem->out_width), inverse_of(problem->out_height),
        inverse_of(shape->chunks), 65536 / problem->kernel_w + 1,
        inverse_of(band * shape->column_tiles), inverse_of(last ? last : BAND)};
    for (size_t i = 0; i < sizeof inverses / sizeof inverses[0]; i++)
        e2b_launch_int(launch, (int32_t)(uint32_t)inverses[i]);
}

static void add_geometry(const struct e2b_mma_problem *problem, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape, struct e2b_launch *launch) {
    const int64_t numbers[] = {shape->column_tiles, shape->slabs, shape->rows, problem->out_height,
        problem->out_width, problem->height, problem->width, problem->kernel_h * problem->kernel_w,
        problem->kernel_w, shape->chunks, problem->stride[0], problem->stride[1],
        problem->dilation[0], problem->dilation[1], problem->pad_top, problem->pad_left};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    add_inverses(problem, tile, shape, launch);
    e2b_launch_int(launch, problem->outputs_end);
    const int64_t *strides[] = {problem->x_stride, problem->y_stride, problem->r_stride};
    for (int tensor = 0; tensor < 3; tensor++)
        for (int i = 0; i < 3; i++)
            e2b_launch_int(launch, strides[tensor][i]);
    e2b_launch_float(launch, (double)problem->activation.a);
    e2b_launch_float(launch, (double)problem->activation.b);
}

static void describe_way(const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape,
    const struct e2b_mma_problem *problem, char *options, size_t capacity) {
    char halves[32] = "", left[32] = "", kept[32] = "", teams[32] = "";
    int rest = (int)(problem->channels % E2B_MMA_HALVES_LANES);
    if (e2b_mma_in_halves(tile))
        snprintf(halves, sizeof halves, " -DHALVES=%d", tile->by == E2B_MMA_HALVES_AHEAD ? 2 : 1);
    if (e2b_mma_in_halves(tile) && rest)
        snprintf(left, sizeof left, " -DCHANNELS_LEFT=%d", rest);
    if (tile->by == E2B_MMA_KEEPING)
        snprintf(kept, sizeof kept, " -DKEPT=%d", (int)shape->slabs);
    if (tile->teams > 1)
        snprintf(teams, sizeof teams, " -DTEAMS=%d", tile->teams);
    snprintf(options, capacity, "%s%s%s%s%s%s",
        tile->by == E2B_MMA_WARPS ? "" : " -DWGMMA -DPTX_TARGET=sm_90a", halves, left,
        e2b_mma_is_pipeline(tile) ? " -DPIPELINE" : "", kept, teams);
}

/* One for each part of a tile; in a pipeline as many as run at once, where weights are kept as many
 * for each column of tiles. */
static void add_groups(const struct e2b_call *call, const struct e2b_mma_tile *tile,
    const struct e2b_mma_shape *shape, int split, struct e2b_launch *launch) {
    int64_t groups = shape->row_tiles * shape->column_tiles;
    if (e2b_mma_is_pipeline(tile) && groups > e2b_units(call->traits))
        groups = e2b_units(call->traits);
    if (tile->by == E2B_MMA_KEEPING)
        groups -= groups % shape->column_tiles;
    size_t threads = (size_t)e2b_mma_threads(tile);
    e2b_launch_grid(launch, (size_t)groups * threads, (size_t)split, 1);
    e2b_launch_group(launch, threads, 1, 1);
}

/* Elements between neighbouring pixels, if those of all rows and samples are as far apart; else 0.
 */
static int64_t even_stride(const int64_t stride[3], int64_t height, int64_t width) {
    if (height * width == 1)
        return stride[0];
    bool rows = height == 1 || stride[1] == width * stride[2];
    return rows && stride[0] == height * width * stride[2] ? stride[2] : 0;
}

/* All pixels in one column, if their windows are themselves and they lie evenly: so a kernel need
 * not divide to find them. */
static bool as_matrix(const struct e2b_mma_problem *problem, struct e2b_mma_problem *matrix) {
    int64_t height = problem->height, width = problem->width;
    int64_t x = even_stride(problem->x_stride, height, width);
    int64_t y = even_stride(problem->y_stride, height, width);
    int64_t r = problem->residual_input ? even_stride(problem->r_stride, height, width) : 1;
    *matrix = *problem;
    if (!is_pointwise(problem) || !x || !y || !r)
        return false;
    matrix->samples *= height * width;
    matrix->height = matrix->width = matrix->out_height = matrix->out_width = 1;
    matrix->x_stride[0] = x;
    matrix->y_stride[0] = y;
    matrix->r_stride[0] = r;
    return true;
}

enum e2b_status e2b_mma_emit(const struct e2b_call *call, const struct e2b_mma_problem *given,
    struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_mma_problem column, *problem = &column;
    bool matrix = as_matrix(given, &column);
    struct e2b_mma_choice chosen = e2b_mma_choose(call, problem);
    int split = chosen.split;
    struct e2b_mma_tile deep = e2b_mma_deepened(call, problem, chosen.tile, split), *tile = &deep;
    struct e2b_mma_shape shape = e2b_mma_shape_of(call, problem, tile);
    int64_t most_slabs = e2b_ceil_div(shape.slabs, split * tile->teams);
    int slots =
        most_slabs < tile->stages && !e2b_mma_is_pipeline(tile) ? (int)most_slabs : tile->stages;
    char way[128], norms[48];
    describe_way(tile, &shape, problem, way, sizeof way);
    describe_norms(problem, norms, sizeof norms);
    struct e2b_launch *launch = e2b_launch_add(out, &e2b_source_mma, "conv_mma",
        "-D%s -DACTIVATION=%d%s -DBM=%d -DBN=%d -DWARPS_M=%d -DWARPS_N=%d -DCHUNKS=%d -DSTAGES=%d "
        "-DLOCAL_SLOTS=%d%s%s%s -cl-nv-maxrregcount=%d%s",
        e2b_dtype_macro(call->outputs[0].tensor.dtype), (int)problem->activation.kind,
        problem->residual_input ? " -DRESIDUAL" : "", tile->rows, tile->columns, tile->warps_m,
        tile->warps_n, tile->chunks, tile->stages, slots, split > 1 ? " -DSPLIT" : "",
        matrix                      ? " -DPOINTWISE -DMATRIX"
            : is_pointwise(problem) ? " -DPOINTWISE"
                                    : "",
        norms, tile->registers, way);
    size_t columns = columns_bytes(tile, &shape);
    int weights = e2b_mma_add_weights(call, problem, tile, &shape, out);
    int bias = add_bias(problem, columns, out);
    if (!launch || weights < 0 || bias < 0)
        return e2b_fail_memory(err, "a launch on tensor cores");
    e2b_launch_input(launch, 0);
    e2b_launch_output(launch, 0);
    if (problem->residual_input)
        e2b_launch_input(launch, problem->residual_input);
    e2b_launch_packed(launch, weights);
    e2b_launch_packed(launch, bias);
    if (add_norms(call, problem, columns, out, launch, err) != E2B_OK)
        return err->status;
    if (split > 1)
        add_split(out, launch, tile, &shape, split);
    add_geometry(problem, tile, &shape, launch);
    launch->local_bytes = (size_t)(e2b_mma_head_bytes(problem, tile, &shape)
        + e2b_mma_stage_bytes(tile) * slots * tile->teams);
    add_groups(call, tile, &shape, split, launch);
    account(call, problem, &shape, launch);
    return E2B_OK;
}
