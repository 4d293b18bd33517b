#include "kernels/conv/variants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int64_t e2b_conv_channels_end(const struct e2b_call *call) {
    int64_t channels = call->outputs[0].tensor.shape.dims[1];
    int align = call->traits->channel_align;
    return align > 1 ? (channels + align - 1) / align * align : channels;
}

int e2b_conv_lanes(const struct e2b_call *call) {
    return call->traits->vector_bytes < 64 || e2b_conv_channels_end(call) % 16 ? 8 : 16;
}

/* Pad lanes hold activation(0 + the residual's pad lane), which some functions make infinite. */
static bool pads_stay_finite(const struct e2b_call *call) {
    const struct e2b_conv_params *params = call->params;
    switch (params->epilogue.activation.kind) {
    case E2B_ACT_EXP:
    case E2B_ACT_LOG:
    case E2B_ACT_SQRT:
    case E2B_ACT_RECIPROCAL:
        return e2b_conv_channels_end(call) == call->outputs[0].tensor.shape.dims[1];
    default:
        return true;
    }
}

const char *e2b_conv_refuses_result(const struct e2b_call *call) {
    const struct e2b_tensor *tensors[3] = {
        &call->inputs[E2B_CONV_X].tensor, &call->outputs[0].tensor, NULL};
    if (e2b_has_input(call, E2B_CONV_RESIDUAL))
        tensors[2] = &call->inputs[E2B_CONV_RESIDUAL].tensor;
    if (tensors[0]->dtype != tensors[1]->dtype && tensors[0]->dtype != E2B_F32)
        return "the image is of another type";
    for (int i = 0; i < 3 && tensors[i]; i++) {
        if (i > 0 && tensors[i]->stride[1] != 1)
            return "tensors are not channels-last";
        if (e2b_tensor_extent(tensors[i], call->traits->channel_align) > INT32_MAX)
            return "a tensor has more than 2^31 elements";
    }
    return NULL;
}

const char *e2b_conv_refuses_weights(const struct e2b_call *call) {
    if (!call->inputs[E2B_CONV_W].constant
        || (e2b_has_input(call, E2B_CONV_BIAS) && !call->inputs[E2B_CONV_BIAS].constant))
        return "weights or bias are not constant";
    if (!pads_stay_finite(call))
        return "the activation is not finite on pad lanes";
    return NULL;
}

const char *e2b_conv_refuses_packed(const struct e2b_call *call) {
    const char *refused = e2b_conv_refuses_weights(call);
    if (refused)
        return refused;
    if (e2b_conv_has_pool(call->params))
        return "does not pool";
    const struct e2b_tensor *x = &call->inputs[E2B_CONV_X].tensor;
    if (x->dtype != call->outputs[0].tensor.dtype)
        return "the image is of another type";
    return x->stride[1] != 1 ? "the image is not channels-last" : e2b_conv_refuses_result(call);
}

struct e2b_launch *e2b_conv_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more) {
    const struct e2b_conv_params *params = call->params;
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    struct e2b_launch *launch = e2b_launch_add(list, source, kernel, "-D%s -DACTIVATION=%d%s%s %s",
        e2b_dtype_macro(dtype), (int)params->epilogue.activation.kind,
        e2b_has_input(call, E2B_CONV_RESIDUAL) ? " -DRESIDUAL" : "",
        call->inputs[E2B_CONV_X].tensor.dtype != dtype ? " -DX_F32" : "", more);
    if (!launch)
        return NULL;
    launch->flops = call->op->flops(call);
    for (int i = 0; i < call->input_count; i++)
        if (call->inputs[i].present)
            launch->bytes += (double)e2b_shape_count(&call->inputs[i].tensor.shape)
                * (double)e2b_dtype_bytes(call->inputs[i].tensor.dtype);
    launch->bytes += (double)e2b_shape_count(&call->outputs[0].tensor.shape)
        * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    e2b_launch_input(launch, E2B_CONV_X);
    e2b_launch_output(launch, 0);
    if (e2b_has_input(call, E2B_CONV_RESIDUAL))
        e2b_launch_input(launch, E2B_CONV_RESIDUAL);
    return launch;
}

/* Sample, row and pixel strides; a 1-D image is one row. */
static void add_strides(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, tensor->shape.rank == 4 ? tensor->stride[2] : 0);
    e2b_launch_int(launch, tensor->stride[tensor->shape.rank - 1]);
}

void e2b_conv_add_layout(const struct e2b_call *call, struct e2b_launch *launch) {
    const struct e2b_conv_params *params = call->params;
    const struct e2b_tensor *y = &call->outputs[0].tensor;
    add_strides(launch, &call->inputs[E2B_CONV_X].tensor);
    add_strides(launch, y);
    add_strides(launch,
        e2b_has_input(call, E2B_CONV_RESIDUAL) ? &call->inputs[E2B_CONV_RESIDUAL].tensor : y);
    e2b_launch_float(launch, (double)params->epilogue.activation.a);
    e2b_launch_float(launch, (double)params->epilogue.activation.b);
}

void e2b_conv_add_geometry(const struct e2b_call *call, struct e2b_launch *launch) {
    const struct e2b_conv_params *params = call->params;
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    const int64_t numbers[] = {g.n, g.h, g.w, g.oh, g.ow, g.kh, g.kw, params->stride[0],
        params->stride[1], params->dilation[0], params->dilation[1], params->pad[0], params->pad[1],
        g.group_c, g.group_m, g.group, e2b_conv_channels_end(call)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_conv_add_layout(call, launch);
}

float e2b_conv_weight_at(const struct e2b_constant *constant, int64_t index) {
    double value;
    size_t bytes = e2b_dtype_bytes(constant->dtype);
    if (constant->dtype == E2B_F32)
        return ((const float *)constant->data)[index];
    e2b_to_double(constant->dtype, (const char *)constant->data + (size_t)index * bytes, &value, 1);
    return (float)value;
}

/* numbers: [0] channels m, [1] groups, [2] group_c, [3] taps, [4] lanes, [5] panels a group, [6]
 * their vectors, [7] how many have so many. To [group][panel][tap][c][column]. */
static void pack_panels(const struct e2b_packing *packing, void *to) {
    const int64_t *n = packing->numbers;
    int64_t group_m = n[0] / n[1], in_group = 0;
    float *out = to;
    memset(to, 0, packing->bytes);
    for (int64_t panel = 0; panel < n[1] * n[5]; panel++) {
        in_group = panel % n[5] ? in_group : 0;
        int64_t columns = (panel % n[5] < n[7] ? n[6] : n[6] - 1) * n[4];
        int64_t count = group_m - in_group < columns ? group_m - in_group : columns;
        int64_t first = panel / n[5] * group_m + in_group;
        for (int64_t c = 0; c < n[2]; c++)
            for (int64_t tap = 0; tap < n[3]; tap++)
                for (int64_t j = 0; j < count; j++)
                    out[(tap * n[2] + c) * columns + j] =
                        e2b_conv_weight_at(packing->from[0], ((first + j) * n[2] + c) * n[3] + tap);
        in_group += columns;
        out += n[3] * n[2] * columns;
    }
}

int64_t e2b_conv_panel_vectors(const struct e2b_conv_panels *panels) {
    return panels->count * (panels->vectors - 1) + panels->wide;
}

int e2b_conv_pack_panels(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_conv_panels *panels) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t taps = g.kh * g.kw, columns = e2b_conv_panel_vectors(panels) * panels->lanes;
    struct e2b_packing packing = {.from = {call->inputs[E2B_CONV_W].constant},
        .numbers = {g.m, g.group, g.group_c, taps, panels->lanes, panels->count, panels->vectors,
            panels->wide},
        .bytes = (size_t)(g.group * columns * taps * g.group_c) * sizeof(float),
        .pack = pack_panels};
    snprintf(packing.key, sizeof packing.key,
        "conv-panel%" PRId64 "x%" PRId64 " g%" PRId64 " p%" PRId64 " w%" PRId64, panels->lanes,
        panels->vectors, g.group, panels->count, panels->wide);
    return e2b_launch_list_pack(list, &packing);
}

/* numbers: [0] channels, [1] groups, [2] columns a group. To [group][column]. */
static void pack_bias(const struct e2b_packing *packing, void *to) {
    const int64_t *n = packing->numbers;
    int64_t group_m = n[0] / n[1];
    float *out = to;
    memset(to, 0, packing->bytes);
    for (int64_t m = 0; packing->from[0] && m < n[0]; m++)
        out[m / group_m * n[2] + m % group_m] = e2b_conv_weight_at(packing->from[0], m);
}

int e2b_conv_pack_bias(
    const struct e2b_call *call, struct e2b_launch_list *list, int64_t group_columns) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    bool has_bias = e2b_has_input(call, E2B_CONV_BIAS);
    struct e2b_packing packing = {.from = {has_bias ? call->inputs[E2B_CONV_BIAS].constant : NULL},
        .numbers = {g.m, g.group, group_columns},
        .bytes = (size_t)(g.group * group_columns) * sizeof(float),
        .pack = pack_bias};
    snprintf(packing.key, sizeof packing.key, "conv-bias%" PRId64 " m%" PRId64 " g%" PRId64,
        group_columns, g.m, g.group);
    return e2b_launch_list_pack(list, &packing);
}

/* numbers: [0] channels, [1] taps, [2] channels with pad lanes. To [tap][channel]. */
static void pack_depthwise(const struct e2b_packing *packing, void *to) {
    const int64_t *n = packing->numbers;
    float *out = to;
    memset(to, 0, packing->bytes);
    for (int64_t m = 0; m < n[0]; m++)
        for (int64_t tap = 0; tap < n[1]; tap++)
            out[tap * n[2] + m] = e2b_conv_weight_at(packing->from[0], m * n[1] + tap);
}

int e2b_conv_pack_depthwise(const struct e2b_call *call, struct e2b_launch_list *list) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    int64_t end = e2b_conv_channels_end(call);
    struct e2b_packing packing = {.from = {call->inputs[E2B_CONV_W].constant},
        .numbers = {g.m, g.kh * g.kw, end},
        .bytes = (size_t)(g.kh * g.kw * end) * sizeof(float),
        .pack = pack_depthwise};
    snprintf(packing.key, sizeof packing.key, "conv-depthwise c%" PRId64, end);
    return e2b_launch_list_pack(list, &packing);
}
