#include "kernels/gemm/gemm.h"
#include "kernels/norm/norm.h"
#include "runtime/model/infer.h"
#include "runtime/model/passes.h"

#define DEPTH_ALIGN 8 /* of products that are fast, so that it pays */

static int input_of(const struct e2b_node *node, int input) {
    return input < node->input_count ? node->inputs[input] : -1;
}

/* A product by one constant matrix. */
static bool is_projection(const struct e2b_network *net, const struct e2b_node *node) {
    if (node->op != &e2b_op_matmul)
        return false;
    const struct e2b_constant *weights = net->graph.values[node->inputs[E2B_GEMM_B]].constant;
    const struct e2b_shape *a = e2b_shape_of(net, node->inputs[E2B_GEMM_A]);
    int bias = input_of(node, E2B_GEMM_BIAS);
    return weights && weights->shape.rank == 2 && a->rank >= 2
        && a->dims[a->rank - 1] % DEPTH_ALIGN == 0 && weights->shape.dims[1] % DEPTH_ALIGN == 0
        && (bias < 0 || net->graph.values[bias].constant);
}

/* Over the last dimension, with constant scale and shift of a number for each of its elements. */
static bool is_row_norm(const struct e2b_network *net, const struct e2b_node *node) {
    if (node->op != &e2b_op_layer_norm)
        return false;
    const struct e2b_layer_norm_params *params = node->params;
    const struct e2b_shape *x = e2b_shape_of(net, node->inputs[0]);
    int64_t length = x->dims[x->rank - 1];
    if (params->axis != x->rank - 1 || length % E2B_GEMM_BLOCK || length > E2B_GEMM_LONGEST_ROW)
        return false;
    for (int i = 1; i < 3; i++) {
        int value = input_of(node, i);
        if (value < 0 || !net->graph.values[value].constant || e2b_shape_of(net, value)->rank != 1)
            return false;
    }
    return true;
}

/* Whether the node can normalise what it reads as `input`. */
static bool can_normalise(const struct e2b_network *net, const struct e2b_node *node, int input) {
    int sums = input == E2B_GEMM_A ? E2B_GEMM_A_SUMS : E2B_GEMM_RESIDUAL_SUMS;
    return (input == E2B_GEMM_A || input == E2B_GEMM_RESIDUAL) && is_projection(net, node)
        && input_of(node, sums) < 0;
}

/* Whether every reader of the value is a product that can normalise it. */
static bool is_absorbed(const struct e2b_network *net, int value) {
    const struct e2b_graph *graph = &net->graph;
    int readers = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; graph->nodes[i].op && k < graph->nodes[i].input_count; k++) {
            if (graph->nodes[i].inputs[k] != value)
                continue;
            if (!can_normalise(net, &graph->nodes[i], k))
                return false;
            readers++;
        }
    return readers > 0 && readers == e2b_network_use_count(net, value);
}

/* The sums of the rows that node `index` makes, which it may tell already; -1 on failure. */
static int sums_of(struct e2b_network *net, int index, struct e2b_error *err) {
    struct e2b_node *node = &net->graph.nodes[index];
    if (node->output_count > 1)
        return node->outputs[1];
    int value = e2b_network_add_value(net, node->name, err);
    if (value < 0 || e2b_network_grow_outputs(net, index, 2, err) != E2B_OK)
        return -1;
    e2b_network_set_output(net, index, 1, value);
    return e2b_network_infer_node(net, index, err) == E2B_OK ? value : -1;
}

/* Node `reader` takes x and its sums where it took the norm's result. */
static enum e2b_status absorb(struct e2b_network *net, int reader, int input,
    const struct e2b_node *norm, int sums, struct e2b_error *err) {
    bool is_a = input == E2B_GEMM_A;
    int first = is_a ? E2B_GEMM_A_SUMS : E2B_GEMM_RESIDUAL_SUMS;
    if (e2b_network_grow_inputs(net, reader, first + 3, err) != E2B_OK)
        return err->status;
    struct e2b_node *node = &net->graph.nodes[reader];
    struct e2b_gemm_params *params = node->params;
    *(is_a ? &params->a_epsilon : &params->residual_epsilon) =
        ((const struct e2b_layer_norm_params *)norm->params)->epsilon;
    node->inputs[input] = norm->inputs[0];
    node->inputs[first] = sums;
    node->inputs[first + 1] = norm->inputs[1];
    node->inputs[first + 2] = norm->inputs[2];
    return e2b_network_infer_node(net, reader, err);
}

static enum e2b_status absorb_all(struct e2b_network *net, int index, struct e2b_error *err) {
    const struct e2b_node norm = net->graph.nodes[index];
    int sums = sums_of(net, net->graph.values[norm.inputs[0]].producer, err);
    net->graph.nodes[index].op = NULL;
    for (int i = 0; sums >= 0 && i < net->graph.node_count; i++)
        for (int k = 0; net->graph.nodes[i].op && k < net->graph.nodes[i].input_count; k++)
            if (net->graph.nodes[i].inputs[k] == norm.outputs[0]
                && absorb(net, i, k, &norm, sums, err) != E2B_OK)
                return err->status;
    return err->status;
}

enum e2b_status e2b_pass_norm(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; options->sums_rows && i < graph->node_count; i++) {
        if (!graph->nodes[i].op || !is_row_norm(net, &graph->nodes[i]))
            continue;
        int producer = graph->values[graph->nodes[i].inputs[0]].producer;
        if (producer < 0 || !graph->nodes[producer].op
            || !is_projection(net, &graph->nodes[producer])
            || !is_absorbed(net, graph->nodes[i].outputs[0]))
            continue;
        if (absorb_all(net, i, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}
