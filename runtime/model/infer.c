#include "runtime/model/infer.h"

#include "runtime/model/fold.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_ELEMENTS (INT64_C(1) << 40)

static enum e2b_status check_output(
    const struct e2b_node *node, const struct e2b_tensor *tensor, struct e2b_error *err) {
    const struct e2b_shape *shape = &tensor->shape;
    int64_t count = 1;
    bool ok = tensor->dtype > E2B_NONE && tensor->dtype < E2B_DTYPE_COUNT && shape->rank >= 0
        && shape->rank <= E2B_MAX_RANK;
    for (int i = 0; ok && i < shape->rank; i++)
        ok = shape->dims[i] >= 0 && !__builtin_mul_overflow(count, shape->dims[i], &count)
            && count <= MAX_ELEMENTS;
    if (!ok)
        return e2b_fail(err, E2B_INVALID, "node \"%s\" (%s): its output has no possible shape",
            node->name, node->op->name);
    return E2B_OK;
}

static enum e2b_status take_outputs(struct e2b_network *net, const struct e2b_node *node,
    const struct e2b_operand *outputs, struct e2b_error *err) {
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] < 0)
            continue;
        struct e2b_tensor tensor = outputs[i].tensor;
        if (check_output(node, &tensor, err) != E2B_OK)
            return err->status;
        tensor.layout = E2B_ROW_MAJOR;
        e2b_tensor_set_dense(&tensor, 1);
        net->graph.values[node->outputs[i]].tensor = tensor;
    }
    return E2B_OK;
}

static bool is_quoted(const struct e2b_error *err, const char *name) {
    char quoted[sizeof err->text];
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    return strstr(err->text, quoted) != NULL;
}

enum e2b_status e2b_network_infer_node(struct e2b_network *net, int index, struct e2b_error *err) {
    const struct e2b_node *node = &net->graph.nodes[index];
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(&net->graph, index, inputs, outputs, &call);
    if (node->op->infer(&call, err) != E2B_OK)
        return is_quoted(err, node->name)
            ? err->status
            : e2b_error_while(err, "checking node \"%s\" (%s)", node->name, node->op->name);
    if (take_outputs(net, node, outputs, err) != E2B_OK)
        return err->status;
    return e2b_fold_possible(net, index) ? e2b_fold_node(net, index, err) : E2B_OK;
}

enum e2b_status e2b_network_infer(struct e2b_network *net, struct e2b_error *err) {
    for (int i = 0; i < net->graph.node_count; i++)
        if (net->graph.nodes[i].op && e2b_network_infer_node(net, i, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}
