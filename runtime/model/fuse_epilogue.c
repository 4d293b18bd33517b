#include "kernels/activation.h"
#include "kernels/binary/binary.h"
#include "kernels/pointwise/activation_op.h"
#include "runtime/model/passes.h"

static const struct e2b_tensor *tensor_of(const struct e2b_network *net, int value) {
    return &net->graph.values[value].tensor;
}

/* The sum of two varying float tensors, neither of them broadcast. */
static bool is_plain_sum(const struct e2b_network *net, const struct e2b_node *node) {
    if (node->op != &e2b_op_binary || node->input_count != 2
        || ((const struct e2b_binary_params *)node->params)->kind != E2B_BINARY_ADD)
        return false;
    const struct e2b_tensor *out = tensor_of(net, node->outputs[0]);
    for (int k = 0; k < 2; k++)
        if (net->graph.values[node->inputs[k]].constant
            || !e2b_shape_equal(&tensor_of(net, node->inputs[k])->shape, &out->shape))
            return false;
    return e2b_dtype_is_float(out->dtype) && e2b_epilogue_is_free(node);
}

/* Let the producer of operand `side` of the sum add the other operand; false if it cannot. */
static bool fuse_residual(struct e2b_network *net, int sum, int side, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    int producer = e2b_sole_producer(net, nodes[sum].inputs[side]);
    if (producer < 0 || nodes[producer].op->residual_input == 0
        || !e2b_epilogue_is_free(&nodes[producer]))
        return false;
    int input = nodes[producer].op->residual_input, other = nodes[sum].inputs[1 - side];
    if (e2b_network_grow_inputs(net, producer, input + 1, err) != E2B_OK)
        return false;
    int output = nodes[sum].outputs[0];
    nodes[sum] = nodes[producer];
    nodes[producer].op = NULL;
    nodes[sum].inputs[input] = other;
    e2b_node_epilogue(&nodes[sum])->residual_input = input;
    e2b_network_set_output(net, sum, 0, output);
    return true;
}

enum e2b_status e2b_pass_residual(struct e2b_network *net, struct e2b_error *err) {
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        if (!node->op || !is_plain_sum(net, node))
            continue;
        /* The later producer first: what it adds is alive then anyway. */
        int later = net->graph.values[node->inputs[1]].producer
            > net->graph.values[node->inputs[0]].producer;
        if (!fuse_residual(net, i, later, err))
            fuse_residual(net, i, !later, err);
        if (err->status != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}

enum e2b_status e2b_pass_activation(struct e2b_network *net, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const struct e2b_node *node = &graph->nodes[i];
        if (node->op != &e2b_op_activation)
            continue;
        int producer = e2b_sole_producer(net, node->inputs[0]);
        if (producer < 0 || !e2b_dtype_is_float(tensor_of(net, node->outputs[0])->dtype)
            || !e2b_dtype_is_float(tensor_of(net, node->inputs[0])->dtype))
            continue;
        struct e2b_epilogue *epilogue = e2b_node_epilogue(&graph->nodes[producer]);
        if (!epilogue || epilogue->activation.kind != E2B_ACT_IDENTITY)
            continue;
        epilogue->activation = *(const struct e2b_activation *)node->params;
        e2b_take_over(net, producer, i);
    }
    return e2b_network_tidy(net, err);
}
