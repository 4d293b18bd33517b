#include "kernels/conv/conv.h"
#include "kernels/pool/pool.h"
#include "runtime/model/passes.h"

#include <string.h>

/* Whether each of the pool's windows is a part of its own of the image, and lies inside. */
static bool is_partition(const struct e2b_network *net, const struct e2b_node *node) {
    const struct e2b_pool_params *pool = node->params;
    const struct e2b_shape *in = e2b_shape_of(net, node->inputs[0]);
    const struct e2b_shape *out = e2b_shape_of(net, node->outputs[0]);
    if (pool->average || in->rank != 4)
        return false;
    for (int axis = 0; axis < 2; axis++)
        if (pool->kernel[axis] != pool->stride[axis] || pool->dilation[axis] != 1
            || pool->pad[axis] != 0
            || out->dims[2 + axis] * pool->kernel[axis] > in->dims[2 + axis])
            return false;
    return true;
}

static bool can_pool(const struct e2b_network *net, int conv) {
    const struct e2b_node *node = &net->graph.nodes[conv];
    return node->op == &e2b_op_conv && !e2b_node_has_input(node, E2B_CONV_RESIDUAL);
}

/* Whether it pays; then the convolution has the pool. */
static bool add_pool(struct e2b_network *net, const struct e2b_traits *traits, int conv, int pool) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(&net->graph, conv, inputs, outputs, &call);
    struct e2b_conv_params *params = call.params;
    const struct e2b_pool_params *from = net->graph.nodes[pool].params;
    memcpy(params->pool, from->kernel, sizeof params->pool);
    outputs[0].tensor = net->graph.values[net->graph.nodes[pool].outputs[0]].tensor;
    call.traits = traits;
    if (e2b_conv_pools(&call))
        return true;
    memset(params->pool, 0, sizeof params->pool);
    return false;
}

enum e2b_status e2b_pass_max_pool(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    for (int i = 0; options->traits && i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        if (node->op != &e2b_op_pool || !is_partition(net, node))
            continue;
        int conv = e2b_sole_producer(net, node->inputs[0]);
        if (conv >= 0 && can_pool(net, conv) && add_pool(net, options->traits, conv, i))
            e2b_take_over(net, conv, i);
    }
    return e2b_network_tidy(net, err);
}
