#include "kernels/binary/binary.h"
#include "kernels/norm/norm.h"
#include "kernels/pointwise/activation_op.h"
#include "kernels/reduce/reduce.h"
#include "runtime/model/passes.h"

#include <string.h>

/* y = (x - mean) / sqrt(variance + epsilon) over the dimensions from axis on. */
struct match {
    int input, axis;
    double epsilon;
};

static const struct e2b_node *producer_of(const struct e2b_network *net, int value) {
    int node = value >= 0 ? net->graph.values[value].producer : -1;
    return node >= 0 && net->graph.nodes[node].op ? &net->graph.nodes[node] : NULL;
}

static bool is_binary(const struct e2b_node *node, enum e2b_binary_kind kind) {
    return node && node->op == &e2b_op_binary && node->input_count == 2
        && e2b_epilogue_is_free(node)
        && ((const struct e2b_binary_params *)node->params)->kind == kind;
}

static bool is_activation(const struct e2b_node *node, enum e2b_activation_kind kind) {
    return node && node->op == &e2b_op_activation
        && ((const struct e2b_activation *)node->params)->kind == kind;
}

/* The value whose mean over its last dimensions `value` is, kept as ones; -1 if it is no mean. */
static int read_mean(const struct e2b_network *net, int value, int *axis) {
    const struct e2b_node *node = producer_of(net, value);
    if (!node || node->op != &e2b_op_reduce)
        return -1;
    const struct e2b_reduce_params *params = node->params;
    int rank = net->graph.values[node->inputs[0]].tensor.shape.rank;
    *axis = 0;
    while (*axis < rank && !(params->reduced >> *axis & 1))
        ++*axis;
    bool trailing = *axis < rank && params->reduced >> *axis == (1u << (rank - *axis)) - 1;
    return params->kind == E2B_REDUCE_MEAN && params->keep && trailing ? node->inputs[0] : -1;
}

/* The value x of which `value` is x - mean(x); -1 if it is no such difference. */
static int read_centred(const struct e2b_network *net, int value, int *axis) {
    const struct e2b_node *node = producer_of(net, value);
    if (!is_binary(node, E2B_BINARY_SUB))
        return -1;
    int from = read_mean(net, node->inputs[1], axis);
    return from == node->inputs[0] ? from : -1;
}

/* The value of which `value` is the square; -1 if it is none. */
static int read_square(const struct e2b_network *net, int value) {
    const struct e2b_node *node = producer_of(net, value);
    double power = 0;
    if (is_binary(node, E2B_BINARY_MUL) && node->inputs[0] == node->inputs[1])
        return node->inputs[0];
    if (!is_binary(node, E2B_BINARY_POW))
        return -1;
    const struct e2b_constant *constant = net->graph.values[node->inputs[1]].constant;
    return constant && e2b_constant_scalar(constant, &power) && power == 2 ? node->inputs[0] : -1;
}

/* sqrt(mean((x - mean(x))^2) + epsilon) */
static bool read_deviation(const struct e2b_network *net, int value, struct match *out) {
    const struct e2b_node *root = producer_of(net, value);
    const struct e2b_node *sum =
        is_activation(root, E2B_ACT_SQRT) ? producer_of(net, root->inputs[0]) : NULL;
    if (!is_binary(sum, E2B_BINARY_ADD))
        return false;
    for (int side = 0; side < 2; side++) {
        int axis = -1, inner = -1;
        const struct e2b_constant *constant = net->graph.values[sum->inputs[side]].constant;
        int square = read_mean(net, sum->inputs[1 - side], &axis);
        int centred = square >= 0 ? read_square(net, square) : -1;
        out->input = centred >= 0 ? read_centred(net, centred, &inner) : -1;
        out->axis = axis;
        if (constant && e2b_constant_scalar(constant, &out->epsilon) && out->input >= 0
            && inner == axis)
            return true;
    }
    return false;
}

/* (x - mean) / deviation, or times its reciprocal. */
static bool read_normal(const struct e2b_network *net, int value, struct match *out) {
    const struct e2b_node *node = producer_of(net, value);
    bool divides = is_binary(node, E2B_BINARY_DIV);
    if (!divides && !is_binary(node, E2B_BINARY_MUL))
        return false;
    for (int side = divides ? 1 : 0; side < 2; side++) {
        int deviation = node->inputs[side], axis = -1;
        const struct e2b_node *inverse = divides ? NULL : producer_of(net, deviation);
        if (!divides && !is_activation(inverse, E2B_ACT_RECIPROCAL))
            continue;
        if (read_deviation(net, inverse ? inverse->inputs[0] : deviation, out)
            && read_centred(net, node->inputs[1 - side], &axis) == out->input && axis == out->axis)
            return true;
    }
    return false;
}

/* Whether `value` is a constant with one number for each element of a row. */
static bool is_row(const struct e2b_network *net, const struct match *match, int value) {
    const struct e2b_shape *x = &net->graph.values[match->input].tensor.shape;
    struct e2b_shape row = {.rank = x->rank - match->axis};
    memcpy(row.dims, x->dims + match->axis, (size_t)row.rank * sizeof row.dims[0]);
    return net->graph.values[value].constant
        && e2b_shape_equal(&net->graph.values[value].tensor.shape, &row);
}

/* The node that adds a row to `value` and is its only reader; -1 if there is none. */
static int find_bias(
    const struct e2b_network *net, const struct match *match, int value, int *bias) {
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        for (int side = 0; side < 2; side++)
            if (node->op && is_binary(node, E2B_BINARY_ADD) && node->inputs[side] == value
                && is_row(net, match, node->inputs[1 - side])
                && e2b_network_use_count(net, value) == 1) {
                *bias = node->inputs[1 - side];
                return i;
            }
    }
    return -1;
}

/* Node `index`, the product with a scale, becomes the operator; a bias goes into it. */
static enum e2b_status fuse(struct e2b_network *net, int index, int scale,
    const struct match *match, struct e2b_error *err) {
    int bias = -1, output = net->graph.nodes[index].outputs[0];
    int sum = find_bias(net, match, output, &bias);
    const char *name = net->graph.nodes[index].name;
    int node = e2b_network_add_node(net, &e2b_op_layer_norm, name, 3, 1, err);
    if (node < 0)
        return err->status;
    struct e2b_layer_norm_params *params = net->graph.nodes[node].params;
    params->epsilon = (float)match->epsilon;
    params->axis = match->axis;
    const int inputs[] = {match->input, scale, bias};
    memcpy(net->graph.nodes[node].inputs, inputs, sizeof inputs);
    net->graph.nodes[index].op = NULL;
    e2b_network_set_output(net, node, 0, output);
    if (sum >= 0)
        e2b_take_over(net, node, sum);
    return E2B_OK;
}

enum e2b_status e2b_pass_layer_norm(struct e2b_network *net, struct e2b_error *err) {
    int count = net->graph.node_count;
    for (int i = 0; i < count; i++)
        for (int side = 0; side < 2; side++) {
            const struct e2b_node *node = &net->graph.nodes[i];
            struct match match;
            if (!node->op || !is_binary(node, E2B_BINARY_MUL)
                || !read_normal(net, node->inputs[1 - side], &match)
                || !is_row(net, &match, node->inputs[side]))
                continue;
            if (fuse(net, i, node->inputs[side], &match, err) != E2B_OK)
                return err->status;
        }
    return e2b_network_tidy(net, err);
}
