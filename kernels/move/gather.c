#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/move/move.h"

#include <stddef.h>
#include <string.h>

enum input { DATA, INDICES, ADDEND };

static const char *const onnx[] = {"Gather", "GatherElements", NULL};

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_gather_params *gather = params;
    int64_t axis = e2b_attr_int(node, "axis", 0);
    if (axis < -E2B_MAX_RANK || axis >= E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: axis %lld is outside %d..%d", node->type,
            (long long)axis, -E2B_MAX_RANK, E2B_MAX_RANK - 1);
    gather->axis = (int32_t)axis;
    gather->elements = !strcmp(node->type, "GatherElements");
    return E2B_OK;
}

/* Gather: the axis is replaced by the dimensions of the indices. */
static enum e2b_status gathered_shape(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_gather_params *params = call->params;
    const struct e2b_shape *data = &call->inputs[DATA].tensor.shape;
    const struct e2b_shape *indices = &call->inputs[INDICES].tensor.shape;
    out->rank = data->rank - 1 + indices->rank;
    if (out->rank > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "gather: rank %d of the output is outside 0..%d",
            out->rank, E2B_MAX_RANK);
    for (int i = 0; i < out->rank; i++) {
        int within = i - params->axis;
        out->dims[i] = within < 0    ? data->dims[i]
            : within < indices->rank ? indices->dims[within]
                                     : data->dims[i - indices->rank + 1];
    }
    return E2B_OK;
}

static enum e2b_status elements_shape(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_gather_params *params = call->params;
    const struct e2b_shape *data = &call->inputs[DATA].tensor.shape;
    *out = call->inputs[INDICES].tensor.shape;
    bool fits = out->rank == data->rank;
    for (int i = 0; fits && i < out->rank; i++)
        fits = i == params->axis || out->dims[i] <= data->dims[i];
    if (!fits)
        return e2b_fail(err, E2B_INVALID, "gather: indices are larger than the data");
    return E2B_OK;
}

static enum e2b_status check_indices(
    const struct e2b_call *call, int64_t length, struct e2b_error *err) {
    const struct e2b_constant *indices = call->inputs[INDICES].constant;
    int64_t count = indices ? e2b_shape_count(&indices->shape) : 0;
    for (int64_t i = 0; i < count; i++) {
        double index = e2b_constant_number(indices, i);
        if (index < -(double)length || index >= (double)length)
            return e2b_fail(err, E2B_INVALID, "gather: index %.0f is outside %lld..%lld", index,
                (long long)-length, (long long)length - 1);
    }
    return E2B_OK;
}

static enum e2b_status check_addend(
    const struct e2b_call *call, const struct e2b_shape *out, struct e2b_error *err) {
    struct e2b_shape both;
    if (!e2b_has_input(call, ADDEND))
        return E2B_OK;
    const struct e2b_tensor *addend = &call->inputs[ADDEND].tensor;
    if (addend->dtype != call->inputs[DATA].tensor.dtype || !e2b_dtype_is_float(addend->dtype)
        || !e2b_shape_broadcast(&addend->shape, out, &both) || !e2b_shape_equal(&both, out))
        return e2b_fail(err, E2B_INVALID, "gather: what is added does not go with the elements");
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_gather_params *params = call->params;
    struct e2b_shape shape;
    int axis;
    if (e2b_expect(call, 2, 3, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *data = &call->inputs[DATA].tensor;
    enum e2b_dtype type = call->inputs[INDICES].tensor.dtype;
    if (type != E2B_I64 && type != E2B_I32)
        return e2b_fail(err, E2B_INVALID, "gather: indices are %s, they must be INT64 or INT32",
            e2b_dtype_name(type));
    if (e2b_expect_axis(call, params->axis, data->shape.rank, &axis, err) != E2B_OK)
        return err->status;
    params->axis = axis;
    if ((params->elements ? elements_shape(call, &shape, err) : gathered_shape(call, &shape, err))
            != E2B_OK
        || check_indices(call, data->shape.dims[axis], err) != E2B_OK
        || check_addend(call, &shape, err) != E2B_OK)
        return err->status;
    if (data->shape.dims[axis] == 0 && e2b_shape_count(&shape) > 0)
        return e2b_fail(err, E2B_INVALID, "gather: there is nothing to gather along axis %d", axis);
    return e2b_set_output(call, 0, data->dtype, &shape, err);
}

/* Operand 1 is the data, without its axis, operand 2 the indices. Appends both to a walk over the
 * output. */
static void lay(const struct e2b_call *call, const int64_t *data, const int64_t *indices,
    struct e2b_walk *walk) {
    const struct e2b_gather_params *params = call->params;
    int index_rank = call->inputs[INDICES].tensor.shape.rank;
    for (int i = 0; i < walk->rank; i++) {
        int within = i - params->axis, last = params->elements ? 1 : index_rank;
        bool inside = within >= 0 && within < last;
        int from = within < 0 ? i : i - last + 1;
        walk->stride[1][i] = inside ? 0 : data[from];
        walk->stride[2][i] = params->elements ? indices[i] : inside ? indices[within] : 0;
    }
    walk->operands = 3;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_gather_params *params = call->params;
    struct e2b_tensor data = call->inputs[DATA].tensor, indices = call->inputs[INDICES].tensor;
    struct e2b_walk walk;
    data.layout = indices.layout = E2B_ROW_MAJOR;
    e2b_tensor_set_dense(&data, 1);
    e2b_tensor_set_dense(&indices, 1);
    e2b_walk_init(&walk, &call->outputs[0].tensor.shape);
    e2b_walk_add_dense(&walk, &call->outputs[0].tensor.shape);
    lay(call, data.stride, indices.stride, &walk);
    if (e2b_has_input(call, ADDEND))
        e2b_walk_add_dense(&walk, &call->inputs[ADDEND].tensor.shape);
    struct e2b_cursor cursor = {.walk = &walk};
    int64_t count = e2b_walk_count(&walk), length = data.shape.dims[params->axis];
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor)) {
        int64_t index = (int64_t)in[INDICES][cursor.position[2]];
        index += index < 0 ? length : 0;
        index = index < 0 ? 0 : index >= length ? length - 1 : index;
        double value = in[DATA][cursor.position[1] + index * data.stride[params->axis]];
        if (e2b_has_input(call, ADDEND))
            value += in[ADDEND][cursor.position[3]];
        out[0][i] = e2b_activation_apply(&params->epilogue.activation, value);
    }
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_gather_params *params = call->params;
    int64_t data[E2B_MAX_RANK], indices[E2B_MAX_RANK];
    struct e2b_map map;
    e2b_operand_strides(&call->inputs[DATA], data);
    e2b_operand_strides(&call->inputs[INDICES], indices);
    e2b_map_init(&map, call, "GATHER", 0);
    map.operands[1] = (struct e2b_map_operand){E2B_MAP_INPUT, DATA, 0};
    map.operands[2] = (struct e2b_map_operand){E2B_MAP_INPUT, INDICES, 0};
    lay(call, data, indices, &map.walk);
    if (e2b_has_input(call, ADDEND))
        e2b_map_input(&map, call, ADDEND);
    map.activation = params->epilogue.activation;
    map.gather_length = call->inputs[DATA].tensor.shape.dims[params->axis];
    map.gather_stride = data[params->axis];
    return e2b_map_emit(call, &map, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_gather = {
    .name = "gather",
    .onnx = onnx,
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_gather_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_gather_params, epilogue),
    .residual_input = ADDEND,
    .residual_broadcasts = true,
};
