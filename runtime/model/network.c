#include "runtime/model/network.h"

#include <stdlib.h>
#include <string.h>

struct e2b_network *e2b_network_create(struct e2b_constants *constants) {
    struct e2b_network *net = calloc(1, sizeof *net);
    if (net)
        net->constants = constants;
    return net;
}

void e2b_network_destroy(struct e2b_network *net) {
    if (!net)
        return;
    e2b_arena_finish(&net->arena);
    free(net->graph.values);
    free(net->graph.nodes);
    free(net->graph.inputs);
    free(net->graph.outputs);
    free(net->graph.storages);
    free(net);
}

static void *copy_array(const void *from, int count, size_t size) {
    void *to = calloc((size_t)count + 1, size);
    return to && count ? memcpy(to, from, (size_t)count * size) : to;
}

static void *copy_into(struct e2b_arena *arena, const void *from, size_t bytes) {
    void *to = e2b_arena_alloc(arena, bytes + 1);
    return to && bytes ? memcpy(to, from, bytes) : to;
}

static bool copy_node(struct e2b_network *net, struct e2b_node *node) {
    node->params = copy_into(&net->arena, node->params, node->op->params_bytes);
    node->inputs =
        copy_into(&net->arena, node->inputs, (size_t)node->input_count * sizeof *node->inputs);
    node->outputs =
        copy_into(&net->arena, node->outputs, (size_t)node->output_count * sizeof *node->outputs);
    return node->params && node->inputs && node->outputs;
}

struct e2b_network *e2b_network_copy(const struct e2b_network *net) {
    const struct e2b_graph *from = &net->graph;
    struct e2b_network *copy = e2b_network_create(net->constants);
    if (!copy)
        return NULL;
    struct e2b_graph *to = &copy->graph;
    *to = *from;
    copy->value_capacity = from->value_count;
    copy->node_capacity = from->node_count;
    to->values = copy_array(from->values, from->value_count, sizeof *to->values);
    to->nodes = copy_array(from->nodes, from->node_count, sizeof *to->nodes);
    to->inputs = copy_array(from->inputs, from->input_count, sizeof *to->inputs);
    to->outputs = copy_array(from->outputs, from->output_count, sizeof *to->outputs);
    bool ok = to->values && to->nodes && to->inputs && to->outputs;
    to->storages = NULL;
    for (int i = 0; ok && i < to->node_count; i++)
        ok = copy_node(copy, &to->nodes[i]);
    if (ok)
        return copy;
    e2b_network_destroy(copy);
    return NULL;
}

static bool reserve(void **array, int *capacity, int count, size_t size) {
    if (count < *capacity)
        return true;
    int wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(*array, (size_t)wanted * size);
    if (!grown)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

int e2b_network_add_value(struct e2b_network *net, const char *name, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    if (!reserve((void **)&graph->values, &net->value_capacity, graph->value_count,
            sizeof *graph->values)) {
        e2b_fail_memory(err, "a graph");
        return -1;
    }
    graph->values[graph->value_count] =
        (struct e2b_value){.name = name, .producer = -1, .storage = -1};
    return graph->value_count++;
}

static int *operand_list(struct e2b_network *net, int count) {
    int *list = e2b_arena_alloc(&net->arena, ((size_t)count + 1) * sizeof *list);
    for (int i = 0; list && i < count; i++)
        list[i] = -1;
    return list;
}

int e2b_network_add_node(struct e2b_network *net, const struct e2b_op *op, const char *name,
    int input_count, int output_count, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    struct e2b_node node = {
        .op = op,
        .name = name,
        .params = e2b_arena_alloc(&net->arena, op->params_bytes + 1),
        .input_count = input_count,
        .output_count = output_count,
        .inputs = operand_list(net, input_count),
        .outputs = operand_list(net, output_count),
    };
    if (!node.params || !node.inputs || !node.outputs
        || !reserve(
            (void **)&graph->nodes, &net->node_capacity, graph->node_count, sizeof *graph->nodes)) {
        e2b_fail_memory(err, "a graph");
        return -1;
    }
    graph->nodes[graph->node_count] = node;
    return graph->node_count++;
}

int e2b_network_add_constant(struct e2b_network *net, const char *name,
    const struct e2b_constant *constant, struct e2b_error *err) {
    int index = e2b_network_add_value(net, name, err);
    if (index < 0)
        return -1;
    struct e2b_value *value = &net->graph.values[index];
    value->constant = constant;
    value->tensor.dtype = constant->dtype;
    value->tensor.shape = constant->shape;
    e2b_tensor_set_dense(&value->tensor, 1);
    return index;
}

void e2b_network_set_output(struct e2b_network *net, int node, int output, int value) {
    net->graph.nodes[node].outputs[output] = value;
    net->graph.values[value].producer = node;
}

static enum e2b_status grow_list(
    struct e2b_network *net, int **list, int *list_count, int count, struct e2b_error *err) {
    if (*list_count >= count)
        return E2B_OK;
    int *grown = operand_list(net, count);
    if (!grown)
        return e2b_fail_memory(err, "a graph");
    memcpy(grown, *list, (size_t)*list_count * sizeof *grown);
    *list = grown;
    *list_count = count;
    return E2B_OK;
}

enum e2b_status e2b_network_grow_inputs(
    struct e2b_network *net, int node, int count, struct e2b_error *err) {
    struct e2b_node *n = &net->graph.nodes[node];
    return grow_list(net, &n->inputs, &n->input_count, count, err);
}

enum e2b_status e2b_network_grow_outputs(
    struct e2b_network *net, int node, int count, struct e2b_error *err) {
    struct e2b_node *n = &net->graph.nodes[node];
    return grow_list(net, &n->outputs, &n->output_count, count, err);
}

int e2b_network_use_count(const struct e2b_network *net, int value) {
    const struct e2b_graph *graph = &net->graph;
    int uses = 0;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; graph->nodes[i].op && k < graph->nodes[i].input_count; k++)
            uses += graph->nodes[i].inputs[k] == value;
    for (int i = 0; i < graph->output_count; i++)
        uses += graph->outputs[i] == value;
    return uses;
}

void e2b_network_replace(struct e2b_network *net, int from, int to) {
    struct e2b_graph *graph = &net->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; graph->nodes[i].op && k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == from)
                graph->nodes[i].inputs[k] = to;
    for (int i = 0; i < graph->output_count; i++)
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
}

/* Depth-first order with an explicit stack, as chains may be long. */
struct order {
    struct e2b_graph *graph;
    unsigned char *live, *state; /* of each node; state: 0 unseen, 1 open, 2 placed */
    int *stack, *cursor;         /* open nodes and the next input of each node */
    int *placed;
    int placed_count;
};

static int producer_of(const struct e2b_graph *graph, int value) {
    if (value < 0)
        return -1;
    int node = graph->values[value].producer;
    return node >= 0 && graph->nodes[node].op ? node : -1;
}

static void mark_live(struct order *order) {
    struct e2b_graph *graph = order->graph;
    int depth = 0;
    for (int i = 0; i < graph->output_count; i++) {
        int node = producer_of(graph, graph->outputs[i]);
        if (node >= 0 && !order->live[node]) {
            order->live[node] = 1;
            order->stack[depth++] = node;
        }
    }
    while (depth) {
        const struct e2b_node *node = &graph->nodes[order->stack[--depth]];
        for (int k = 0; k < node->input_count; k++) {
            int from = producer_of(graph, node->inputs[k]);
            if (from >= 0 && !order->live[from]) {
                order->live[from] = 1;
                order->stack[depth++] = from;
            }
        }
    }
}

static enum e2b_status place(struct order *order, int root, struct e2b_error *err) {
    int depth = 0;
    order->stack[depth++] = root;
    order->state[root] = 1;
    while (depth) {
        int top = order->stack[depth - 1];
        const struct e2b_node *node = &order->graph->nodes[top];
        int from = -1;
        while (order->cursor[top] < node->input_count && from < 0) {
            from = producer_of(order->graph, node->inputs[order->cursor[top]++]);
            if (from >= 0 && order->state[from] == 1)
                return e2b_fail(err, E2B_INVALID,
                    "node \"%s\" depends on itself: the graph has a cycle",
                    order->graph->nodes[from].name);
            if (from >= 0 && order->state[from] == 2)
                from = -1;
        }
        if (from >= 0) {
            order->state[from] = 1;
            order->stack[depth++] = from;
        } else {
            order->state[top] = 2;
            order->placed[order->placed_count++] = top;
            depth--;
        }
    }
    return E2B_OK;
}

static enum e2b_status rewrite(
    struct order *order, struct e2b_network *net, struct e2b_error *err) {
    struct e2b_graph *graph = order->graph;
    struct e2b_node *nodes = calloc((size_t)order->placed_count + 1, sizeof *nodes);
    if (!nodes)
        return e2b_fail_memory(err, "a graph");
    for (int i = 0; i < graph->value_count; i++)
        graph->values[i].producer = -1;
    for (int i = 0; i < order->placed_count; i++) {
        nodes[i] = graph->nodes[order->placed[i]];
        for (int k = 0; k < nodes[i].output_count; k++)
            if (nodes[i].outputs[k] >= 0)
                graph->values[nodes[i].outputs[k]].producer = i;
    }
    free(graph->nodes);
    graph->nodes = nodes;
    graph->node_count = order->placed_count;
    net->node_capacity = order->placed_count + 1;
    return E2B_OK;
}

enum e2b_status e2b_network_tidy(struct e2b_network *net, struct e2b_error *err) {
    size_t count = (size_t)net->graph.node_count + 1;
    struct order order = {
        .graph = &net->graph,
        .live = calloc(count, 1),
        .state = calloc(count, 1),
        .stack = calloc(count, sizeof(int)),
        .cursor = calloc(count, sizeof(int)),
        .placed = calloc(count, sizeof(int)),
    };
    if (order.live && order.state && order.stack && order.cursor && order.placed) {
        mark_live(&order);
        for (int i = 0; i < net->graph.node_count && err->status == E2B_OK; i++)
            if (order.live[i] && order.state[i] == 0)
                place(&order, i, err);
        if (err->status == E2B_OK)
            rewrite(&order, net, err);
    } else {
        e2b_fail_memory(err, "a graph");
    }
    free(order.live);
    free(order.state);
    free(order.stack);
    free(order.cursor);
    free(order.placed);
    return err->status;
}
