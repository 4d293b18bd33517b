#include "kernels/conv/expand_depthwise.h"
#include "runtime/model/passes.h"

#include <string.h>

static bool is_plain_conv(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    if (node->op != &e2b_op_conv)
        return false;
    const struct e2b_conv_params *params = node->params;
    for (int i = E2B_CONV_W; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !net->graph.values[node->inputs[i]].constant)
            return false;
    return params->epilogue.residual_input == 0 && params->rank != 1;
}

static bool is_depthwise(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    const struct e2b_shape *x = &net->graph.values[node->inputs[E2B_CONV_X]].tensor.shape;
    const struct e2b_shape *y = &net->graph.values[node->outputs[0]].tensor.shape;
    int64_t group = ((const struct e2b_conv_params *)node->params)->group;
    return x->rank == 4 && group > 1 && x->dims[1] == group && y->dims[1] == group;
}

static bool is_expansion(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    const struct e2b_conv_params *params = node->params;
    static const int64_t none[4];
    const struct e2b_shape *x = &net->graph.values[node->inputs[E2B_CONV_X]].tensor.shape;
    const struct e2b_shape *y = &net->graph.values[node->outputs[0]].tensor.shape;
    return params->group == 1 && params->kernel[0] == 1 && params->kernel[1] == 1
        && params->stride[0] == 1 && params->stride[1] == 1
        && !memcmp(params->pad, none, sizeof none) && x->dims[1] < y->dims[1];
}

static bool have_one_activation(const struct e2b_node *a, const struct e2b_node *b) {
    return !memcmp(&e2b_node_epilogue(a)->activation, &e2b_node_epilogue(b)->activation,
        sizeof(struct e2b_activation));
}

static enum e2b_status fuse(
    struct e2b_network *net, int expansion, int depthwise, struct e2b_error *err) {
    int count = E2B_EXPAND_BIAS + 1;
    if (e2b_network_grow_inputs(net, depthwise, count, err) != E2B_OK)
        return err->status;
    struct e2b_node *node = &net->graph.nodes[depthwise], *first = &net->graph.nodes[expansion];
    node->op = &e2b_op_expand_depthwise;
    node->inputs[E2B_CONV_X] = first->inputs[E2B_CONV_X];
    node->inputs[E2B_CONV_RESIDUAL] = -1;
    node->inputs[E2B_EXPAND_W] = first->inputs[E2B_CONV_W];
    node->inputs[E2B_EXPAND_BIAS] =
        first->input_count > E2B_CONV_BIAS ? first->inputs[E2B_CONV_BIAS] : -1;
    first->op = NULL;
    return E2B_OK;
}

enum e2b_status e2b_pass_expand(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; options->core_caches && i < graph->node_count; i++) {
        if (!graph->nodes[i].op || !is_plain_conv(net, i) || !is_depthwise(net, i))
            continue;
        int between = graph->nodes[i].inputs[E2B_CONV_X], first = e2b_sole_producer(net, between);
        if (first < 0 || !is_plain_conv(net, first) || !is_expansion(net, first)
            || !have_one_activation(&graph->nodes[first], &graph->nodes[i]))
            continue;
        if (fuse(net, first, i, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}
