#include "kernels/attention/attention.h"
#include "kernels/binary/binary.h"
#include "kernels/gemm/gemm.h"
#include "kernels/move/move.h"
#include "kernels/softmax/softmax.h"
#include "runtime/model/infer.h"
#include "runtime/model/passes.h"

#include <string.h>

#define RANK 4

/* What the nodes of an attention read: queries and values (N, heads, tokens, depth), keys
 * (N, heads, depth, tokens). */
struct match {
    int queries, keys, values, mask; /* mask -1: none */
    double scale;
};

static const int32_t tokens_first[RANK] = {0, 2, 1, 3}, keys_first[RANK] = {0, 3, 1, 2};

static bool is_head(const struct e2b_network *net, int value) {
    const struct e2b_value *v = &net->graph.values[value];
    return !v->constant && v->tensor.shape.rank == RANK && e2b_dtype_is_float(v->tensor.dtype);
}

static bool is_binary(const struct e2b_node *node, enum e2b_binary_kind kind) {
    return node->op == &e2b_op_binary && node->input_count == 2 && e2b_epilogue_is_free(node)
        && ((const struct e2b_binary_params *)node->params)->kind == kind;
}

/* The factor by which a node multiplies the operand that it returns; -1 if it does something else.
 */
static int read_scale(const struct e2b_network *net, int node, double *factor) {
    const struct e2b_node *n = &net->graph.nodes[node];
    bool divides = is_binary(n, E2B_BINARY_DIV);
    if (!divides && !is_binary(n, E2B_BINARY_MUL))
        return -1;
    for (int side = divides ? 1 : 0; side < 2; side++) {
        const struct e2b_constant *constant = net->graph.values[n->inputs[side]].constant;
        if (!constant || !e2b_constant_scalar(constant, factor)
            || !e2b_shape_equal(
                e2b_shape_of(net, n->inputs[1 - side]), e2b_shape_of(net, n->outputs[0])))
            continue;
        if (divides)
            *factor = 1 / *factor;
        return n->inputs[1 - side];
    }
    return -1;
}

/* The value from which `value` differs by a factor, which is multiplied to *scale. `sole`: through
 * values that nothing else reads. */
static int peel_scale(const struct e2b_network *net, int value, bool sole, double *scale) {
    for (;;) {
        double factor;
        int node = sole ? e2b_sole_producer(net, value) : net->graph.values[value].producer;
        int from = node >= 0 ? read_scale(net, node, &factor) : -1;
        if (from < 0)
            return value;
        *scale *= factor;
        value = from;
    }
}

/* The product of two computed stacks of heads, of which `value` is a multiple; -1 if there is none.
 */
static int find_product(const struct e2b_network *net, int value, double *scale) {
    int node = e2b_sole_producer(net, peel_scale(net, value, true, scale));
    if (node < 0)
        return -1;
    const struct e2b_node *n = &net->graph.nodes[node];
    return n->op == &e2b_op_matmul && n->input_count == 2 && e2b_epilogue_is_free(n)
            && is_head(net, n->inputs[0]) && is_head(net, n->inputs[1])
        ? node
        : -1;
}

/* The product that makes the scores, and the mask that is added to them. */
static int find_scores(const struct e2b_network *net, int value, struct match *out) {
    int sum = e2b_sole_producer(net, value);
    out->mask = -1;
    out->scale = 1;
    if (sum < 0 || !is_binary(&net->graph.nodes[sum], E2B_BINARY_ADD))
        return find_product(net, value, &out->scale);
    for (int side = 0; side < 2; side++) {
        int scores = net->graph.nodes[sum].inputs[side];
        out->scale = 1;
        out->mask = net->graph.nodes[sum].inputs[1 - side];
        int product = find_product(net, scores, &out->scale);
        if (product >= 0 && e2b_shape_equal(e2b_shape_of(net, scores), e2b_shape_of(net, value)))
            return product;
    }
    return -1;
}

static bool is_over_keys(const struct e2b_node *node) {
    const struct e2b_softmax_params *params = node->params;
    return node->op == &e2b_op_softmax && params->axis == RANK - 1 && !params->logarithm;
}

static bool goes_together(const struct e2b_network *net, const struct match *match) {
    const int64_t *q = e2b_shape_of(net, match->queries)->dims,
                  *k = e2b_shape_of(net, match->keys)->dims;
    const int64_t *v = e2b_shape_of(net, match->values)->dims;
    return q[0] == k[0] && q[1] == k[1] && q[0] == v[0] && q[1] == v[1];
}

/* Whether node `index` is the product of softmax and values. */
static bool find(const struct e2b_network *net, int index, struct match *out) {
    const struct e2b_node *nodes = net->graph.nodes, *last = &nodes[index];
    if (last->op != &e2b_op_matmul || last->input_count != 2 || !e2b_epilogue_is_free(last)
        || !is_head(net, last->inputs[0]) || !is_head(net, last->inputs[1]))
        return false;
    int softmax = e2b_sole_producer(net, last->inputs[0]);
    if (softmax < 0 || !is_over_keys(&nodes[softmax]))
        return false;
    int product = find_scores(net, nodes[softmax].inputs[0], out);
    if (product < 0)
        return false;
    out->queries = peel_scale(net, nodes[product].inputs[0], false, &out->scale);
    out->keys = peel_scale(net, nodes[product].inputs[1], false, &out->scale);
    out->values = last->inputs[1];
    return goes_together(net, out);
}

static bool is_identity(const int32_t perm[RANK]) {
    for (int i = 0; i < RANK; i++)
        if (perm[i] != i)
            return false;
    return true;
}

/* Append a Transpose of `value` that makes `output`, or a new value if that is -1; returns it. */
static int add_transpose(struct e2b_network *net, int value, const int32_t perm[RANK], int output,
    struct e2b_error *err) {
    const char *name = net->graph.values[value].name;
    int made = output >= 0 ? output : e2b_network_add_value(net, name, err);
    int node = made >= 0 ? e2b_network_add_node(net, &e2b_op_transpose, name, 1, 1, err) : -1;
    if (node < 0)
        return -1;
    struct e2b_transpose_params *params = net->graph.nodes[node].params;
    params->rank = RANK;
    memcpy(params->perm, perm, sizeof tokens_first);
    net->graph.nodes[node].inputs[0] = value;
    e2b_network_set_output(net, node, 0, made);
    return e2b_network_infer_node(net, node, err) == E2B_OK ? made : -1;
}

/* `value` with its dimensions in the order of `perm`: often what a Transpose made it from. */
static int permuted(
    struct e2b_network *net, int value, const int32_t perm[RANK], struct e2b_error *err) {
    int32_t from[RANK];
    memcpy(from, perm, sizeof from);
    while (!is_identity(from)) {
        int producer = net->graph.values[value].producer;
        const struct e2b_node *node = producer >= 0 ? &net->graph.nodes[producer] : NULL;
        if (!node || node->op != &e2b_op_transpose)
            return add_transpose(net, value, from, -1, err);
        const struct e2b_transpose_params *params = node->params;
        for (int i = 0; i < RANK; i++)
            from[i] = params->perm[from[i]];
        value = node->inputs[0];
    }
    return value;
}

/* Transposes of `heads` back to tokens read `tokens` instead. */
static void read_directly(struct e2b_network *net, int heads, int tokens) {
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        if (node->op == &e2b_op_transpose && node->inputs[0] == heads
            && !memcmp(((const struct e2b_transpose_params *)node->params)->perm, tokens_first,
                sizeof tokens_first))
            e2b_network_replace(net, node->outputs[0], tokens);
    }
}

static enum e2b_status fuse(
    struct e2b_network *net, int index, const struct match *match, struct e2b_error *err) {
    const char *name = net->graph.nodes[index].name;
    int heads = net->graph.nodes[index].outputs[0];
    int inputs[] = {permuted(net, match->queries, tokens_first, err),
        permuted(net, match->keys, keys_first, err),
        permuted(net, match->values, tokens_first, err), match->mask};
    int tokens = e2b_network_add_value(net, name, err);
    int node = e2b_network_add_node(net, &e2b_op_attention, name, match->mask >= 0 ? 4 : 3, 1, err);
    if (err->status != E2B_OK)
        return err->status;
    struct e2b_node *made = &net->graph.nodes[node];
    ((struct e2b_attention_params *)made->params)->scale = (float)match->scale;
    memcpy(made->inputs, inputs, (size_t)made->input_count * sizeof *inputs);
    e2b_network_set_output(net, node, 0, tokens);
    if (e2b_network_infer_node(net, node, err) != E2B_OK)
        return err->status;
    read_directly(net, heads, tokens);
    net->graph.nodes[index].op = NULL;
    return add_transpose(net, tokens, tokens_first, heads, err) < 0 ? err->status : E2B_OK;
}

enum e2b_status e2b_pass_attention(struct e2b_network *net, struct e2b_error *err) {
    int count = net->graph.node_count;
    for (int i = 0; i < count; i++) {
        struct match match;
        if (net->graph.nodes[i].op && find(net, i, &match) && fuse(net, i, &match, err) != E2B_OK)
            return err->status;
    }
    return e2b_network_tidy(net, err);
}
