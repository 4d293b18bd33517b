#include "runtime/model/specialise.h"

#include "kernels/image/image.h"
#include "runtime/model/infer.h"

#include <inttypes.h>
#include <string.h>

#define MAX_BATCH 65536

static enum e2b_status bind_inputs(
    struct e2b_network *net, const struct e2b_model *model, int batch, struct e2b_error *err) {
    if (batch < 1 || batch > MAX_BATCH)
        return e2b_fail(err, E2B_INVALID, "batch size %d is outside 1..%d", batch, MAX_BATCH);
    net->graph.model = model;
    net->graph.batch = batch;
    for (int i = 0; i < net->graph.input_count; i++) {
        struct e2b_value *value = &net->graph.values[net->graph.inputs[i]];
        value->tensor.dtype = model->inputs[i].dtype;
        value->tensor.shape = model->inputs[i].shape;
        if (model->batchable)
            value->tensor.shape.dims[0] = batch;
        e2b_tensor_set_dense(&value->tensor, 1);
    }
    return E2B_OK;
}

/* The graph's input becomes a raw image; what was the input is now made from it. */
static enum e2b_status add_image(
    struct e2b_network *net, const struct e2b_image_input *image, struct e2b_error *err) {
    if (image->input < 0)
        return E2B_OK;
    if (image->input >= net->graph.input_count)
        return e2b_fail(err, E2B_INVALID, "image input %d: the model has inputs 0..%d",
            image->input, net->graph.input_count - 1);
    int planes = net->graph.inputs[image->input];
    const struct e2b_value *value = &net->graph.values[planes];
    const struct e2b_shape from = value->tensor.shape;
    const char *name = value->name;
    if (from.rank != 4 || from.dims[1] > 4 || !e2b_dtype_is_float(value->tensor.dtype))
        return e2b_fail(err, E2B_INVALID,
            "input \"%s\" cannot be an image: it must be float, N x C x H x W with C in 1..4",
            name);
    int pixels = e2b_network_add_value(net, name, err);
    int node = e2b_network_add_node(net, &e2b_op_image, name, 1, 1, err);
    if (pixels < 0 || node < 0)
        return err->status;
    struct e2b_tensor *tensor = &net->graph.values[pixels].tensor;
    tensor->dtype = E2B_U8;
    tensor->shape = (struct e2b_shape){
        .rank = 4, .dims = {from.dims[0], from.dims[2], from.dims[3], from.dims[1]}};
    e2b_tensor_set_dense(tensor, 1);
    struct e2b_image_params *params = net->graph.nodes[node].params;
    memcpy(params->mean, image->mean, sizeof params->mean);
    memcpy(params->scale, image->scale, sizeof params->scale);
    net->graph.nodes[node].inputs[0] = pixels;
    net->graph.inputs[image->input] = pixels;
    e2b_network_set_output(net, node, 0, planes);
    return e2b_network_tidy(net, err);
}

static enum e2b_status check_runnable(const struct e2b_network *net, struct e2b_error *err) {
    for (int i = 0; i < net->graph.node_count; i++) {
        const struct e2b_node *node = &net->graph.nodes[i];
        if (node->op->layout != E2B_LAYOUT_VIEW
            && (!node->op->variants || !node->op->variants->name))
            return e2b_fail(err, E2B_UNSUPPORTED,
                "node \"%s\" (%s) works on values known at load only, but its inputs depend on the "
                "model's inputs",
                node->name, node->op->name);
    }
    return E2B_OK;
}

/* A batch of a model must give a batch of answers, or samples have been mixed. */
static enum e2b_status check_outputs(
    const struct e2b_network *net, const struct e2b_model *model, struct e2b_error *err) {
    for (int i = 0; i < net->graph.output_count; i++) {
        const struct e2b_value *value = &net->graph.values[net->graph.outputs[i]];
        const struct e2b_shape *shape = &value->tensor.shape;
        if (model->batchable && (shape->rank == 0 || shape->dims[0] != net->graph.batch))
            return e2b_fail(err, E2B_UNSUPPORTED,
                "output \"%s\": dimension 0 is %" PRId64
                " for a batch of %d: it must be the batch; "
                "is a batch size written into the model's constants?",
                model->outputs[i].name, shape->rank ? shape->dims[0] : 0, net->graph.batch);
        if (e2b_shape_count(shape) == 0)
            return e2b_fail(
                err, E2B_UNSUPPORTED, "output \"%s\" has no elements", model->outputs[i].name);
    }
    return E2B_OK;
}

enum e2b_status e2b_specialise(struct e2b_model *model, const struct e2b_graph_options *options,
    struct e2b_network **out, struct e2b_error *err) {
    struct e2b_network *net = e2b_network_copy(model->net);
    if (!net)
        return e2b_fail_memory(err, "a graph");
    if (bind_inputs(net, model, options->batch, err) == E2B_OK
        && add_image(net, &options->image, err) == E2B_OK && e2b_network_infer(net, err) == E2B_OK
        && e2b_network_tidy(net, err) == E2B_OK && check_runnable(net, err) == E2B_OK
        && check_outputs(net, model, err) == E2B_OK) {
        *out = net;
        return E2B_OK;
    }
    e2b_network_destroy(net);
    return err->status;
}
