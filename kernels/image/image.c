#include "kernels/image/image.h"

#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"

#include <math.h>
#include <stdio.h>

extern const struct e2b_source e2b_source_image;

#define MAX_CHANNELS 4

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_image_params *params = call->params;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 4, 4, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    const int64_t *dims = in->shape.dims;
    if (in->dtype != E2B_U8 || dims[3] < 1 || dims[3] > MAX_CHANNELS)
        return e2b_fail(err, E2B_INVALID,
            "image: a raw image is UINT8 of shape N,H,W,C with 1..%d channels", MAX_CHANNELS);
    for (int i = 0; i < MAX_CHANNELS; i++)
        if (!isfinite(params->mean[i]) || !isfinite(params->scale[i]))
            return e2b_fail(err, E2B_INVALID, "image: mean and scale must be finite numbers");
    enum e2b_dtype given = call->outputs[0].tensor.dtype;
    struct e2b_shape shape = {4, {dims[0], dims[3], dims[1], dims[2]}};
    return e2b_set_output(call, 0, e2b_dtype_is_float(given) ? given : E2B_F32, &shape, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_image_params *params = call->params;
    const int64_t *dims = call->inputs[0].tensor.shape.dims;
    int64_t pixels = dims[1] * dims[2], channels = dims[3];
    for (int64_t n = 0; n < dims[0]; n++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < pixels; i++)
                out[0][(n * channels + c) * pixels + i] =
                    (in[0][(n * pixels + i) * channels + c] - (double)params->mean[c])
                    * (double)params->scale[c];
}

static void add_strides(struct e2b_launch *launch, const int64_t stride[4], const int order[4]) {
    for (int i = 0; i < 4; i++)
        e2b_launch_int(launch, stride[order[i]]);
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_image_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[0].tensor, *out = &call->outputs[0].tensor;
    const int64_t *dims = in->shape.dims;
    int64_t lanes = dims[3] + e2b_pad_lanes(out, call->traits);
    int64_t pixels = dims[0] * dims[1] * dims[2];
    int64_t per_item = call->traits->is_cpu ? (dims[2] < 1 ? 1 : dims[2]) : 1;
    if (pixels == 0)
        return E2B_OK;
    struct e2b_launch *launch =
        e2b_launch_add(list, &e2b_source_image, "image", "-D%s", e2b_dtype_macro(out->dtype));
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = 2.0 * (double)(pixels * dims[3]);
    launch->bytes = (double)(pixels * dims[3]) * (1.0 + (double)e2b_dtype_bytes(out->dtype));
    e2b_launch_input(launch, 0);
    add_strides(launch, in->stride, (const int[]){0, 1, 2, 3});
    e2b_launch_output(launch, 0);
    add_strides(launch, out->stride, (const int[]){0, 2, 3, 1});
    e2b_launch_int(launch, pixels);
    e2b_launch_int(launch, per_item);
    e2b_launch_int(launch, dims[1]);
    e2b_launch_int(launch, dims[2]);
    e2b_launch_int(launch, dims[3]);
    e2b_launch_int(launch, lanes);
    for (int i = 0; i < MAX_CHANNELS; i++)
        e2b_launch_float(launch, (double)params->mean[i]);
    for (int i = 0; i < MAX_CHANNELS; i++)
        e2b_launch_float(launch, (double)params->scale[i]);
    e2b_launch_line(launch, call->traits, (pixels + per_item - 1) / per_item);
    return E2B_OK;
}

static const struct e2b_variant variants[] = {
    {.name = "pixels", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_image = {
    .name = "image",
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_image_params),
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
