#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/norm/norm.h"

#include <math.h>
#include <stdio.h>

extern const struct e2b_source e2b_source_lrn;

#define MAX_SIZE 1024

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_lrn_params *lrn = params;
    int64_t size = e2b_attr_int(node, "size", 0);
    lrn->alpha = e2b_attr_float(node, "alpha", 1e-4f);
    lrn->beta = e2b_attr_float(node, "beta", 0.75f);
    lrn->bias = e2b_attr_float(node, "bias", 1);
    if (size < 1 || size > MAX_SIZE)
        return e2b_fail(
            err, E2B_INVALID, "LRN: size %lld is outside 1..%d", (long long)size, MAX_SIZE);
    lrn->size = (int32_t)size;
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 3, 4, err) != E2B_OK)
        return err->status;
    if (!e2b_dtype_is_float(call->inputs[0].tensor.dtype))
        return e2b_fail(err, E2B_INVALID, "lrn: it takes floats");
    return e2b_set_output_like(call, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_lrn_params *params = call->params;
    const struct e2b_shape *shape = &call->outputs[0].tensor.shape;
    int64_t channels = shape->dims[1], count = e2b_shape_count(shape);
    int64_t inner = count ? count / shape->dims[0] / channels : 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i / inner % channels;
        double sum = 0;
        for (int64_t k = c - (params->size - 1) / 2; k <= c + params->size / 2; k++)
            if (k >= 0 && k < channels)
                sum += in[0][i + (k - c) * inner] * in[0][i + (k - c) * inner];
        out[0][i] = in[0][i]
            / pow((double)params->bias + (double)params->alpha / params->size * sum,
                (double)params->beta);
    }
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->inputs[0].tensor.layout != E2B_CHANNELS_LAST
        || call->outputs[0].tensor.layout != E2B_CHANNELS_LAST || call->inputs[0].constant) {
        snprintf(reason, reason_bytes, "images must be channels-last");
        return false;
    }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

static void add_strides(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    int last = tensor->shape.rank - 1;
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, last == 3 ? tensor->stride[2] : 0);
    e2b_launch_int(launch, tensor->stride[last]);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_lrn_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    int64_t count = e2b_shape_count(&out->shape), channels = out->shape.dims[1];
    int64_t lanes = channels + e2b_pad_lanes(out, call->traits);
    int last = out->shape.rank - 1, width = call->traits->is_cpu ? 8 : 1;
    if (count == 0)
        return E2B_OK;
    struct e2b_launch *launch = e2b_launch_add(
        list, &e2b_source_lrn, "lrn", "-D%s -DV=%d", e2b_dtype_macro(out->dtype), width);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = (double)count * (2.0 * params->size + 4);
    launch->bytes = 2.0 * (double)count * (double)e2b_dtype_bytes(out->dtype);
    int64_t total = count / channels * ((lanes + width - 1) / width);
    int64_t per_item = call->traits->is_cpu ? (lanes + width - 1) / width : 1;
    e2b_launch_input(launch, 0);
    add_strides(launch, in);
    e2b_launch_output(launch, 0);
    add_strides(launch, out);
    e2b_launch_int(launch, last == 3 ? out->shape.dims[2] : 1);
    e2b_launch_int(launch, out->shape.dims[last]);
    e2b_launch_int(launch, channels);
    e2b_launch_int(launch, lanes);
    e2b_launch_int(launch, total);
    e2b_launch_int(launch, per_item);
    e2b_launch_int(launch, params->size);
    e2b_launch_float(launch, (double)params->alpha / params->size);
    e2b_launch_float(launch, (double)params->beta);
    e2b_launch_float(launch, (double)params->bias);
    e2b_launch_line(launch, call->traits, (total + per_item - 1) / per_item);
    return E2B_OK;
}

static double flops(const struct e2b_call *call) {
    const struct e2b_lrn_params *params = call->params;
    return (double)e2b_shape_count(&call->outputs[0].tensor.shape) * (2.0 * params->size + 4);
}

static const struct e2b_variant variants[] = {
    {.name = "channels", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_lrn = {
    .name = "lrn",
    .onnx = (const char *const[]){"LRN", NULL},
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_lrn_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
