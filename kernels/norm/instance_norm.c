#include "kernels/common/infer.h"
#include "kernels/common/operand.h"
#include "kernels/common/strided.h"
#include "kernels/norm/norm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_instance_norm;

enum input { X, SCALE, BIAS };

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_instance_norm_params *norm = params;
    bool grouped = !strcmp(node->type, "GroupNormalization");
    int64_t groups = e2b_attr_int(node, "num_groups", 0);
    norm->epsilon = e2b_attr_float(node, "epsilon", 1e-5f);
    if (grouped && (groups < 1 || groups > INT32_MAX))
        return e2b_fail(err, E2B_INVALID, "GroupNormalization: num_groups %lld is outside 1..%d",
            (long long)groups, INT32_MAX);
    if (!(norm->epsilon >= 0))
        return e2b_fail(
            err, E2B_INVALID, "%s: epsilon %g is below 0", node->type, (double)norm->epsilon);
    norm->groups = grouped ? (int32_t)groups : 0;
    norm->scale_group = grouped && node->opset < 21;
    return E2B_OK;
}

static int64_t group_count(const struct e2b_call *call) {
    const struct e2b_instance_norm_params *params = call->params;
    return params->groups ? params->groups : call->inputs[X].tensor.shape.dims[1];
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_instance_norm_params *params = call->params;
    if (e2b_expect(call, 3, 3, 1, err) != E2B_OK || e2b_expect_rank(call, X, 3, 4, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[X].tensor;
    int64_t channels = in->shape.dims[1];
    if (!e2b_dtype_is_float(in->dtype))
        return e2b_fail(err, E2B_INVALID, "instance_norm: it takes floats");
    if (e2b_shape_count(&in->shape) == 0 || channels % group_count(call))
        return e2b_fail(err, E2B_INVALID,
            "instance_norm: %lld channels are no multiple of %lld groups, or there are no pixels",
            (long long)channels, (long long)group_count(call));
    int64_t numbers = params->scale_group ? group_count(call) : channels;
    for (int i = SCALE; i <= BIAS; i++) {
        const struct e2b_shape *shape = &call->inputs[i].tensor.shape;
        if (shape->rank != 1 || shape->dims[0] != numbers)
            return e2b_fail(err, E2B_INVALID, "instance_norm: input %d must have %lld numbers", i,
                (long long)numbers);
    }
    return e2b_set_output_like(call, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_instance_norm_params *params = call->params;
    const struct e2b_shape *shape = &call->inputs[X].tensor.shape;
    int64_t groups = group_count(call), each = shape->dims[1] / groups;
    int64_t length = e2b_shape_count(shape) / shape->dims[0] / groups, pixels = length / each;
    for (int64_t g = 0; g < shape->dims[0] * groups; g++) {
        const double *from = in[X] + g * length;
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < length; i++)
            sum += from[i];
        double mean = sum / (double)length;
        for (int64_t i = 0; i < length; i++)
            squares += (from[i] - mean) * (from[i] - mean);
        double factor = 1 / sqrt(squares / (double)length + (double)params->epsilon);
        for (int64_t i = 0; i < length; i++) {
            int64_t at = params->scale_group ? g % groups : g % groups * each + i / pixels;
            out[0][g * length + i] = (from[i] - mean) * factor * in[SCALE][at] + in[BIAS][at];
        }
    }
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    if (call->inputs[X].tensor.layout != E2B_CHANNELS_LAST
        || call->outputs[0].tensor.layout != E2B_CHANNELS_LAST || call->inputs[X].constant) {
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

/* A group of work-items for each sample and group of channels: 128, on a CPU one. */
static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_instance_norm_params *params = call->params;
    const struct e2b_tensor *in = &call->inputs[X].tensor, *out = &call->outputs[0].tensor;
    int last = in->shape.rank - 1;
    int items = call->traits->is_cpu || call->traits->max_group < 128 ? 1 : 128;
    int64_t groups = group_count(call), each = in->shape.dims[1] / groups;
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_instance_norm, "instance_norm",
        "-D%s -DITEMS=%d", e2b_dtype_macro(out->dtype), items);
    if (!launch)
        return e2b_fail_memory(err, "a launch");
    launch->flops = 8.0 * (double)e2b_shape_count(&in->shape);
    launch->bytes = 2.0 * (double)e2b_shape_count(&in->shape) * (double)e2b_dtype_bytes(in->dtype);
    e2b_launch_input(launch, X);
    add_strides(launch, in);
    for (int i = SCALE; i <= BIAS; i++)
        if (e2b_launch_operand(list, launch, call, i, out->dtype, err) != E2B_OK)
            return err->status;
    e2b_launch_output(launch, 0);
    add_strides(launch, out);
    e2b_launch_int(launch, groups);
    e2b_launch_int(launch, each);
    e2b_launch_int(launch, last == 3 ? in->shape.dims[2] : 1);
    e2b_launch_int(launch, in->shape.dims[last]);
    e2b_launch_int(launch, e2b_pad_lanes(out, call->traits));
    e2b_launch_int(launch, params->scale_group);
    e2b_launch_float(launch, (double)params->epsilon);
    e2b_launch_grid(launch, (size_t)(in->shape.dims[0] * groups * items), 1, 1);
    e2b_launch_group(launch, (size_t)items, 1, 1);
    return E2B_OK;
}

static double flops(const struct e2b_call *call) {
    return 8.0 * (double)e2b_shape_count(&call->outputs[0].tensor.shape);
}

static const struct e2b_variant variants[] = {
    {.name = "group", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_instance_norm = {
    .name = "instance_norm",
    .onnx = (const char *const[]){"InstanceNormalization", "GroupNormalization", NULL},
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_instance_norm_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
