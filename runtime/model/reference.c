#include "runtime/model/constants.h"
#include "runtime/model/graph.h"

#include <stdlib.h>
#include <string.h>

/* The values as doubles while they are needed. */
struct run {
    const struct e2b_graph *graph;
    double **values; /* NULL: not made yet or freed */
    int *last;       /* node that reads each value last */
};

static int64_t count_of(const struct run *run, int value) {
    return e2b_shape_count(&run->graph->values[value].tensor.shape);
}

static void find_last(struct run *run) {
    const struct e2b_graph *graph = run->graph;
    for (int i = 0; i < graph->node_count; i++) {
        const struct e2b_node *node = &graph->nodes[i];
        for (int k = 0; k < node->output_count; k++)
            if (node->outputs[k] >= 0)
                run->last[node->outputs[k]] = i;
        for (int k = 0; k < node->input_count; k++)
            if (node->inputs[k] >= 0)
                run->last[node->inputs[k]] = i;
    }
    for (int i = 0; i < graph->output_count; i++)
        run->last[graph->outputs[i]] = graph->node_count;
}

static enum e2b_status make_value(struct run *run, int value, struct e2b_error *err) {
    size_t count = (size_t)count_of(run, value);
    run->values[value] = calloc(count + 1, sizeof(double));
    return run->values[value] ? E2B_OK : e2b_fail_memory(err, "a reference value");
}

static enum e2b_status load_constant(struct run *run, int value, struct e2b_error *err) {
    const struct e2b_constant *constant = run->graph->values[value].constant;
    if (!constant || run->values[value])
        return E2B_OK;
    run->values[value] = e2b_constant_doubles(constant, err);
    return err->status;
}

static void release(struct run *run, const int *values, int count, int node) {
    for (int k = 0; k < count; k++)
        if (values[k] >= 0 && run->last[values[k]] <= node) {
            free(run->values[values[k]]);
            run->values[values[k]] = NULL;
        }
}

static enum e2b_status run_node(struct run *run, int index, struct e2b_error *err) {
    const struct e2b_node *node = &run->graph->nodes[index];
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    const double *in[E2B_MAX_INPUTS] = {0};
    double *out[E2B_MAX_OUTPUTS] = {0};
    struct e2b_call call;
    e2b_graph_call(run->graph, index, inputs, outputs, &call);
    for (int k = 0; k < node->input_count; k++) {
        if (node->inputs[k] < 0)
            continue;
        if (load_constant(run, node->inputs[k], err) != E2B_OK)
            return err->status;
        in[k] = run->values[node->inputs[k]];
    }
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] < 0)
            continue;
        if (make_value(run, node->outputs[k], err) != E2B_OK)
            return err->status;
        out[k] = run->values[node->outputs[k]];
    }
    node->op->reference(&call, in, out);
    release(run, node->inputs, node->input_count, index);
    release(run, node->outputs, node->output_count, index);
    return E2B_OK;
}

static enum e2b_status run_all(
    struct run *run, const double *const *inputs, double *const *outputs, struct e2b_error *err) {
    const struct e2b_graph *graph = run->graph;
    for (int i = 0; i < graph->input_count; i++) {
        if (make_value(run, graph->inputs[i], err) != E2B_OK)
            return err->status;
        memcpy(run->values[graph->inputs[i]], inputs[i],
            (size_t)count_of(run, graph->inputs[i]) * sizeof(double));
    }
    for (int i = 0; i < graph->node_count; i++)
        if (run_node(run, i, err) != E2B_OK)
            return err->status;
    for (int i = 0; i < graph->output_count; i++) {
        int value = graph->outputs[i];
        if (load_constant(run, value, err) != E2B_OK)
            return err->status;
        memcpy(outputs[i], run->values[value], (size_t)count_of(run, value) * sizeof(double));
    }
    return E2B_OK;
}

enum e2b_status e2b_graph_reference(const struct e2b_graph *graph, const double *const *inputs,
    double *const *outputs, struct e2b_error *err) {
    struct run run = {.graph = graph,
        .values = calloc((size_t)graph->value_count + 1, sizeof *run.values),
        .last = calloc((size_t)graph->value_count + 1, sizeof *run.last)};
    if (run.values && run.last) {
        find_last(&run);
        run_all(&run, inputs, outputs, err);
    } else {
        e2b_fail_memory(err, "a reference run");
    }
    for (int i = 0; run.values && i < graph->value_count; i++)
        free(run.values[i]);
    free(run.values);
    free(run.last);
    return err->status;
}
