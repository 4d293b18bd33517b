#include "kernels/common/infer.h"
#include "kernels/common/octets.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/norm/norm.h"

#include <math.h>
#include <stdio.h>

extern const struct e2b_source e2b_source_layer_norm, e2b_source_layer_norm_octets;

/* As in layer_norm_octets.cl. */
#define OCTET_LANES 32
#define OCTET_ROWS 4
#define MAX_OCTETS 8 /* of a row, in the registers of a work-item */

enum input { X, SCALE, BIAS };

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_layer_norm_params *norm = params;
    int64_t axis = e2b_attr_int(node, "axis", -1);
    norm->epsilon = e2b_attr_float(node, "epsilon", 1e-5f);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "LayerNormalization: axis %lld is outside %d..%d",
            (long long)axis, -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    if (!(norm->epsilon >= 0))
        return e2b_fail(
            err, E2B_INVALID, "LayerNormalization: epsilon %g is below 0", (double)norm->epsilon);
    norm->axis = (int32_t)axis;
    return E2B_OK;
}

/* Elements of one row: all from the axis on. */
static int64_t row_length(const struct e2b_call *call) {
    const struct e2b_layer_norm_params *params = call->params;
    const struct e2b_shape *shape = &call->inputs[X].tensor.shape;
    int64_t length = 1;
    for (int i = params->axis; i < shape->rank; i++)
        length *= shape->dims[i];
    return length;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_layer_norm_params *params = call->params;
    int axis;
    if (e2b_expect(call, 2, 3, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[X].tensor;
    if (e2b_expect_axis(call, params->axis, in->shape.rank, &axis, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    if (!e2b_dtype_is_float(in->dtype))
        return e2b_fail(err, E2B_INVALID, "layer_norm: it takes floats");
    for (int i = SCALE; i <= BIAS; i++)
        if (e2b_has_input(call, i)
            && (e2b_shape_count(&call->inputs[i].tensor.shape) != row_length(call)
                || call->inputs[i].tensor.shape.rank > in->shape.rank - axis))
            return e2b_fail(err, E2B_INVALID,
                "layer_norm: input %d must have %lld numbers, one for each of a row", i,
                (long long)row_length(call));
    return e2b_set_output_like(call, err);
}

static void normalise(const struct e2b_layer_norm_params *params, int64_t length, const double *in,
    const double *scale, const double *bias, double *out) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < length; i++)
        sum += in[i];
    double mean = sum / (double)length;
    for (int64_t i = 0; i < length; i++)
        squares += (in[i] - mean) * (in[i] - mean);
    double factor = 1 / sqrt(squares / (double)length + (double)params->epsilon);
    for (int64_t i = 0; i < length; i++)
        out[i] = (in[i] - mean) * factor * scale[i] + (bias ? bias[i] : 0);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    int64_t length = row_length(call);
    int64_t rows = length ? e2b_shape_count(&call->outputs[0].tensor.shape) / length : 0;
    for (int64_t i = 0; i < rows; i++)
        normalise(call->params, length, in[X] + i * length, in[SCALE],
            e2b_has_input(call, BIAS) ? in[BIAS] : NULL, out[0] + i * length);
}

/* Rows of the input as an index space of at most 3 dimensions; whether a row is dense. */
static bool rows_of(const struct e2b_call *call, struct e2b_walk *rows) {
    const struct e2b_layer_norm_params *params = call->params;
    struct e2b_tensor in = call->inputs[X].tensor;
    const struct e2b_tensor *out = &call->outputs[0].tensor;
    e2b_operand_strides(&call->inputs[X], in.stride);
    int64_t step = 1;
    bool dense = true;
    for (int i = in.shape.rank - 1; i >= params->axis; i--) {
        dense &= in.shape.dims[i] == 1 || (in.stride[i] == step && out->stride[i] == step);
        step *= in.shape.dims[i];
    }
    in.shape.rank = params->axis;
    e2b_walk_init(rows, &in.shape);
    e2b_walk_add(rows, &in.shape, out->stride);
    e2b_walk_add(rows, &in.shape, in.stride);
    e2b_walk_collapse(rows);
    return dense && rows->rank <= 3;
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_walk rows;
    if (!rows_of(call, &rows) || e2b_pad_lanes(&call->outputs[0].tensor, call->traits)) {
        snprintf(reason, reason_bytes, "rows must be dense");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static bool accepts_group(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->traits->is_cpu || call->traits->max_group < 128) {
        snprintf(reason, reason_bytes, "needs local memory and groups of 128");
        return false;
    }
    return accepts(call, reason, reason_bytes);
}

static bool is_constant(const struct e2b_call *call, int input) {
    return !e2b_has_input(call, input) || call->inputs[input].constant;
}

static bool accepts_octets(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_walk rows;
    int64_t length = row_length(call);
    const char *refused = call->traits->is_cpu          ? "made for a GPU"
        : call->traits->max_group < 128                 ? "needs groups of 128"
        : length % E2B_OCTET                            ? "rows are no multiple of 8"
        : length > E2B_OCTET * OCTET_LANES * MAX_OCTETS ? "rows are too long"
        : !is_constant(call, SCALE) || !is_constant(call, BIAS) || call->inputs[X].constant
        ? "scale and bias must be constant"
        : !rows_of(call, &rows) ? "rows must be dense"
                                : NULL;
    for (int i = 0; !refused && i < rows.rank; i++)
        if (rows.dims[i] > 1 && (rows.stride[0][i] % E2B_OCTET || rows.stride[1][i] % E2B_OCTET))
            refused = "rows are not at multiples of 8 elements";
    if (!refused)
        return accepts(call, reason, reason_bytes);
    snprintf(reason, reason_bytes, "%s", refused);
    return false;
}

/* Arguments of all kernels. */
static enum e2b_status add_arguments(const struct e2b_call *call, const struct e2b_walk *walk,
    struct e2b_launch_list *list, struct e2b_launch *launch, struct e2b_error *err) {
    const struct e2b_layer_norm_params *params = call->params;
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    int64_t rows = e2b_walk_count(walk), length = row_length(call);
    launch->flops = 8.0 * (double)rows * (double)length;
    launch->bytes = 2.0 * (double)rows * (double)length * (double)e2b_dtype_bytes(dtype);
    for (int i = X; i <= BIAS; i++)
        if (e2b_launch_operand(list, launch, call, i, dtype, err) != E2B_OK)
            return err->status;
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, e2b_has_input(call, BIAS));
    e2b_launch_int(launch, rows);
    e2b_launch_int(launch, length);
    for (int i = 0; i < 3; i++) {
        int dim = walk->rank - 1 - i;
        e2b_launch_int(launch, dim < 0 ? 1 : walk->dims[dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk->stride[0][dim]);
        e2b_launch_int(launch, dim < 0 ? 0 : walk->stride[1][dim]);
    }
    e2b_launch_float(launch, (double)params->epsilon);
    return E2B_OK;
}

static enum e2b_status emit_octets(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_walk walk;
    rows_of(call, &walk);
    int64_t rows = e2b_walk_count(&walk), octets = row_length(call) / E2B_OCTET;
    if (rows * octets == 0)
        return E2B_OK;
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_layer_norm_octets,
        "layer_norm_octets", "-D%s -DROWS=%d -DOCTETS=%d%s",
        e2b_dtype_macro(call->outputs[0].tensor.dtype), OCTET_ROWS,
        (int)((octets + OCTET_LANES - 1) / OCTET_LANES), e2b_octets_option(call->traits));
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    bool by_warps = *e2b_octets_option(call->traits) != '\0';
    launch->local_bytes = by_warps ? 0 : 2 * OCTET_ROWS * OCTET_LANES * sizeof(float);
    e2b_launch_grid(launch, OCTET_LANES, (size_t)rows, 1);
    e2b_launch_group(launch, OCTET_LANES, OCTET_ROWS, 1);
    return add_arguments(call, &walk, list, launch, err);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, int group, struct e2b_error *err) {
    struct e2b_walk walk;
    rows_of(call, &walk);
    int64_t rows = e2b_walk_count(&walk);
    if (rows * row_length(call) == 0)
        return E2B_OK;
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_layer_norm,
        group > 1 ? "layer_norm_group" : "layer_norm_serial", "-D%s -DGROUP=%d",
        e2b_dtype_macro(call->outputs[0].tensor.dtype), group);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    e2b_launch_line(launch, call->traits, rows);
    if (group > 1) {
        e2b_launch_grid(launch, (size_t)(rows * group), 1, 1);
        e2b_launch_group(launch, (size_t)group, 1, 1);
    }
    return add_arguments(call, &walk, list, launch, err);
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
    return 8.0 * (double)e2b_shape_count(&call->outputs[0].tensor.shape);
}

static const struct e2b_variant variants[] = {
    {.name = "octets", .accepts = accepts_octets, .emit = emit_octets},
    {.name = "group", .accepts = accepts_group, .emit = emit_group},
    {.name = "serial", .accepts = accepts, .emit = emit_serial}, {.name = NULL}};

const struct e2b_op e2b_op_layer_norm = {
    .name = "layer_norm",
    .onnx = (const char *const[]){"LayerNormalization", NULL},
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_layer_norm_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
