#include "kernels/view/view.h"

#include "kernels/common/infer.h"

#include <inttypes.h>
#include <string.h>

static const char *const onnx[] = {
    "Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", NULL};

static const char *list_attribute(const char *type) {
    return !strcmp(type, "Reshape") ? "shape" : "axes";
}

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_view_params *view = params;
    const char *type = node->type;
    view->kind = !strcmp(type, "Flatten") ? E2B_VIEW_FLATTEN
        : !strcmp(type, "Reshape")        ? E2B_VIEW_RESHAPE
        : !strcmp(type, "Squeeze")        ? E2B_VIEW_SQUEEZE
        : !strcmp(type, "Unsqueeze")      ? E2B_VIEW_UNSQUEEZE
                                          : E2B_VIEW_SAME;
    if (view->kind == E2B_VIEW_SAME)
        return E2B_OK;
    if (view->kind == E2B_VIEW_FLATTEN) {
        view->has_list = view->count = 1;
        view->list[0] = e2b_attr_int(node, "axis", 1);
        return E2B_OK;
    }
    view->allow_zero = e2b_attr_int(node, "allowzero", 0) != 0;
    int count = e2b_attr_ints(node, list_attribute(type), view->list, E2B_MAX_RANK);
    if (count > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "%s: %d numbers in %s, at most %d are possible", type,
            count, list_attribute(type), E2B_MAX_RANK);
    view->has_list = count >= 0;
    view->count = count < 0 ? 0 : count;
    return E2B_OK;
}

static enum e2b_status take_list(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_view_params *params = call->params;
    int count = 0;
    if (params->has_list || params->kind == E2B_VIEW_SAME)
        return E2B_OK;
    if (call->input_count > 1 && call->inputs[1].present) {
        if (e2b_expect_ints(call, 1, params->list, E2B_MAX_RANK, &count, err) != E2B_OK)
            return err->status;
    } else if (params->kind != E2B_VIEW_SQUEEZE) {
        return e2b_fail(err, E2B_INVALID, "%s: neither an attribute nor input 1 gives the %s",
            params->kind == E2B_VIEW_RESHAPE ? "Reshape" : "Unsqueeze",
            params->kind == E2B_VIEW_RESHAPE ? "shape" : "axes");
    }
    params->count = count;
    return E2B_OK;
}

static enum e2b_status flatten(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    int64_t axis = params->list[0];
    if (axis < -in->rank || axis > in->rank)
        return e2b_fail(err, E2B_INVALID, "Flatten: axis %" PRId64 " is outside %d..%d", axis,
            -in->rank, in->rank);
    axis += axis < 0 ? in->rank : 0;
    *out = (struct e2b_shape){2, {1, 1}};
    for (int i = 0; i < in->rank; i++)
        out->dims[i >= axis] *= in->dims[i];
    return E2B_OK;
}

/* The dimension that -1 stands for. */
static enum e2b_status fill_free(
    const struct e2b_shape *in, struct e2b_shape *out, int free_dim, struct e2b_error *err) {
    char from[96], to[96];
    double wanted = 1;
    for (int i = 0; i < out->rank; i++)
        wanted *= i == free_dim ? 1 : (double)out->dims[i];
    double count = (double)e2b_shape_count(in);
    if (free_dim >= 0 && wanted > 0 && wanted <= count)
        out->dims[free_dim] = (int64_t)(count / wanted);
    if (free_dim >= 0 && wanted == 0 && count == 0)
        out->dims[free_dim] = 0;
    wanted *= free_dim < 0 ? 1 : (double)out->dims[free_dim];
    if (wanted != count || (free_dim >= 0 && out->dims[free_dim] < 0))
        return e2b_fail(err, E2B_INVALID, "Reshape: %s has not as many elements as %s",
            e2b_shape_print(in, from, sizeof from), e2b_shape_print(out, to, sizeof to));
    return E2B_OK;
}

static enum e2b_status reshape(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    int free_dim = -1;
    out->rank = params->count;
    for (int i = 0; i < params->count; i++) {
        int64_t dim = params->list[i];
        if (dim < -1 || (dim == -1 && free_dim >= 0))
            return e2b_fail(err, E2B_INVALID,
                "Reshape: dimension %d is %" PRId64 "; one may be -1, none less", i, dim);
        if (dim == 0 && !params->allow_zero && i >= in->rank)
            return e2b_fail(err, E2B_INVALID,
                "Reshape: dimension %d is to be as in the input, which has %d", i, in->rank);
        out->dims[i] = dim == 0 && !params->allow_zero ? in->dims[i] : dim;
        if (dim == -1)
            free_dim = i;
    }
    return fill_free(in, out, free_dim, err);
}

/* Marks axes[i] of a tensor of this rank; each may be listed once. */
static enum e2b_status mark_axes(
    const struct e2b_call *call, int rank, bool *marked, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    for (int i = 0; i < params->count; i++) {
        int axis;
        if (e2b_expect_axis(call, params->list[i], rank, &axis, err) != E2B_OK)
            return err->status;
        if (marked[axis])
            return e2b_fail(
                err, E2B_INVALID, "Squeeze or Unsqueeze: axis %d is listed twice", axis);
        marked[axis] = true;
    }
    return E2B_OK;
}

static enum e2b_status squeeze(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    bool marked[E2B_MAX_RANK] = {false};
    if (mark_axes(call, in->rank, marked, err) != E2B_OK)
        return err->status;
    out->rank = 0;
    for (int i = 0; i < in->rank; i++) {
        bool drop = params->count ? marked[i] : in->dims[i] == 1;
        if (drop && in->dims[i] != 1)
            return e2b_fail(
                err, E2B_INVALID, "Squeeze: dimension %d is %" PRId64 ", not 1", i, in->dims[i]);
        if (!drop)
            out->dims[out->rank++] = in->dims[i];
    }
    return E2B_OK;
}

static enum e2b_status unsqueeze(
    const struct e2b_call *call, struct e2b_shape *out, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    const struct e2b_shape *in = &call->inputs[0].tensor.shape;
    bool marked[E2B_MAX_RANK] = {false};
    out->rank = in->rank + params->count;
    if (out->rank > E2B_MAX_RANK)
        return e2b_fail(err, E2B_INVALID, "Unsqueeze: rank %d of the output is outside 0..%d",
            out->rank, E2B_MAX_RANK);
    if (mark_axes(call, out->rank, marked, err) != E2B_OK)
        return err->status;
    for (int i = 0, from = 0; i < out->rank; i++)
        out->dims[i] = marked[i] ? 1 : in->dims[from++];
    return E2B_OK;
}

/* Dropout's input 2, since opset 12. */
static enum e2b_status refuse_training(const struct e2b_call *call, struct e2b_error *err) {
    int64_t training = 0;
    int count = 0;
    if (call->input_count < 3 || !call->inputs[2].present
        || e2b_expect_ints(call, 2, &training, 1, &count, err) != E2B_OK || !training)
        return err->status;
    return e2b_fail(
        err, E2B_UNSUPPORTED, "Dropout: it is in training mode: export the model for inference");
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_view_params *params = call->params;
    bool same = params->kind == E2B_VIEW_SAME;
    struct e2b_shape shape = {0};
    if (e2b_expect(call, 1, same ? 3 : 2, same ? 2 : 1, err) != E2B_OK
        || take_list(call, err) != E2B_OK || refuse_training(call, err) != E2B_OK)
        return err->status;
    enum e2b_status status = E2B_OK;
    if (params->kind == E2B_VIEW_SAME)
        shape = call->inputs[0].tensor.shape;
    else if (params->kind == E2B_VIEW_FLATTEN)
        status = flatten(call, &shape, err);
    else if (params->kind == E2B_VIEW_RESHAPE)
        status = reshape(call, &shape, err);
    else if (params->kind == E2B_VIEW_SQUEEZE)
        status = squeeze(call, &shape, err);
    else
        status = unsqueeze(call, &shape, err);
    if (status != E2B_OK
        || e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err) != E2B_OK)
        return err->status;
    return call->output_count > 1 ? e2b_set_output(call, 1, E2B_BOOL, &shape, err) : E2B_OK;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    int64_t count = e2b_shape_count(&call->outputs[0].tensor.shape);
    memcpy(out[0], in[0], (size_t)count * sizeof *out[0]);
    for (int64_t i = 0; call->output_count > 1 && i < count; i++)
        out[1][i] = 1;
}

const struct e2b_op e2b_op_view = {
    .name = "view",
    .onnx = onnx,
    .layout = E2B_LAYOUT_VIEW,
    .params_bytes = sizeof(struct e2b_view_params),
    .import = import,
    .infer = infer,
    .reference = reference,
};
