#include "kernels/common/mma.h"

#include "kernels/conv/variants.h"

#include <stdio.h>
#include <string.h>

static void image_strides(const struct e2b_tensor *tensor, int64_t out[3]) {
    out[0] = tensor->stride[0];
    out[1] = tensor->shape.rank == 4 ? tensor->stride[2] : 0;
    out[2] = tensor->stride[tensor->shape.rank - 1];
}

static struct e2b_mma_problem problem_of(const struct e2b_call *call) {
    const struct e2b_conv_params *params = call->params;
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    bool has_bias = e2b_has_input(call, E2B_CONV_BIAS);
    bool has_residual = e2b_has_input(call, E2B_CONV_RESIDUAL);
    struct e2b_mma_problem problem = {
        .samples = g.n,
        .height = g.h,
        .width = g.w,
        .out_height = g.oh,
        .out_width = g.ow,
        .kernel_h = g.kh,
        .kernel_w = g.kw,
        .pad_top = params->pad[0],
        .pad_left = params->pad[1],
        .channels = g.c,
        .outputs = g.m,
        .outputs_end = e2b_conv_channels_end(call),
        .residual_input = has_residual ? E2B_CONV_RESIDUAL : 0,
        .weights = call->inputs[E2B_CONV_W].constant,
        .bias = has_bias ? call->inputs[E2B_CONV_BIAS].constant : NULL,
        .weight_stride = {g.c * g.kh * g.kw, g.kh * g.kw, 1},
        .weight_scale = 1,
        .bias_scale = 1,
        .activation = params->epilogue.activation,
    };
    memcpy(problem.stride, params->stride, sizeof problem.stride);
    memcpy(problem.dilation, params->dilation, sizeof problem.dilation);
    const struct e2b_tensor *y = &call->outputs[0].tensor;
    image_strides(&call->inputs[E2B_CONV_X].tensor, problem.x_stride);
    image_strides(y, problem.y_stride);
    image_strides(has_residual ? &call->inputs[E2B_CONV_RESIDUAL].tensor : y, problem.r_stride);
    return problem;
}

bool e2b_conv_mma_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const struct e2b_conv_params *params = call->params;
    const char *refused = e2b_conv_refuses_packed(call);
    if (!refused && params->group > 1)
        refused = "groups";
    if (!refused) {
        struct e2b_mma_problem problem = problem_of(call);
        refused = e2b_mma_refuses(call, &problem);
    }
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

enum e2b_status e2b_conv_mma_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_mma_problem problem = problem_of(call);
    return e2b_mma_emit(call, &problem, out, err);
}

double e2b_conv_mma_cost(const struct e2b_call *call) {
    struct e2b_mma_problem problem = problem_of(call);
    return e2b_mma_cost(call, &problem);
}
