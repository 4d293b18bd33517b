#include "kernels/reduce/reduce.h"

#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_reduce;

#define INNER_RANK 3 /* reduced dimensions that the kernels take */
#define OUTER_RANK 4 /* others */

static const struct {
    const char *name, *onnx;
} kinds[] = {
#define ROW(name, onnx) {#name, onnx},
    E2B_REDUCE_TABLE(ROW)
#undef ROW
};

static const char *const onnx_types[] = {
#define ROW(name, onnx) onnx,
    E2B_REDUCE_TABLE(ROW)
#undef ROW
        NULL};

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_reduce_params *reduce = params;
    for (int i = 0; i < E2B_REDUCE_COUNT; i++)
        if (!strcmp(kinds[i].onnx, node->type))
            reduce->kind = i;
    int listed = e2b_attr_ints(node, "axes", reduce->axes, E2B_MAX_RANK);
    if (listed > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: %d axes, at most %d are possible", node->type,
            listed, E2B_MAX_RANK);
    reduce->listed = listed < 0 ? 0 : listed;
    reduce->keep = e2b_attr_int(node, "keepdims", 1) != 0;
    reduce->none_empty = e2b_attr_int(node, "noop_with_empty_axes", 0) != 0;
    return E2B_OK;
}

static enum e2b_status take_axes(
    const struct e2b_call *call, int rank, uint32_t *reduced, struct e2b_error *err) {
    const struct e2b_reduce_params *params = call->params;
    int64_t axes[E2B_MAX_RANK];
    int count = params->listed;
    memcpy(axes, params->axes, sizeof axes);
    if (call->input_count > 1 && call->inputs[1].present
        && e2b_expect_ints(call, 1, axes, E2B_MAX_RANK, &count, err) != E2B_OK)
        return err->status;
    *reduced = count == 0 && !params->none_empty ? (1u << rank) - 1 : 0;
    for (int i = 0; i < count; i++) {
        int axis;
        if (e2b_expect_axis(call, axes[i], rank, &axis, err) != E2B_OK)
            return err->status;
        *reduced |= 1u << axis;
    }
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_reduce_params *params = call->params;
    if (e2b_expect(call, 1, 2, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    if (take_axes(call, in->shape.rank, &params->reduced, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = {0};
    for (int i = 0; i < in->shape.rank; i++) {
        bool reduced = params->reduced >> i & 1;
        if (reduced && in->shape.dims[i] == 0)
            return e2b_fail(err, E2B_INVALID, "reduce: dimension %d is empty", i);
        if (!reduced || params->keep)
            shape.dims[shape.rank++] = reduced ? 1 : in->shape.dims[i];
    }
    return e2b_set_output(call, 0, in->dtype, &shape, err);
}

/* Strides of the output for the input's dimensions; returns which of these is its dimension 1. */
static int output_strides(const struct e2b_call *call, const int64_t *from, int64_t *to) {
    const struct e2b_reduce_params *params = call->params;
    int rank = call->inputs[0].tensor.shape.rank, next = 0, channels = -1;
    for (int i = 0; i < rank; i++) {
        bool reduced = params->reduced >> i & 1;
        to[i] = reduced ? 0 : from[next];
        if (!reduced || params->keep)
            channels = next++ == 1 ? i : channels;
    }
    return channels;
}

/* The kept dimensions (output, input) and the reduced ones (input, input) as walks. */
static void walks(
    const struct e2b_call *call, bool dense, struct e2b_walk *kept, struct e2b_walk *reduced) {
    const struct e2b_reduce_params *params = call->params;
    struct e2b_tensor in = call->inputs[0].tensor, out = call->outputs[0].tensor;
    int64_t to[E2B_MAX_RANK];
    struct e2b_shape outside = in.shape, inside = in.shape;
    if (dense) {
        in.layout = out.layout = E2B_ROW_MAJOR;
        e2b_tensor_set_dense(&in, 1);
        e2b_tensor_set_dense(&out, 1);
    } else {
        e2b_operand_strides(&call->inputs[0], in.stride);
    }
    int channels = output_strides(call, out.stride, to);
    for (int i = 0; i < in.shape.rank; i++)
        *(params->reduced >> i & 1 ? &outside.dims[i] : &inside.dims[i]) = 1;
    e2b_walk_init(kept, &outside);
    e2b_walk_add(kept, &outside, to);
    e2b_walk_add(kept, &outside, in.stride);
    kept->lane_dim = channels;
    kept->pad_lanes = dense ? 0 : e2b_pad_lanes(&out, call->traits);
    e2b_walk_init(reduced, &inside);
    e2b_walk_add(reduced, &inside, in.stride);
}

static double start(int kind) {
    switch (kind) {
    case E2B_REDUCE_MAX:
    case E2B_REDUCE_LOG_SUM_EXP:
        return -INFINITY;
    case E2B_REDUCE_MIN:
        return INFINITY;
    default:
        return kind == E2B_REDUCE_PROD;
    }
}

static double step(int kind, double sum, double x) {
    switch (kind) {
    case E2B_REDUCE_MAX:
        return fmax(sum, x);
    case E2B_REDUCE_MIN:
        return fmin(sum, x);
    case E2B_REDUCE_PROD:
        return sum * x;
    case E2B_REDUCE_L1:
        return sum + fabs(x);
    case E2B_REDUCE_L2:
    case E2B_REDUCE_SUM_SQUARE:
        return sum + x * x;
    case E2B_REDUCE_LOG_SUM_EXP:
        return fmax(sum, x) + log1p(exp(-fabs(sum - x)));
    default:
        return sum + x;
    }
}

static double finish(int kind, double sum, int64_t count, bool integer) {
    double result = kind == E2B_REDUCE_MEAN ? sum / (double)count
        : kind == E2B_REDUCE_L2             ? sqrt(sum)
        : kind == E2B_REDUCE_LOG_SUM        ? log(sum)
                                            : sum;
    return integer ? trunc(result) : result;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_reduce_params *params = call->params;
    struct e2b_walk kept, reduced;
    walks(call, true, &kept, &reduced);
    struct e2b_cursor row = {.walk = &kept}, cursor = {.walk = &reduced};
    int64_t rows = e2b_walk_count(&kept), count = e2b_walk_count(&reduced);
    bool integer = !e2b_dtype_is_float(call->outputs[0].tensor.dtype);
    for (int64_t i = 0; i < rows; i++, e2b_cursor_next(&row)) {
        double sum = start(params->kind);
        for (int64_t k = 0; k < count; k++, e2b_cursor_next(&cursor))
            sum = step(params->kind, sum, in[0][row.position[1] + cursor.position[0]]);
        out[0][row.position[0]] = finish(params->kind, sum, count, integer);
    }
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_walk kept, reduced;
    walks(call, false, &kept, &reduced);
    e2b_walk_collapse(&kept);
    e2b_walk_collapse(&reduced);
    if (kept.rank > OUTER_RANK || reduced.rank > INNER_RANK) {
        snprintf(reason, reason_bytes, "%d dimensions reduced, %d kept; at most %d and %d",
            reduced.rank, kept.rank, INNER_RANK, OUTER_RANK);
        return false;
    }
    if (!e2b_dtype_is_float(call->inputs[0].tensor.dtype)) {
        snprintf(reason, reason_bytes, "input is %s, kernels take floats",
            e2b_dtype_name(call->inputs[0].tensor.dtype));
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static bool accepts_group(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->traits->is_cpu || call->traits->max_group < 256) {
        snprintf(reason, reason_bytes, "needs local memory and groups of 256");
        return false;
    }
    return accepts(call, reason, reason_bytes);
}

static void add_walk(struct e2b_launch *launch, const struct e2b_walk *walk, int rank) {
    for (int i = 0; i < rank; i++) {
        int dim = walk->rank - 1 - i;
        e2b_launch_int(launch, dim < 0 ? 1 : walk->dims[dim]);
        for (int k = 0; k < walk->operands; k++)
            e2b_launch_int(launch, dim < 0 ? 0 : walk->stride[k][dim]);
    }
}

/* One launch; the kernel's vector width V (columns), or width and height of its groups. */
static struct e2b_launch *add_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const char *kernel, int x, int y, struct e2b_error *err) {
    const struct e2b_reduce_params *params = call->params;
    struct e2b_walk kept, reduced;
    walks(call, false, &kept, &reduced);
    e2b_walk_collapse(&kept);
    e2b_walk_collapse(&reduced);
    int64_t count = e2b_walk_count(&reduced), inner = kept.dims[kept.rank - 1] + kept.pad_lanes;
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_reduce, kernel, "-D%s -DREDUCE_%s -DX=%d -DY=%d",
            e2b_dtype_macro(call->outputs[0].tensor.dtype), kinds[params->kind].name, x, y);
    if (!launch) {
        e2b_fail_memory(err, "a launch");
        return NULL;
    }
    launch->flops = (double)e2b_shape_count(&call->inputs[0].tensor.shape);
    launch->bytes = launch->flops * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    if (e2b_launch_operand(list, launch, call, 0, call->outputs[0].tensor.dtype, err) != E2B_OK)
        return NULL;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, e2b_walk_count(&kept) / kept.dims[kept.rank - 1]);
    e2b_launch_int(launch, inner);
    e2b_launch_int(launch, count);
    add_walk(launch, &kept, OUTER_RANK);
    add_walk(launch, &reduced, INNER_RANK);
    return launch;
}

static bool is_empty(const struct e2b_call *call) {
    return e2b_shape_count(&call->outputs[0].tensor.shape) == 0;
}

/* Whether neighbours in the output's densest dimension are neighbours in the input. */
static bool has_columns(const struct e2b_walk *kept) {
    int last = kept->rank - 1;
    return kept->stride[0][last] == 1 && kept->stride[1][last] == 1
        && kept->dims[last] + kept->pad_lanes >= 4;
}

static enum e2b_status emit_serial(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_walk kept, reduced;
    if (is_empty(call))
        return E2B_OK;
    walks(call, false, &kept, &reduced);
    e2b_walk_collapse(&kept);
    e2b_walk_collapse(&reduced);
    bool columns = has_columns(&kept);
    int64_t rows = e2b_walk_count(&kept) / kept.dims[kept.rank - 1];
    int64_t inner = kept.dims[kept.rank - 1] + kept.pad_lanes;
    bool dense = !columns && reduced.rank == 1 && reduced.stride[0][0] == 1;
    int width = columns || dense ? 8 : 1;
    struct e2b_launch *launch =
        add_launch(call, list, columns ? "reduce_columns" : "reduce_rows", width, 1, err);
    if (!launch)
        return err->status;
    int64_t items = columns ? rows * ((inner + width - 1) / width) : rows * inner;
    e2b_launch_line(launch, call->traits, items);
    return E2B_OK;
}

/* Groups of 32 columns by 8 shares of the reduction, or of 256 shares of one row. */
static enum e2b_status emit_group(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_walk kept, reduced;
    if (is_empty(call))
        return E2B_OK;
    walks(call, false, &kept, &reduced);
    e2b_walk_collapse(&kept);
    bool columns = has_columns(&kept);
    int64_t rows = e2b_walk_count(&kept) / kept.dims[kept.rank - 1];
    int64_t inner = kept.dims[kept.rank - 1] + kept.pad_lanes;
    int x = columns ? 32 : 1;
    struct e2b_launch *launch = add_launch(call, list, "reduce_group", x, 256 / x, err);
    if (!launch)
        return err->status;
    e2b_launch_grid(launch, (size_t)inner, (size_t)(256 / x), (size_t)rows);
    e2b_launch_group(launch, (size_t)x, (size_t)(256 / x), 1);
    return E2B_OK;
}

static double flops(const struct e2b_call *call) {
    return (double)e2b_shape_count(&call->inputs[0].tensor.shape);
}

static const struct e2b_variant variants[] = {
    {.name = "group", .accepts = accepts_group, .emit = emit_group},
    {.name = "serial", .accepts = accepts, .emit = emit_serial}, {.name = NULL}};

const struct e2b_op e2b_op_reduce = {
    .name = "reduce",
    .onnx = onnx_types,
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_reduce_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
