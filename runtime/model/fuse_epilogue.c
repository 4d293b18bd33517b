#include "kernels/activation.h"
#include "kernels/binary/binary.h"
#include "kernels/pointwise/activation_op.h"
#include "runtime/model/passes.h"

static const struct e2b_tensor *tensor_of(const struct e2b_network *net, int value) {
    return &net->graph.values[value].tensor;
}

/* The sum of two float tensors. */
static bool is_sum(const struct e2b_network *net, const struct e2b_node *node) {
    return node->op == &e2b_op_binary && node->input_count == 2
        && ((const struct e2b_binary_params *)node->params)->kind == E2B_BINARY_ADD
        && e2b_dtype_is_float(tensor_of(net, node->outputs[0])->dtype)
        && e2b_epilogue_is_free(node);
}

/* The node that makes the value, or a residual of it that nothing else reads, and can add one more
 * tensor; -1 if there is none. */
static int find_adder(const struct e2b_network *net, int value) {
    for (;;) {
        int producer = e2b_sole_producer(net, value);
        const struct e2b_node *node = producer < 0 ? NULL : &net->graph.nodes[producer];
        if (!node || node->op->residual_input == 0)
            return -1;
        const struct e2b_epilogue *epilogue = e2b_node_epilogue(node);
        if (epilogue->activation.kind != E2B_ACT_IDENTITY)
            return -1;
        if (epilogue->residual_input == 0)
            return producer;
        value = node->inputs[epilogue->residual_input];
    }
}

/* Whether the node, whose output is shaped like a sum, can add `other` for it. */
static bool can_add(const struct e2b_network *net, const struct e2b_node *node, int other,
    const struct e2b_shape *sum) {
    bool same = e2b_shape_equal(&tensor_of(net, other)->shape, sum);
    return e2b_shape_equal(&tensor_of(net, node->outputs[0])->shape, sum)
        && (node->op->residual_broadcasts || (same && !net->graph.values[other].constant));
}

/* Let the producer of operand `side` of the sum, or of its residual, add the other operand; false
 * if it cannot. */
static bool fuse_residual(struct e2b_network *net, int sum, int side, struct e2b_error *err) {
    struct e2b_node *nodes = net->graph.nodes;
    int value = nodes[sum].inputs[side], other = nodes[sum].inputs[1 - side];
    int adder = find_adder(net, value), output = nodes[sum].outputs[0];
    if (adder < 0 || net->graph.values[value].constant
        || !can_add(net, &nodes[adder], other, &tensor_of(net, output)->shape))
        return false;
    int input = nodes[adder].op->residual_input;
    if (e2b_network_grow_inputs(net, adder, input + 1, err) != E2B_OK)
        return false;
    nodes[adder].inputs[input] = other;
    e2b_node_epilogue(&nodes[adder])->residual_input = input;
    int producer = net->graph.values[value].producer;
    nodes[sum] = nodes[producer];
    nodes[producer].op = NULL;
    e2b_network_set_output(net, sum, 0, output);
    return true;
}

enum e2b_status e2b_pass_residual(struct e2b_network *net, struct e2b_error *err) {
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        if (!node->op || !is_sum(net, node))
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
