#include "kernels/binary/binary.h"
#include "kernels/pointwise/activation_op.h"
#include "runtime/model/passes.h"

#include <math.h>
#include <string.h>

#define POINTS 33
#define MAX_DEPTH 10
#define MAX_CANDIDATES 16
#define TOLERANCE 1e-5

static const struct e2b_activation known[] = {
    {E2B_ACT_SILU, 0, 0},
    {E2B_ACT_HARD_SWISH, 0, 0},
    {E2B_ACT_GELU, 0, 0},
    {E2B_ACT_GELU_TANH, 0, 0},
    {E2B_ACT_HARD_SIGMOID, 1.0f / 6, 0.5f},
};

/* A chain seen as a function of the value `from`, sampled. */
struct chain {
    const struct e2b_network *net;
    int from;
    double x[POINTS];
};

static bool is_pointwise(const struct e2b_node *node) {
    return node->op == &e2b_op_activation || node->op == &e2b_op_binary;
}

/* -8, -7.5, ... 8: bends of the known functions lie between and beyond. */
static void fill_points(struct chain *chain) {
    for (int i = 0; i < POINTS; i++)
        chain->x[i] = -8 + 16.0 * i / (POINTS - 1);
}

static bool evaluate(const struct chain *chain, int value, int depth, double *out);

static bool evaluate_node(
    const struct chain *chain, const struct e2b_node *node, int depth, double *out) {
    struct e2b_operand inputs[3] = {0};
    struct e2b_operand output = {
        .present = true, .tensor = {.dtype = E2B_F32, .shape = {.rank = 1, .dims = {POINTS}}}};
    double values[3][POINTS];
    const double *in[3] = {0};
    if (node->input_count > 3)
        return false;
    for (int k = 0; k < node->input_count; k++) {
        if (node->inputs[k] < 0)
            continue;
        if (!evaluate(chain, node->inputs[k], depth, values[k]))
            return false;
        inputs[k] = output;
        in[k] = values[k];
    }
    const struct e2b_call call = {.op = node->op,
        .name = node->name,
        .params = node->params,
        .input_count = node->input_count,
        .output_count = 1,
        .inputs = inputs,
        .outputs = &output};
    node->op->reference(&call, in, &out);
    return true;
}

/* The value at the sample points; false if it is no function of chain->from alone. */
static bool evaluate(const struct chain *chain, int value, int depth, double *out) {
    const struct e2b_graph *graph = &chain->net->graph;
    const struct e2b_value *v = &graph->values[value];
    double scalar;
    if (value == chain->from) {
        memcpy(out, chain->x, sizeof chain->x);
        return true;
    }
    if (v->constant) {
        if (!e2b_constant_scalar(v->constant, &scalar))
            return false;
        for (int i = 0; i < POINTS; i++)
            out[i] = scalar;
        return true;
    }
    return depth > 0 && v->producer >= 0 && is_pointwise(&graph->nodes[v->producer])
        && e2b_dtype_is_float(v->tensor.dtype)
        && e2b_shape_equal(&v->tensor.shape, &graph->values[chain->from].tensor.shape)
        && evaluate_node(chain, &graph->nodes[v->producer], depth - 1, out);
}

static const struct e2b_activation *match(const struct chain *chain, const double *y) {
    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        bool same = true;
        for (int i = 0; same && i < POINTS; i++) {
            double wanted = e2b_activation_apply(&known[k], chain->x[i]);
            same = fabs(y[i] - wanted) <= TOLERANCE * (1 + fabs(wanted));
        }
        if (same)
            return &known[k];
    }
    return NULL;
}

/* Values from which the chain that ends in `value` may start, nearest first. */
static int collect_candidates(const struct e2b_graph *graph, int value, int *candidates) {
    int count = 1;
    candidates[0] = value;
    for (int i = 0; i < count; i++) {
        int producer = graph->values[candidates[i]].producer;
        if (producer < 0 || !is_pointwise(&graph->nodes[producer]))
            continue;
        const struct e2b_node *node = &graph->nodes[producer];
        for (int k = 0; k < node->input_count && count < MAX_CANDIDATES; k++)
            if (node->inputs[k] >= 0 && !graph->values[node->inputs[k]].constant)
                candidates[count++] = node->inputs[k];
    }
    return count;
}

static bool is_root(const struct e2b_network *net, const struct e2b_node *node) {
    if (node->op != &e2b_op_binary || !e2b_epilogue_is_free(node))
        return false;
    int kind = (int)((const struct e2b_binary_params *)node->params)->kind;
    return (kind == E2B_BINARY_MUL || kind == E2B_BINARY_DIV)
        && e2b_dtype_is_float(net->graph.values[node->outputs[0]].tensor.dtype);
}

static enum e2b_status become(struct e2b_network *net, int index, int from,
    const struct e2b_activation *activation, struct e2b_error *err) {
    const struct e2b_node old = net->graph.nodes[index];
    int node = e2b_network_add_node(net, &e2b_op_activation, old.name, 1, 1, err);
    if (node < 0)
        return err->status;
    struct e2b_node *made = &net->graph.nodes[node];
    *(struct e2b_activation *)made->params = *activation;
    made->opset = old.opset;
    made->inputs[0] = from;
    made->outputs[0] = old.outputs[0];
    net->graph.nodes[index] = *made;
    made->op = NULL;
    return E2B_OK;
}

static enum e2b_status recognise(struct e2b_network *net, int index, struct e2b_error *err) {
    int output = net->graph.nodes[index].outputs[0], candidates[MAX_CANDIDATES];
    int count = collect_candidates(&net->graph, output, candidates);
    struct chain chain = {.net = net};
    fill_points(&chain);
    for (int i = 1; i < count; i++) {
        double y[POINTS];
        chain.from = candidates[i];
        const struct e2b_activation *found =
            evaluate(&chain, output, MAX_DEPTH, y) ? match(&chain, y) : NULL;
        if (found)
            return become(net, index, candidates[i], found, err);
    }
    return E2B_OK;
}

enum e2b_status e2b_pass_recognise(struct e2b_network *net, struct e2b_error *err) {
    int count = net->graph.node_count;
    for (int i = 0; i < count; i++)
        if (net->graph.nodes[i].op && is_root(net, &net->graph.nodes[i])
            && recognise(net, i, err) != E2B_OK)
            return err->status;
    return e2b_network_tidy(net, err);
}
