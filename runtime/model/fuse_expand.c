#include "kernels/block/block.h"
#include "kernels/conv/expand_depthwise.h"
#include "runtime/model/passes.h"

#include <string.h>

/* A convolution of images whose weights and bias are constant. */
static bool is_plain_conv(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    if (node->op != &e2b_op_conv)
        return false;
    const struct e2b_conv_params *params = node->params;
    for (int i = E2B_CONV_W; i <= E2B_CONV_BIAS && i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !net->graph.values[node->inputs[i]].constant)
            return false;
    return params->rank != 1 && node->input_count <= E2B_CONV_RESIDUAL + 1;
}

static bool adds_nothing(const struct e2b_network *net, int index) {
    return e2b_node_epilogue(&net->graph.nodes[index])->residual_input == 0;
}

static bool is_depthwise(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    const struct e2b_shape *x = &net->graph.values[node->inputs[E2B_CONV_X]].tensor.shape;
    const struct e2b_shape *y = &net->graph.values[node->outputs[0]].tensor.shape;
    int64_t group = ((const struct e2b_conv_params *)node->params)->group;
    return x->rank == 4 && group > 1 && x->dims[1] == group && y->dims[1] == group;
}

static bool is_full(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    return ((const struct e2b_conv_params *)node->params)->group == 1
        && e2b_shape_of(net, node->inputs[E2B_CONV_X])->rank == 4;
}

static bool is_pointwise(const struct e2b_network *net, int index) {
    const struct e2b_conv_params *params = net->graph.nodes[index].params;
    static const int64_t none[4];
    return is_full(net, index) && params->kernel[0] == 1 && params->kernel[1] == 1
        && params->stride[0] == 1 && params->stride[1] == 1
        && !memcmp(params->pad, none, sizeof none);
}

static bool adds_channels(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    return e2b_shape_of(net, node->inputs[E2B_CONV_X])->dims[1]
        < e2b_shape_of(net, node->outputs[0])->dims[1];
}

static bool have_one_activation(const struct e2b_node *a, const struct e2b_node *b) {
    return !memcmp(&e2b_node_epilogue(a)->activation, &e2b_node_epilogue(b)->activation,
        sizeof(struct e2b_activation));
}

/* The convolution that makes `value` for one reader, or -1. */
static int find_conv(const struct e2b_network *net, int value) {
    int node = e2b_sole_producer(net, value);
    return node >= 0 && is_plain_conv(net, node) && adds_nothing(net, node) ? node : -1;
}

static int find_depthwise(const struct e2b_network *net, int value) {
    int node = find_conv(net, value);
    return node >= 0 && is_depthwise(net, node) ? node : -1;
}

/* The 1x1 convolution that makes another's image for it alone, with its activation, or -1. */
static int find_pointwise(const struct e2b_network *net, int reader) {
    const struct e2b_node *node = &net->graph.nodes[reader];
    int first = find_conv(net, node->inputs[E2B_CONV_X]);
    bool is = first >= 0 && is_pointwise(net, first)
        && have_one_activation(&net->graph.nodes[first], node);
    return is ? first : -1;
}

static int find_expansion(const struct e2b_network *net, int depthwise) {
    int node = find_pointwise(net, depthwise);
    return node >= 0 && adds_channels(net, node) ? node : -1;
}

static int bias_of(const struct e2b_node *node) {
    return e2b_node_has_input(node, E2B_CONV_BIAS) ? node->inputs[E2B_CONV_BIAS] : -1;
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
    node->inputs[E2B_EXPAND_BIAS] = bias_of(first);
    first->op = NULL;
    return E2B_OK;
}

enum e2b_status e2b_pass_expand(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; options->core_caches && i < graph->node_count; i++) {
        if (!graph->nodes[i].op || !is_plain_conv(net, i) || !adds_nothing(net, i)
            || !is_depthwise(net, i))
            continue;
        int first = find_expansion(net, i);
        if (first >= 0 && fuse(net, first, i, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}

/* The projection becomes the block; expansion -1: none. */
static enum e2b_status fuse_block(
    struct e2b_network *net, int expansion, int middle, int projection, struct e2b_error *err) {
    struct e2b_conv_block_params *params = e2b_arena_alloc(&net->arena, sizeof *params);
    if (!params)
        return e2b_fail_memory(err, "a graph");
    if (e2b_network_grow_inputs(net, projection, E2B_BLOCK_INPUTS, err) != E2B_OK)
        return err->status;
    struct e2b_node *nodes = net->graph.nodes, *block = &nodes[projection];
    int residual =
        e2b_node_has_input(block, E2B_CONV_RESIDUAL) ? block->inputs[E2B_CONV_RESIDUAL] : -1;
    const int inputs[] = {nodes[expansion < 0 ? middle : expansion].inputs[E2B_CONV_X],
        expansion < 0 ? -1 : nodes[expansion].inputs[E2B_CONV_W],
        expansion < 0 ? -1 : bias_of(&nodes[expansion]), nodes[middle].inputs[E2B_CONV_W],
        bias_of(&nodes[middle]), block->inputs[E2B_CONV_W], bias_of(block), residual};
    memset(params, 0, sizeof *params);
    params->middle = *(const struct e2b_conv_params *)nodes[middle].params;
    params->epilogue = *e2b_node_epilogue(block);
    params->epilogue.residual_input = residual < 0 ? 0 : E2B_BLOCK_RESIDUAL;
    memcpy(block->inputs, inputs, sizeof inputs);
    block->op = &e2b_op_conv_block;
    block->params = params;
    nodes[middle].op = NULL;
    if (expansion >= 0)
        nodes[expansion].op = NULL;
    return E2B_OK;
}

enum e2b_status e2b_pass_blocks(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; options->joins_blocks && i < graph->node_count; i++) {
        if (!graph->nodes[i].op || !is_plain_conv(net, i) || !is_pointwise(net, i))
            continue;
        int depthwise = find_depthwise(net, graph->nodes[i].inputs[E2B_CONV_X]);
        if (depthwise >= 0
            && fuse_block(net, find_expansion(net, depthwise), depthwise, i, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}

/* Whether the node, a block now, has a variant of one launch that is expected to be faster. */
static bool is_faster(const struct e2b_network *net, const struct e2b_traits *traits, int block) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(&net->graph, block, inputs, outputs, &call);
    call.traits = traits;
    return e2b_block_is_faster(&call);
}

/* The 1x1 convolution from 1x1, by way of a full one, or -1, and that one. */
static int find_first(const struct e2b_network *net, int projection, int *middle) {
    *middle = find_conv(net, net->graph.nodes[projection].inputs[E2B_CONV_X]);
    return *middle >= 0 && is_full(net, *middle) ? find_pointwise(net, *middle) : -1;
}

static enum e2b_status join_bottlenecks(
    struct e2b_network *net, const struct e2b_traits *traits, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    for (int i = 0; i < net->graph.node_count; i++) {
        int middle, first = -1;
        if (nodes[i].op && is_plain_conv(net, i) && is_pointwise(net, i))
            first = find_first(net, i, &middle);
        if (first < 0)
            continue;
        const struct e2b_node parts[] = {nodes[first], nodes[middle], nodes[i]};
        if (fuse_block(net, first, middle, i, err) != E2B_OK)
            return err->status;
        if (is_faster(net, traits, i))
            continue;
        nodes[first] = parts[0];
        nodes[middle] = parts[1];
        nodes[i] = parts[2];
    }
    return E2B_OK;
}

static bool is_block(const struct e2b_network *net, int index) {
    return net->graph.nodes[index].op == &e2b_op_conv_block;
}

/* The node whose result this one alone takes as its residual, or -1. */
static int find_added(const struct e2b_network *net, int index) {
    int input = e2b_node_epilogue(&net->graph.nodes[index])->residual_input;
    int node = input > 0 ? e2b_sole_producer(net, net->graph.nodes[index].inputs[input]) : -1;
    bool is = node >= 0 && (is_block(net, node) || is_plain_conv(net, node))
        && adds_nothing(net, node)
        && e2b_node_epilogue(&net->graph.nodes[node])->activation.kind == E2B_ACT_IDENTITY;
    return is ? node : -1;
}

static bool is_shortcut(const struct e2b_network *net, int conv, int block) {
    const struct e2b_node *nodes = net->graph.nodes;
    return is_block(net, block) && !e2b_node_has_input(&nodes[block], E2B_BLOCK_SHORTCUT_W)
        && is_plain_conv(net, conv) && is_pointwise(net, conv)
        && nodes[conv].inputs[E2B_CONV_X] == nodes[block].inputs[E2B_BLOCK_X];
}

/* Node `into` is either, and adds the other. */
static enum e2b_status take_shortcut(
    struct e2b_network *net, int conv, int block, int into, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    struct e2b_conv_block_params *params = e2b_arena_alloc(&net->arena, sizeof *params);
    int *inputs = e2b_arena_alloc(&net->arena, E2B_BLOCK_INPUTS * sizeof *inputs);
    if (!params || !inputs)
        return e2b_fail_memory(err, "a graph");
    memcpy(params, nodes[block].params, sizeof *params);
    params->epilogue = *e2b_node_epilogue(&nodes[into]);
    params->epilogue.residual_input = 0;
    memcpy(inputs, nodes[block].inputs, E2B_BLOCK_INPUTS * sizeof *inputs);
    inputs[E2B_BLOCK_RESIDUAL] = -1;
    inputs[E2B_BLOCK_SHORTCUT_W] = nodes[conv].inputs[E2B_CONV_W];
    inputs[E2B_BLOCK_SHORTCUT_BIAS] = bias_of(&nodes[conv]);
    nodes[into].op = &e2b_op_conv_block;
    nodes[into].params = params;
    nodes[into].inputs = inputs;
    nodes[into].input_count = E2B_BLOCK_INPUTS;
    nodes[into == conv ? block : conv].op = NULL;
    return E2B_OK;
}

static enum e2b_status take_shortcuts(
    struct e2b_network *net, const struct e2b_traits *traits, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    for (int i = 0; i < net->graph.node_count; i++) {
        int added =
            nodes[i].op && (is_block(net, i) || is_plain_conv(net, i)) ? find_added(net, i) : -1;
        int block = added >= 0 && is_block(net, added) ? added : i;
        int conv = block == i ? added : i;
        if (added < 0 || !is_shortcut(net, conv, block))
            continue;
        const struct e2b_node parts[] = {nodes[conv], nodes[block]};
        if (take_shortcut(net, conv, block, i, err) != E2B_OK)
            return err->status;
        if (is_faster(net, traits, i))
            continue;
        nodes[conv] = parts[0];
        nodes[block] = parts[1];
    }
    return E2B_OK;
}

enum e2b_status e2b_pass_bottlenecks(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    if (options->joins_blocks && options->traits
        && (join_bottlenecks(net, options->traits, err) != E2B_OK
            || take_shortcuts(net, options->traits, err) != E2B_OK))
        return err->status;
    return e2b_network_tidy(net, err);
}
