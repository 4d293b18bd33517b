#include "runtime/model/fold.h"
#include "runtime/model/graph.h"

double e2b_graph_flops(const struct e2b_graph *graph) {
    double flops = 0;
    for (int i = 0; i < graph->node_count; i++) {
        struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
        struct e2b_call call;
        e2b_graph_call(graph, i, inputs, outputs, &call);
        flops += e2b_call_flops(&call);
    }
    return flops;
}

static const char *layout_name(const struct e2b_value *value) {
    if (value->constant)
        return "constant";
    return value->tensor.layout == E2B_CHANNELS_LAST ? "last" : "row";
}

static void print_operands(
    const struct e2b_graph *graph, const int *values, int count, struct e2b_text *out) {
    for (int k = 0; k < count; k++) {
        if (values[k] < 0) {
            e2b_text_add(out, " -");
            continue;
        }
        const struct e2b_value *value = &graph->values[values[k]];
        char shape[192];
        e2b_shape_print(&value->tensor.shape, shape, sizeof shape);
        e2b_text_add(
            out, " %s:%s:%s", e2b_dtype_name(value->tensor.dtype), shape, layout_name(value));
        if (value->storage >= 0)
            e2b_text_add(out, "@%d+%lld", value->storage, (long long)value->offset);
    }
}

void e2b_graph_print(const struct e2b_graph *graph, struct e2b_text *out) {
    for (int i = 0; i < graph->node_count; i++) {
        const struct e2b_node *node = &graph->nodes[i];
        e2b_text_add(out, "%4d %-32.32s %-14s", i, node->name, node->op->name);
        print_operands(graph, node->inputs, node->input_count, out);
        e2b_text_add(out, " ->");
        print_operands(graph, node->outputs, node->output_count, out);
        e2b_text_add(out, "\n");
    }
}
