#include "kernels/block/variants.h"

#include "kernels/common/jobs.h"
#include "kernels/common/octets.h"
#include "kernels/common/unit.h"

#include <stdio.h>
#include <string.h>

#define BYTES_A_NS 25.0 /* of a compute unit, from the device's memory: see docs/results */

bool e2b_block_is_depthwise(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    return call->inputs[E2B_BLOCK_MIDDLE_W].tensor.shape.dims[0] == params->middle.group;
}

static double moving_ns(const struct e2b_call *call, const struct e2b_operand *operand) {
    const struct e2b_tensor *tensor = &operand->tensor;
    if (!operand->present)
        return 0;
    return (double)e2b_shape_count(&tensor->shape)
        * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype)
        / (BYTES_A_NS * (double)e2b_units(call->traits));
}

double e2b_block_memory_ns(const struct e2b_call *call) {
    return moving_ns(call, &call->inputs[E2B_BLOCK_X]) + moving_ns(call, &call->outputs[0]);
}

double e2b_block_apart_ns(const struct e2b_call *call) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    double ns = 0;
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++)
        if (parts[i].out.present)
            ns += E2B_BLOCK_LAUNCH_NS + moving_ns(call, &parts[i].in[E2B_CONV_X])
                + moving_ns(call, &parts[i].in[E2B_CONV_RESIDUAL]) + moving_ns(call, &parts[i].out);
    return ns;
}

bool e2b_block_apart_is_faster(const struct e2b_call *call, double one_ns) {
    char reason[128];
    return e2b_block_apart_accepts(call, reason, sizeof reason)
        && one_ns >= e2b_block_apart_ns(call);
}

static bool same_activation(const struct e2b_activation *a, const struct e2b_activation *b) {
    return a->kind == b->kind && !memcmp(&a->a, &b->a, sizeof a->a)
        && !memcmp(&a->b, &b->b, sizeof a->b);
}

static const char *refuses_tensors(const struct e2b_call *call) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++) {
        const char *refused =
            parts[i].out.present ? e2b_conv_refuses_weights(&parts[i].call) : NULL;
        if (refused)
            return refused;
    }
    struct e2b_block_part *whole = &parts[E2B_PROJECTION];
    whole->in[E2B_CONV_X] = call->inputs[E2B_BLOCK_X];
    return e2b_conv_refuses_packed(&whole->call);
}

const char *e2b_block_refuses(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    if (call->outputs[0].tensor.dtype != E2B_F16)
        return "not fp16";
    if (call->group_items)
        return "is not merged with others";
    if (params->epilogue.activation.kind != E2B_ACT_IDENTITY
        && !same_activation(&params->epilogue.activation, &params->middle.epilogue.activation))
        return "two activations";
    const char *refused = refuses_tensors(call);
    if (refused)
        return refused;
    if (!e2b_octets_aligned(&call->inputs[E2B_BLOCK_X].tensor)
        || !e2b_octets_aligned(&call->outputs[0].tensor)
        || (e2b_has_input(call, E2B_BLOCK_RESIDUAL)
            && !e2b_octets_aligned(&call->inputs[E2B_BLOCK_RESIDUAL].tensor)))
        return "pixels are not at multiples of 8 elements";
    return NULL;
}

const char *e2b_block_refuses_bottleneck(const struct e2b_call *call) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_conv_params *middle = &params->middle;
    if (call->traits->ptx_sm < E2B_WARPGROUP_SM)
        return "needs PTX of sm_90a";
    if (middle->group != 1 || !e2b_has_input(call, E2B_BLOCK_EXPANSION_W))
        return "no full convolution between two";
    if (middle->dilation[0] != 1 || middle->dilation[1] != 1 || middle->stride[0] != 1
        || middle->stride[1] != 1)
        return "strides or dilations";
    return e2b_block_refuses(call);
}

bool e2b_block_takes(const char *refused, char *reason, size_t reason_bytes) {
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

const struct e2b_constant *e2b_block_constant(const struct e2b_call *call, int input) {
    return e2b_has_input(call, input) ? call->inputs[input].constant : NULL;
}

struct e2b_launch *e2b_block_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const struct e2b_source *source, const char *kernel, const char *more) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_activation *act = &params->middle.epilogue.activation;
    bool has_residual = e2b_has_input(call, E2B_BLOCK_RESIDUAL);
    struct e2b_launch *launch =
        e2b_launch_add(list, source, kernel, "-DT_F16 -DACTIVATION=%d%s%s%s %s", (int)act->kind,
            act->kind == E2B_ACT_CLIP && act->a == 0 ? " -DFROM_ZERO" : "",
            params->epilogue.activation.kind == E2B_ACT_IDENTITY ? "" : " -DENDS_ACTIVE",
            has_residual ? " -DRESIDUAL" : "", more);
    if (!launch)
        return NULL;
    launch->flops = call->op->flops(call);
    e2b_launch_input(launch, E2B_BLOCK_X);
    e2b_launch_output(launch, 0);
    if (has_residual)
        e2b_launch_input(launch, E2B_BLOCK_RESIDUAL);
    return launch;
}

static void add_strides(struct e2b_launch *launch, const struct e2b_tensor *tensor) {
    e2b_launch_int(launch, tensor->stride[0]);
    e2b_launch_int(launch, tensor->stride[2]);
    e2b_launch_int(launch, tensor->stride[3]);
}

void e2b_block_add_geometry(const struct e2b_call *call, struct e2b_launch *launch) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_tensor *x = &call->inputs[E2B_BLOCK_X].tensor, *y = &call->outputs[0].tensor;
    bool has_residual = e2b_has_input(call, E2B_BLOCK_RESIDUAL);
    const int64_t numbers[] = {x->shape.dims[2], x->shape.dims[3], y->shape.dims[2],
        y->shape.dims[3], params->middle.pad[0], params->middle.pad[1],
        e2b_ceil_div(x->shape.dims[1], E2B_OCTET) * E2B_OCTET, e2b_conv_channels_end(call)};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    add_strides(launch, x);
    add_strides(launch, y);
    add_strides(launch, has_residual ? &call->inputs[E2B_BLOCK_RESIDUAL].tensor : y);
    e2b_launch_float(launch, (double)params->middle.epilogue.activation.a);
    e2b_launch_float(launch, (double)params->middle.epilogue.activation.b);
}
