#include "kernels/conv/conv.h"
#include "kernels/move/move.h"
#include "runtime/model/passes.h"

/* Zeros before and after each spatial dimension of a Pad node; false if it does anything else. */
static bool read_pad(
    const struct e2b_network *net, const struct e2b_node *node, int64_t *before, int64_t *after) {
    const struct e2b_pad_params *params = node->params;
    if (node->op != &e2b_op_pad || params->mode != E2B_PAD_CONSTANT || params->value != 0)
        return false;
    const struct e2b_shape *in = &net->graph.values[node->inputs[0]].tensor.shape;
    const struct e2b_shape *out = &net->graph.values[node->outputs[0]].tensor.shape;
    for (int i = 0; i < in->rank; i++) {
        before[i] = params->before[i];
        after[i] = out->dims[i] - in->dims[i] - before[i];
        if (before[i] < 0 || after[i] < 0 || (i < 2 && before[i] + after[i] > 0))
            return false;
    }
    return true;
}

enum e2b_status e2b_pass_pad(struct e2b_network *net, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; i < graph->node_count; i++) {
        struct e2b_node *node = &graph->nodes[i];
        int64_t before[E2B_MAX_RANK], after[E2B_MAX_RANK];
        int pad = node->op == &e2b_op_conv ? e2b_sole_producer(net, node->inputs[E2B_CONV_X]) : -1;
        if (pad < 0 || !read_pad(net, &graph->nodes[pad], before, after))
            continue;
        struct e2b_conv_params *params = node->params;
        int rank = graph->values[node->inputs[E2B_CONV_X]].tensor.shape.rank;
        for (int dim = 2; dim < rank; dim++) {
            int axis = dim - rank + 2;
            params->pad[axis] += before[dim];
            params->pad[axis + 2] += after[dim];
        }
        params->auto_pad = E2B_PAD_EXPLICIT;
        node->inputs[E2B_CONV_X] = graph->nodes[pad].inputs[0];
    }
    return e2b_network_tidy(net, err);
}
