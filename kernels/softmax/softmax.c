#include "kernels/softmax/softmax.h"

#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_softmax;

#define SHORT_ROW 64 /* up to here one work-item does a row on any device */
#define ROW_RANK 3
#define OUTER_RANK 4

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_softmax_params *softmax = params;
    bool old = node->opset < 13;
    int64_t axis = e2b_attr_int(node, "axis", old ? 1 : -1);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: axis %lld is outside %d..%d", node->type,
            (long long)axis, -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    softmax->axis = (int32_t)axis;
    softmax->flattened = old;
    softmax->logarithm = !strcmp(node->type, "LogSoftmax");
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_softmax_params *params = call->params;
    int axis;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    if (!e2b_dtype_is_float(in->dtype))
        return e2b_fail(
            err, E2B_INVALID, "softmax: input is %s, it takes floats", e2b_dtype_name(in->dtype));
    if (e2b_expect_axis(call, params->axis, in->shape.rank, &axis, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    return e2b_set_output_like(call, err);
}

static bool is_row_dim(const struct e2b_softmax_params *params, int dim) {
    return params->flattened ? dim >= params->axis : dim == params->axis;
}

/* The dimensions within a row (or those outside) as a walk with the output and the input. */
static void walk_dims(const struct e2b_call *call, bool row, bool dense, struct e2b_walk *walk) {
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    struct e2b_shape shape = in->shape;
    struct e2b_tensor plain = {.shape = in->shape};
    e2b_tensor_set_dense(&plain, 1);
    for (int i = 0; i < shape.rank; i++)
        if (is_row_dim(call->params, i) != row)
            shape.dims[i] = 1;
    int64_t stride[E2B_MAX_RANK];
    e2b_operand_strides(&call->inputs[0], stride);
    e2b_walk_init(walk, &shape);
    e2b_walk_add(walk, &shape, dense ? plain.stride : out->stride);
    e2b_walk_add(walk, &shape, dense ? plain.stride : stride);
    e2b_walk_collapse(walk);
}

/* base: where the row begins; row: its elements' places. */
static void softmax_row(const struct e2b_softmax_params *params, const struct e2b_walk *row,
    const double *in, double *out) {
    double largest = -INFINITY, sum = 0;
    int64_t count = e2b_walk_count(row);
    struct e2b_cursor cursor = {.walk = row};
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor))
        largest = fmax(largest, in[cursor.position[1]]);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor))
        sum += exp(in[cursor.position[1]] - largest);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor)) {
        double x = in[cursor.position[1]] - largest;
        out[cursor.position[0]] = params->logarithm ? x - log(sum) : exp(x) / sum;
    }
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    struct e2b_walk outer, row;
    walk_dims(call, false, true, &outer);
    walk_dims(call, true, true, &row);
    struct e2b_cursor cursor = {.walk = &outer};
    int64_t count = e2b_walk_count(&row) ? e2b_walk_count(&outer) : 0;
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor))
        softmax_row(call->params, &row, in[0] + cursor.position[1], out[0] + cursor.position[0]);
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_walk outer, row;
    walk_dims(call, false, false, &outer);
    walk_dims(call, true, false, &row);
    if (row.rank > ROW_RANK || outer.rank > OUTER_RANK) {
        snprintf(reason, reason_bytes, "%d dimensions in a row, %d outside; at most %d and %d",
            row.rank, outer.rank, ROW_RANK, OUTER_RANK);
        return false;
    }
    if (e2b_pad_lanes(&call->outputs[0].tensor, call->traits)) {
        snprintf(reason, reason_bytes, "output has pad lanes");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static bool accepts_group(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_walk row;
    walk_dims(call, true, false, &row);
    const char *why = call->traits->is_cpu  ? "needs local memory"
        : call->traits->max_group < 128     ? "needs groups of 128"
        : e2b_walk_count(&row) <= SHORT_ROW ? "rows are short"
                                            : NULL;
    if (why) {
        snprintf(reason, reason_bytes, "%s", why);
        return false;
    }
    return accepts(call, reason, reason_bytes);
}

/* dims and strides, innermost first, of as many dimensions as the kernel takes. */
static void add_walk(struct e2b_launch *launch, const struct e2b_walk *walk, int rank) {
    for (int i = 0; i < rank; i++) {
        int dim = walk->rank - 1 - i;
        e2b_launch_int(launch, dim < 0 ? 1 : walk->dims[dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk->stride[0][dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk->stride[1][dim]);
    }
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, int group, struct e2b_error *err) {
    const struct e2b_softmax_params *params = call->params;
    struct e2b_walk outer, row;
    walk_dims(call, false, false, &outer);
    walk_dims(call, true, false, &row);
    int64_t rows = e2b_walk_count(&outer), length = e2b_walk_count(&row);
    if (rows == 0 || length == 0)
        return E2B_OK;
    bool dense = row.rank == 1 && row.stride[0][0] == 1 && row.stride[1][0] == 1;
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_softmax, group > 1 ? "softmax_group" : "softmax_serial",
            "-D%s%s%s -DGROUP=%d", e2b_dtype_macro(call->outputs[0].tensor.dtype),
            dense ? " -DDENSE" : "", params->logarithm ? " -DLOGARITHM" : "", group);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = 5.0 * (double)rows * (double)length;
    launch->bytes = 2.0 * (double)rows * (double)length
        * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    if (e2b_launch_operand(list, launch, call, 0, call->outputs[0].tensor.dtype, err) != E2B_OK)
        return err->status;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, rows);
    e2b_launch_int(launch, length);
    add_walk(launch, &outer, OUTER_RANK);
    add_walk(launch, &row, ROW_RANK);
    if (group == 1) {
        e2b_launch_line(launch, call->traits, rows);
        return E2B_OK;
    }
    e2b_launch_grid(launch, (size_t)(rows * group), 1, 1);
    e2b_launch_group(launch, (size_t)group, 1, 1);
    return E2B_OK;
}

static enum e2b_status emit_group(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return emit(call, list, 128, err);
}

static enum e2b_status emit_serial(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return emit(call, list, 1, err);
}

static double flops(const struct e2b_call *call) {
    return 5.0 * (double)e2b_shape_count(&call->outputs[0].tensor.shape);
}

static const struct e2b_variant variants[] = {
    {.name = "group", .accepts = accepts_group, .emit = emit_group},
    {.name = "serial", .accepts = accepts, .emit = emit_serial}, {.name = NULL}};

const struct e2b_op e2b_op_softmax = {
    .name = "softmax",
    .onnx = (const char *const[]){"Softmax", "LogSoftmax", NULL},
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_softmax_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
