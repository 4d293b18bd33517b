#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "runtime/model/infer.h"
#include "runtime/model/passes.h"

#include <inttypes.h>
#include <stdlib.h>

static int64_t pixels_of(const struct e2b_shape *shape) {
    int64_t pixels = 1;
    for (int i = 2; i < shape->rank; i++)
        pixels *= shape->dims[i];
    return pixels;
}

/* A convolution of each pixel alone by constant weights. */
static bool is_pointwise(const struct e2b_network *net, const struct e2b_node *node) {
    if (node->op != &e2b_op_conv || e2b_node_has_input(node, E2B_CONV_RESIDUAL))
        return false;
    const struct e2b_conv_params *params = node->params;
    const struct e2b_shape *weights = e2b_shape_of(net, node->inputs[E2B_CONV_W]);
    bool has_pad = false;
    for (int i = 0; i < 4; i++)
        has_pad |= params->pad[i] != 0;
    return net->graph.values[node->inputs[E2B_CONV_W]].constant && params->group == 1 && !has_pad
        && params->stride[0] == 1 && params->stride[1] == 1 && pixels_of(weights) == 1
        && (!e2b_node_has_input(node, E2B_CONV_BIAS)
            || net->graph.values[node->inputs[E2B_CONV_BIAS]].constant);
}

static bool is_average(const struct e2b_node *node) {
    return node->op == &e2b_op_pool && ((const struct e2b_pool_params *)node->params)->average;
}

static bool has_pad(const struct e2b_pool_params *pool) {
    return pool->pad[0] || pool->pad[1] || pool->pad[2] || pool->pad[3];
}

/* Whether each mean is of numbers of the image only: a bias is the same before and after. */
static bool keeps_constants(const struct e2b_pool_params *pool) {
    return !pool->include_pad || (!has_pad(pool) && !pool->ceil_mode);
}

/* Whether each mean is the same sum, zeros beyond the edge: then it is a convolution. */
static bool is_uniform(const struct e2b_pool_params *pool) {
    return !pool->ceil_mode && (pool->include_pad || !has_pad(pool));
}

/* The second node, which alone reads the first one's output, runs before it. */
static enum e2b_status swap(struct e2b_network *net, int first, int second, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    int input = nodes[first].inputs[0], between = nodes[first].outputs[0];
    int output = nodes[second].outputs[0];
    nodes[second].inputs[0] = input;
    nodes[first].inputs[0] = between;
    e2b_network_set_output(net, second, 0, between);
    e2b_network_set_output(net, first, 0, output);
    return e2b_network_infer_node(net, second, err) == E2B_OK
        ? e2b_network_infer_node(net, first, err)
        : err->status;
}

/* One weight for each tap of so many channels. */
static int add_taps(struct e2b_network *net, const struct e2b_pool_params *pool,
    const struct e2b_shape *shape, enum e2b_dtype dtype, struct e2b_error *err) {
    int64_t taps = pool->kernel[0] * pool->kernel[1], channels = shape->dims[1];
    struct e2b_shape weights = {.rank = shape->rank, .dims = {channels, 1, pool->kernel[0]}};
    weights.dims[shape->rank - 1] = pool->kernel[1]; /* of images of rank 3 the only one */
    struct e2b_text recipe = {0};
    e2b_text_add(&recipe, "mean %d %s %" PRId64 " of %" PRId64 " x %" PRId64, shape->rank,
        e2b_dtype_name(dtype), channels, pool->kernel[0], pool->kernel[1]);
    const struct e2b_constant *made = e2b_constants_find(net->constants, &recipe);
    double *values = made ? NULL : malloc((size_t)(channels * taps) * sizeof *values);
    for (int64_t i = 0; values && i < channels * taps; i++)
        values[i] = 1.0 / (double)taps;
    if (values)
        e2b_constants_add_doubles(net->constants, dtype, &weights, values, &recipe, &made, err);
    else if (!made)
        e2b_fail_memory(err, "the weights of a mean");
    free(values);
    e2b_text_finish(&recipe);
    return err->status == E2B_OK ? e2b_network_add_constant(net, "mean", made, err) : -1;
}

/* The pool becomes a depthwise convolution, with bias and epilogue of the pointwise one before. */
static enum e2b_status convolve(
    struct e2b_network *net, int pool, int pointwise, struct e2b_error *err) {
    struct e2b_pool_params from = *(const struct e2b_pool_params *)net->graph.nodes[pool].params;
    int input = net->graph.nodes[pool].inputs[0], output = net->graph.nodes[pool].outputs[0];
    int taps =
        add_taps(net, &from, e2b_shape_of(net, input), net->graph.values[input].tensor.dtype, err);
    int made = taps < 0 ? -1
                        : e2b_network_add_node(net, &e2b_op_conv, net->graph.nodes[pool].name,
                            E2B_CONV_BIAS + 1, 1, err);
    if (made < 0)
        return err->status;
    struct e2b_node *node = &net->graph.nodes[made], *before = &net->graph.nodes[pointwise];
    struct e2b_conv_params *params = node->params, *plain = before->params;
    params->rank = e2b_shape_of(net, input)->rank - 2;
    params->group = e2b_shape_of(net, input)->dims[1];
    for (int i = 0; i < 2; i++) {
        params->stride[i] = from.stride[i];
        params->dilation[i] = from.dilation[i];
    }
    for (int i = 0; i < 4; i++)
        params->pad[i] = from.pad[i];
    params->epilogue = plain->epilogue;
    plain->epilogue = (struct e2b_epilogue){0};
    node->inputs[E2B_CONV_X] = input;
    node->inputs[E2B_CONV_W] = taps;
    if (e2b_node_has_input(before, E2B_CONV_BIAS)) {
        node->inputs[E2B_CONV_BIAS] = before->inputs[E2B_CONV_BIAS];
        before->inputs[E2B_CONV_BIAS] = -1;
    }
    net->graph.nodes[pool].op = NULL;
    e2b_network_set_output(net, made, 0, output);
    return e2b_network_infer_node(net, made, err);
}

/* Means of many channels, of which a convolution makes fewer. */
static enum e2b_status put_pool_last(
    struct e2b_network *net, int pool, int pointwise, struct e2b_error *err) {
    const struct e2b_node *conv = &net->graph.nodes[pointwise];
    const struct e2b_pool_params *params = net->graph.nodes[pool].params;
    const struct e2b_shape *in = e2b_shape_of(net, net->graph.nodes[pool].inputs[0]);
    const struct e2b_shape *out = e2b_shape_of(net, conv->outputs[0]);
    if (out->dims[1] >= in->dims[1] || pixels_of(out) < pixels_of(in))
        return E2B_OK;
    bool is_linear = e2b_epilogue_is_free(conv);
    if (is_linear && (keeps_constants(params) || !e2b_node_has_input(conv, E2B_CONV_BIAS)))
        return swap(net, pool, pointwise, err);
    if (!is_uniform(params))
        return E2B_OK;
    return swap(net, pool, pointwise, err) == E2B_OK ? convolve(net, pool, pointwise, err)
                                                     : err->status;
}

/* Many pixels convolved, of which means make fewer. */
static enum e2b_status put_pool_first(
    struct e2b_network *net, int pointwise, int pool, struct e2b_error *err) {
    const struct e2b_node *conv = &net->graph.nodes[pointwise];
    const struct e2b_pool_params *params = net->graph.nodes[pool].params;
    const struct e2b_shape *in = e2b_shape_of(net, conv->inputs[E2B_CONV_X]);
    const struct e2b_shape *out = e2b_shape_of(net, net->graph.nodes[pool].outputs[0]);
    if (pixels_of(out) >= pixels_of(in) || in->dims[1] > 4 * out->dims[1]
        || !e2b_epilogue_is_free(conv)
        || (e2b_node_has_input(conv, E2B_CONV_BIAS) && !keeps_constants(params)))
        return E2B_OK;
    return swap(net, pointwise, pool, err);
}

enum e2b_status e2b_pass_pool(struct e2b_network *net, struct e2b_error *err) {
    int count = net->graph.node_count;
    for (int i = 0; i < count && err->status == E2B_OK; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        bool may_swap = node->op == &e2b_op_conv || node->op == &e2b_op_pool;
        int before = may_swap ? e2b_sole_producer(net, node->inputs[0]) : -1;
        if (before < 0)
            continue;
        if (is_pointwise(net, node) && is_average(&net->graph.nodes[before]))
            put_pool_last(net, before, i, err);
        else if (is_average(node) && is_pointwise(net, &net->graph.nodes[before]))
            put_pool_first(net, before, i, err);
    }
    return err->status == E2B_OK ? e2b_network_tidy(net, err) : err->status;
}
