#include "runtime/model/passes.h"

#include "kernels/activation.h"

const struct e2b_shape *e2b_shape_of(const struct e2b_network *net, int value) {
    return &net->graph.values[value].tensor.shape;
}

bool e2b_node_has_input(const struct e2b_node *node, int input) {
    return input < node->input_count && node->inputs[input] >= 0;
}

int e2b_sole_producer(const struct e2b_network *net, int value) {
    if (value < 0)
        return -1;
    int node = net->graph.values[value].producer;
    if (node < 0 || !net->graph.nodes[node].op || e2b_network_use_count(net, value) != 1)
        return -1;
    return node;
}

struct e2b_epilogue *e2b_node_epilogue(const struct e2b_node *node) {
    if (!node->op->has_epilogue)
        return NULL;
    return (struct e2b_epilogue *)((char *)node->params + node->op->epilogue_offset);
}

bool e2b_epilogue_is_free(const struct e2b_node *node) {
    const struct e2b_epilogue *epilogue = e2b_node_epilogue(node);
    return epilogue && epilogue->activation.kind == E2B_ACT_IDENTITY
        && epilogue->residual_input == 0;
}

void e2b_take_over(struct e2b_network *net, int into, int from) {
    e2b_network_set_output(net, into, 0, net->graph.nodes[from].outputs[0]);
    net->graph.nodes[from].op = NULL;
}

enum e2b_status e2b_make_view(
    struct e2b_network *net, struct e2b_node *node, struct e2b_error *err) {
    struct e2b_op *view = e2b_arena_alloc(&net->arena, sizeof *view);
    if (!view)
        return e2b_fail_memory(err, "a graph");
    *view = *node->op;
    view->layout = E2B_LAYOUT_VIEW;
    view->variants = NULL;
    node->op = view;
    return E2B_OK;
}

enum e2b_status e2b_pass_drop_views(struct e2b_network *net, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; i < graph->node_count; i++) {
        struct e2b_node *node = &graph->nodes[i];
        if (node->op->layout != E2B_LAYOUT_VIEW)
            continue;
        const struct e2b_tensor *in = &graph->values[node->inputs[0]].tensor;
        const struct e2b_tensor *out = &graph->values[node->outputs[0]].tensor;
        if (e2b_shape_equal(&in->shape, &out->shape) && in->dtype == out->dtype)
            e2b_network_replace(net, node->outputs[0], node->inputs[0]);
    }
    return e2b_network_tidy(net, err);
}
