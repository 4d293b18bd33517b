#include "runtime/model/graph.h"

#include "runtime/model/passes.h"
#include "runtime/model/specialise.h"

void e2b_graph_call(const struct e2b_graph *graph, int index, struct e2b_operand *inputs,
    struct e2b_operand *outputs, struct e2b_call *out) {
    const struct e2b_node *node = &graph->nodes[index];
    *out = (struct e2b_call){
        .op = node->op,
        .name = node->name,
        .params = node->params,
        .input_count = node->input_count,
        .output_count = node->output_count,
        .inputs = inputs,
        .outputs = outputs,
    };
    for (int i = 0; i < node->input_count; i++) {
        inputs[i] = (struct e2b_operand){0};
        if (node->inputs[i] < 0)
            continue;
        const struct e2b_value *value = &graph->values[node->inputs[i]];
        inputs[i] = (struct e2b_operand){true, value->tensor, value->constant};
    }
    for (int i = 0; i < node->output_count; i++) {
        outputs[i] = (struct e2b_operand){0};
        if (node->outputs[i] >= 0)
            outputs[i] = (struct e2b_operand){true, graph->values[node->outputs[i]].tensor, NULL};
    }
}

static enum e2b_status check_options(
    const struct e2b_graph_options *options, struct e2b_error *err) {
    if (options->precision != E2B_F32 && options->precision != E2B_F16)
        return e2b_fail(err, E2B_INVALID, "precision %s: FP32 and FP16 are possible",
            e2b_dtype_name(options->precision));
    if (options->channel_align < 1 || options->channel_align > 1024)
        return e2b_fail(
            err, E2B_INVALID, "channel alignment %d is outside 1..1024", options->channel_align);
    return E2B_OK;
}

static enum e2b_status fuse(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    if (e2b_pass_drop_views(net, err) != E2B_OK || e2b_pass_layer_norm(net, err) != E2B_OK
        || e2b_pass_recognise(net, err) != E2B_OK || e2b_pass_attention(net, err) != E2B_OK
        || e2b_pass_pad(net, err) != E2B_OK || e2b_pass_affine(net, err) != E2B_OK
        || e2b_pass_residual(net, err) != E2B_OK || e2b_pass_activation(net, err) != E2B_OK
        || e2b_pass_pool(net, err) != E2B_OK || e2b_pass_siblings(net, err) != E2B_OK
        || e2b_pass_norm(net, options, err) != E2B_OK
        || e2b_pass_expand(net, options, err) != E2B_OK
        || e2b_pass_blocks(net, options, err) != E2B_OK)
        return err->status;
    return E2B_OK;
}

static enum e2b_status rewrite(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    if (options->stage == E2B_GRAPH_FOLDED || fuse(net, options, err) != E2B_OK
        || options->stage == E2B_GRAPH_FUSED || e2b_pass_layout(net, options, err) != E2B_OK
        || e2b_pass_bottlenecks(net, options, err) != E2B_OK
        || e2b_pass_max_pool(net, options, err) != E2B_OK)
        return err->status;
    return e2b_pass_storage(net, options, err);
}

enum e2b_status e2b_graph_create(struct e2b_model *model, const struct e2b_graph_options *options,
    struct e2b_graph **out, struct e2b_error *err) {
    struct e2b_network *net;
    if (check_options(options, err) != E2B_OK
        || e2b_specialise(model, options, &net, err) != E2B_OK)
        return e2b_error_one_line(err);
    net->graph.precision = options->precision;
    if (rewrite(net, options, err) != E2B_OK) {
        e2b_network_destroy(net);
        e2b_error_while(err, "preparing the graph of batch size %d", options->batch);
        return e2b_error_one_line(err);
    }
    *out = &net->graph;
    return E2B_OK;
}

void e2b_graph_destroy(struct e2b_graph *graph) {
    e2b_network_destroy((struct e2b_network *)graph);
}
