#include "kernels/conv/variants.h"

#include <stdio.h>

bool e2b_conv_direct_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    const char *refused = e2b_conv_refuses_result(call);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

/* Weights by strides: channel out, channel in, row, column. */
static void add_weight_strides(const struct e2b_call *call, struct e2b_launch *launch) {
    const struct e2b_operand *weights = &call->inputs[E2B_CONV_W];
    int64_t stride[E2B_MAX_RANK];
    e2b_operand_strides(weights, stride);
    int rank = weights->tensor.shape.rank;
    e2b_launch_int(launch, stride[0]);
    e2b_launch_int(launch, stride[1]);
    e2b_launch_int(launch, rank == 4 ? stride[2] : 0);
    e2b_launch_int(launch, stride[rank - 1]);
}

enum e2b_status e2b_conv_direct_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_conv_geometry g;
    e2b_conv_geometry(call, &g);
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    int64_t rows = e2b_conv_pool_side(call->params, 0),
            columns = e2b_conv_pool_side(call->params, 1);
    char more[80];
    snprintf(more, sizeof more, "-DDIRECT%s -DPOOL_H=%d -DPOOL_W=%d",
        e2b_has_input(call, E2B_CONV_BIAS) ? " -DBIAS" : "", (int)rows, (int)columns);
    struct e2b_launch *launch = e2b_conv_launch(call, out, &e2b_source_conv, "conv_direct", more);
    if (!launch)
        return e2b_fail_memory(err, "a convolution's launch");
    if (e2b_launch_operand(out, launch, call, E2B_CONV_W, dtype, err) != E2B_OK
        || e2b_launch_operand(out, launch, call, E2B_CONV_BIAS, dtype, err) != E2B_OK)
        return err->status;
    add_weight_strides(call, launch);
    e2b_launch_int(launch, call->inputs[E2B_CONV_X].tensor.stride[1]);
    e2b_conv_add_geometry(call, launch);
    e2b_launch_grid(launch, (size_t)e2b_conv_channels_end(call),
        (size_t)(g.oh / rows * (g.ow / columns)), (size_t)g.n);
    e2b_launch_group(launch, 16, 4, 1);
    return E2B_OK;
}
