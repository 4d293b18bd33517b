#include "runtime/model/fold.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDED_ELEMENTS (INT64_C(1) << 28)
#define MAX_FOLDED_FLOPS 0x1p36

double e2b_call_flops(const struct e2b_call *call) {
    if (call->op->flops)
        return call->op->flops(call);
    return call->op->layout == E2B_LAYOUT_VIEW
        ? 0
        : (double)e2b_shape_count(&call->outputs[0].tensor.shape);
}

bool e2b_fold_possible(const struct e2b_network *net, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    if (node->op->layout == E2B_LAYOUT_HOST)
        return true;
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0 && !net->graph.values[node->inputs[i]].constant)
            return false;
    return true;
}

static void write_recipe(const struct e2b_call *call, int output, struct e2b_text *recipe) {
    e2b_text_add(recipe, "fold %s %d ", call->op->name, output);
    e2b_text_add_bytes(recipe, call->params, call->op->params_bytes);
    for (int i = 0; i < call->input_count; i++) {
        const struct e2b_operand *operand = &call->inputs[i];
        char shape[192] = "";
        if (operand->constant)
            e2b_text_add(recipe, " #%" PRIu64, operand->constant->id);
        else if (operand->present)
            e2b_text_add(recipe, " %s %s", e2b_dtype_name(operand->tensor.dtype),
                e2b_shape_print(&operand->tensor.shape, shape, sizeof shape));
        else
            e2b_text_add(recipe, " -");
    }
}

static enum e2b_status check_size(const struct e2b_call *call, struct e2b_error *err) {
    for (int i = 0; i < call->output_count; i++)
        if (e2b_shape_count(&call->outputs[i].tensor.shape) > MAX_FOLDED_ELEMENTS)
            return e2b_fail(err, E2B_TOO_LARGE,
                "node \"%s\" (%s): its constant result has %" PRId64 " elements, at most %" PRId64
                " are computed at load",
                call->name, call->op->name, e2b_shape_count(&call->outputs[i].tensor.shape),
                MAX_FOLDED_ELEMENTS);
    if (e2b_call_flops(call) > MAX_FOLDED_FLOPS)
        return e2b_fail(err, E2B_TOO_LARGE,
            "node \"%s\" (%s): its constant result needs %.3g operations, at most %.3g are done at "
            "load",
            call->name, call->op->name, e2b_call_flops(call), MAX_FOLDED_FLOPS);
    return E2B_OK;
}

static void free_all(double **arrays, int count) {
    for (int i = 0; i < count; i++)
        free(arrays[i]);
}

static enum e2b_status evaluate(
    const struct e2b_call *call, double **in, double **out, struct e2b_error *err) {
    for (int i = 0; i < call->input_count; i++)
        if (call->inputs[i].constant
            && !(in[i] = e2b_constant_doubles(call->inputs[i].constant, err)))
            return err->status;
    for (int i = 0; i < call->output_count; i++) {
        size_t count = (size_t)e2b_shape_count(&call->outputs[i].tensor.shape);
        out[i] = calloc(count + 1, sizeof **out);
        if (!out[i])
            return e2b_fail_memory(err, "constant folding");
    }
    call->op->reference(call, (const double *const *)in, out);
    return E2B_OK;
}

static enum e2b_status keep(struct e2b_network *net, const struct e2b_call *call, int index,
    double *const *out, struct e2b_error *err) {
    const struct e2b_node *node = &net->graph.nodes[index];
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] < 0)
            continue;
        struct e2b_value *value = &net->graph.values[node->outputs[i]];
        struct e2b_text recipe = {0};
        write_recipe(call, i, &recipe);
        e2b_constants_add_doubles(net->constants, value->tensor.dtype, &value->tensor.shape, out[i],
            &recipe, &value->constant, err);
        e2b_text_finish(&recipe);
        if (err->status != E2B_OK)
            return err->status;
        value->producer = -1;
    }
    return E2B_OK;
}

/* Whether all outputs were made before; takes them if so. */
static bool reuse(struct e2b_network *net, const struct e2b_call *call, int index) {
    const struct e2b_node *node = &net->graph.nodes[index];
    bool all = true;
    for (int i = 0; all && i < node->output_count; i++) {
        if (node->outputs[i] < 0)
            continue;
        struct e2b_value *value = &net->graph.values[node->outputs[i]];
        struct e2b_text recipe = {0};
        write_recipe(call, i, &recipe);
        const struct e2b_constant *made = e2b_constants_find(net->constants, &recipe);
        e2b_text_finish(&recipe);
        all = made != NULL;
        if (made) {
            value->constant = made;
            value->producer = -1;
        }
    }
    return all;
}

enum e2b_status e2b_fold_node(struct e2b_network *net, int index, struct e2b_error *err) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(&net->graph, index, inputs, outputs, &call);
    if (!reuse(net, &call, index)) {
        double *in[E2B_MAX_INPUTS] = {0}, *out[E2B_MAX_OUTPUTS] = {0};
        if (check_size(&call, err) == E2B_OK && evaluate(&call, in, out, err) == E2B_OK)
            keep(net, &call, index, out, err);
        free_all(in, E2B_MAX_INPUTS);
        free_all(out, E2B_MAX_OUTPUTS);
    }
    net->graph.nodes[index].op = err->status == E2B_OK ? NULL : net->graph.nodes[index].op;
    return err->status;
}
