#include "kernels/conv/conv.h"
#include "kernels/gemm/gemm.h"
#include "kernels/move/move.h"
#include "kernels/view/view.h"
#include "runtime/model/infer.h"
#include "runtime/model/passes.h"

#include <inttypes.h>
#include <string.h>

#define MAX_SIBLINGS 8
#define PART_ALIGN                                                                                 \
    16 /* columns: parts of the joined product are read where they lie, by vectors                 \
        */

/* What matrix products and convolutions have in the same place. */
enum { OPERAND, WEIGHTS, BIAS, RESIDUAL };
_Static_assert((int)E2B_CONV_W == WEIGHTS && (int)E2B_GEMM_B == WEIGHTS, "weights");
_Static_assert((int)E2B_CONV_BIAS == BIAS && (int)E2B_GEMM_BIAS == BIAS, "bias");
_Static_assert(
    (int)E2B_CONV_RESIDUAL == RESIDUAL && (int)E2B_GEMM_RESIDUAL == RESIDUAL, "residual");

/* Products of one operand with constant weights. Where all are only seen as heads, the last
 * dimension cut in (heads, depth), the joined product is. */
struct siblings {
    int nodes[MAX_SIBLINGS], count;
    int64_t depth; /* 0: not seen as heads */
};

static const struct e2b_constant *constant_of(
    const struct e2b_network *net, const struct e2b_node *node, int input) {
    return e2b_node_has_input(node, input) ? net->graph.values[node->inputs[input]].constant : NULL;
}

/* The dimension of columns in the weights; in the result. */
static int weight_axis(const struct e2b_op *op) {
    return op == &e2b_op_conv ? 0 : 1;
}

static int column_axis(const struct e2b_op *op, int rank) {
    return op == &e2b_op_conv ? 1 : rank - 1;
}

static bool is_product(const struct e2b_node *node, const struct e2b_shape *weights) {
    if (node->op == &e2b_op_conv)
        return ((const struct e2b_conv_params *)node->params)->group == 1;
    return node->op == &e2b_op_matmul && weights->rank == 2;
}

/* A product by constant weights, with a constant bias of one number a column or none. */
static bool is_projection(const struct e2b_network *net, const struct e2b_node *node) {
    const struct e2b_constant *weights = constant_of(net, node, WEIGHTS);
    if (!weights || !is_product(node, &weights->shape) || e2b_node_has_input(node, RESIDUAL))
        return false;
    const struct e2b_constant *bias = constant_of(net, node, BIAS);
    int64_t columns = weights->shape.dims[weight_axis(node->op)];
    if (columns % PART_ALIGN || !e2b_dtype_is_float(weights->dtype)
        || net->graph.values[node->inputs[OPERAND]].constant)
        return false;
    return bias ? bias->shape.rank == 1 && bias->shape.dims[0] == columns
                : !e2b_node_has_input(node, BIAS);
}

static bool may_join(
    const struct e2b_network *net, const struct e2b_node *a, const struct e2b_node *b) {
    const struct e2b_constant *bias[] = {constant_of(net, a, BIAS), constant_of(net, b, BIAS)};
    return a->op == b->op && is_projection(net, b) && a->inputs[OPERAND] == b->inputs[OPERAND]
        && constant_of(net, a, WEIGHTS)->dtype == constant_of(net, b, WEIGHTS)->dtype
        && !bias[0] == !bias[1] && (!bias[0] || bias[0]->dtype == bias[1]->dtype)
        && !memcmp(a->params, b->params, a->op->params_bytes);
}

/* The only reader of a value, -1 if there are several or it leaves the graph. */
static int sole_reader(const struct e2b_network *net, int value) {
    if (e2b_network_use_count(net, value) != 1)
        return -1;
    for (int i = 0; i < net->graph.node_count; i++)
        for (int k = 0; net->graph.nodes[i].op && k < net->graph.nodes[i].input_count; k++)
            if (net->graph.nodes[i].inputs[k] == value)
                return i;
    return -1;
}

/* Whether only kernels read the value, where it lies: it does not leave the graph, no view or
 * transpose hides its strides, and it is no part of a concatenation, where it would lie. */
static bool is_read_by_kernels(const struct e2b_network *net, int value) {
    int readers = 0;
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        for (int k = 0; node->op && k < node->input_count; k++) {
            if (node->inputs[k] != value)
                continue;
            if (node->op->layout == E2B_LAYOUT_VIEW || node->op == &e2b_op_transpose
                || node->op == &e2b_op_concat)
                return false;
            readers++;
        }
    }
    return readers == e2b_network_use_count(net, value);
}

/* The view that shows a product as heads, and their depth; -1 if its reader is something else. */
static int find_heads(const struct e2b_network *net, int product, int64_t *depth) {
    int value = net->graph.nodes[product].outputs[0], reader = sole_reader(net, value);
    if (reader < 0 || net->graph.nodes[reader].op != &e2b_op_view)
        return -1;
    const struct e2b_shape *flat = e2b_shape_of(net, value);
    const struct e2b_shape *heads = e2b_shape_of(net, net->graph.nodes[reader].outputs[0]);
    if (heads->rank != flat->rank + 1
        || memcmp(heads->dims, flat->dims, (size_t)(flat->rank - 1) * sizeof flat->dims[0]) != 0)
        return -1;
    *depth = heads->dims[heads->rank - 1];
    return *depth % PART_ALIGN == 0 && is_read_by_kernels(net, net->graph.nodes[reader].outputs[0])
        ? reader
        : -1;
}

/* Whether the node's result can be a part, and of which form. */
static bool find_form(const struct e2b_network *net, int node, int64_t *depth) {
    *depth = 0;
    return is_read_by_kernels(net, net->graph.nodes[node].outputs[0])
        || (net->graph.nodes[node].op == &e2b_op_matmul && find_heads(net, node, depth) >= 0);
}

static void find_siblings(const struct e2b_network *net, int first, struct siblings *out) {
    *out = (struct siblings){.nodes = {first}, .count = 1};
    if (!is_projection(net, &net->graph.nodes[first]) || !find_form(net, first, &out->depth))
        return;
    for (int i = first + 1; i < net->graph.node_count && out->count < MAX_SIBLINGS; i++) {
        int64_t depth;
        if (net->graph.nodes[i].op && may_join(net, &net->graph.nodes[first], &net->graph.nodes[i])
            && find_form(net, i, &depth) && depth == out->depth)
            out->nodes[out->count++] = i;
    }
}

static int join_constants(struct e2b_network *net, const struct siblings *siblings, int input,
    int axis, struct e2b_error *err) {
    const struct e2b_constant *parts[MAX_SIBLINGS], *joined;
    struct e2b_text recipe = {0};
    e2b_text_add(&recipe, "join %d", axis);
    for (int i = 0; i < siblings->count; i++) {
        parts[i] = constant_of(net, &net->graph.nodes[siblings->nodes[i]], input);
        e2b_text_add(&recipe, " #%" PRIu64, parts[i]->id);
    }
    joined = e2b_constants_find(net->constants, &recipe);
    if (!joined)
        e2b_constants_add_joined(
            net->constants, parts, siblings->count, axis, &recipe, &joined, err);
    e2b_text_finish(&recipe);
    const char *name = net->graph.nodes[siblings->nodes[0]].name;
    return err->status == E2B_OK ? e2b_network_add_constant(net, name, joined, err) : -1;
}

/* A node of one input and a new output; the output, or -1. */
static int add_node(struct e2b_network *net, const struct e2b_op *op, const char *name, int input,
    struct e2b_node **made, struct e2b_error *err) {
    int value = e2b_network_add_value(net, name, err);
    int node = value >= 0 ? e2b_network_add_node(net, op, name, 1, 1, err) : -1;
    if (node < 0)
        return -1;
    *made = &net->graph.nodes[node];
    (*made)->inputs[0] = input;
    e2b_network_set_output(net, node, 0, value);
    return value;
}

/* The product by all weights at once; its value, or -1. */
static int add_product(
    struct e2b_network *net, const struct siblings *siblings, struct e2b_error *err) {
    int first = siblings->nodes[0];
    bool has_bias = e2b_node_has_input(&net->graph.nodes[first], BIAS);
    const struct e2b_op *op = net->graph.nodes[first].op;
    int weights = join_constants(net, siblings, WEIGHTS, weight_axis(op), err);
    int bias = weights >= 0 && has_bias ? join_constants(net, siblings, BIAS, 0, err) : -1;
    struct e2b_node *made;
    int value = err->status == E2B_OK ? add_node(net, op, net->graph.nodes[first].name,
                    net->graph.nodes[first].inputs[0], &made, err)
                                      : -1;
    int node = value >= 0 ? net->graph.values[value].producer : -1;
    if (node < 0 || e2b_network_grow_inputs(net, node, has_bias ? BIAS + 1 : BIAS, err) != E2B_OK)
        return -1;
    made = &net->graph.nodes[node];
    memcpy(made->params, net->graph.nodes[first].params, made->op->params_bytes);
    made->inputs[WEIGHTS] = weights;
    if (has_bias)
        made->inputs[BIAS] = bias;
    return e2b_network_infer_node(net, node, err) == E2B_OK ? value : -1;
}

static int add_heads(struct e2b_network *net, int value, int64_t depth, struct e2b_error *err) {
    struct e2b_node *made;
    int heads = add_node(net, &e2b_op_view, net->graph.values[value].name, value, &made, err);
    if (heads < 0)
        return -1;
    const struct e2b_shape *flat = e2b_shape_of(net, value);
    struct e2b_view_params *params = made->params;
    *params =
        (struct e2b_view_params){.kind = E2B_VIEW_RESHAPE, .has_list = 1, .count = flat->rank + 1};
    memcpy(params->list, flat->dims, sizeof flat->dims);
    params->list[flat->rank - 1] = flat->dims[flat->rank - 1] / depth;
    params->list[flat->rank] = depth;
    return e2b_network_infer_node(net, net->graph.values[heads].producer, err) == E2B_OK ? heads
                                                                                         : -1;
}

static enum e2b_status join(
    struct e2b_network *net, const struct siblings *siblings, struct e2b_error *err) {
    int outputs[MAX_SIBLINGS];
    for (int i = 0; i < siblings->count; i++) {
        int64_t depth;
        int node =
            siblings->depth ? find_heads(net, siblings->nodes[i], &depth) : siblings->nodes[i];
        outputs[i] = net->graph.nodes[node].outputs[0];
    }
    const struct e2b_op *op = net->graph.nodes[siblings->nodes[0]].op;
    int value = add_product(net, siblings, err);
    if (value >= 0 && siblings->depth)
        value = add_heads(net, value, siblings->depth, err);
    int split = value < 0 ? -1
                          : e2b_network_add_node(net, &e2b_op_split, net->graph.values[value].name,
                              1, siblings->count, err);
    if (split < 0)
        return err->status;
    struct e2b_node *made = &net->graph.nodes[split];
    struct e2b_split_params *params = made->params;
    int rank = e2b_shape_of(net, value)->rank;
    params->axis = siblings->depth ? rank - 2 : column_axis(op, rank);
    params->listed = siblings->count;
    made->inputs[0] = value;
    for (int i = 0; i < siblings->count; i++) {
        params->length[i] = e2b_shape_of(net, outputs[i])->dims[params->axis];
        net->graph.nodes[net->graph.values[outputs[i]].producer].op = NULL;
        net->graph.nodes[siblings->nodes[i]].op = NULL;
        e2b_network_set_output(net, split, i, outputs[i]);
    }
    return e2b_network_infer_node(net, split, err);
}

enum e2b_status e2b_pass_siblings(struct e2b_network *net, struct e2b_error *err) {
    int count = net->graph.node_count;
    for (int i = 0; i < count; i++) {
        struct siblings siblings;
        if (net->graph.nodes[i].op)
            find_siblings(net, i, &siblings);
        if (net->graph.nodes[i].op && siblings.count > 1 && join(net, &siblings, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}
