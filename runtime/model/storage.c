#include "kernels/move/move.h"
#include "runtime/model/passes.h"

#include <inttypes.h>
#include <stdlib.h>

struct placer {
    struct e2b_network *net;
    const struct e2b_graph_options *options;
};

static struct e2b_value *value_at(const struct placer *placer, int value) {
    return &placer->net->graph.values[value];
}

static bool is_view(const struct placer *placer, int node) {
    return placer->net->graph.nodes[node].op->layout == E2B_LAYOUT_VIEW;
}

static int add_storage(struct placer *placer, const struct e2b_storage *storage) {
    struct e2b_graph *graph = &placer->net->graph;
    graph->storages[graph->storage_count] = *storage;
    return graph->storage_count++;
}

/* Slots of an input or output of the whole model. */
static void place_edge(struct placer *placer, enum e2b_storage_kind kind, int index, int value,
    const int64_t *strides) {
    const struct e2b_tensor *tensor = &value_at(placer, value)->tensor;
    bool batchable = e2b_model_is_batchable(placer->net->graph.model);
    int64_t slots = batchable ? tensor->shape.dims[0] : 1;
    int64_t stride =
        strides && strides[index] ? strides[index] : e2b_shape_count(&tensor->shape) / slots;
    const struct e2b_storage storage = {.kind = kind,
        .index = index,
        .slot_stride = stride,
        .bytes = stride * slots * (int64_t)e2b_dtype_bytes(tensor->dtype)};
    value_at(placer, value)->storage = add_storage(placer, &storage);
}

static int root_of(const struct placer *placer, int value) {
    for (;;) {
        int producer = value_at(placer, value)->producer;
        if (producer < 0 || !is_view(placer, producer))
            return value;
        value = placer->net->graph.nodes[producer].inputs[0];
    }
}

static void place_edges(struct placer *placer) {
    const struct e2b_graph *graph = &placer->net->graph;
    for (int i = 0; i < graph->input_count; i++)
        place_edge(placer, E2B_STORAGE_INPUT, i, graph->inputs[i], placer->options->input_stride);
    for (int i = 0; i < graph->output_count; i++)
        place_edge(placer, E2B_STORAGE_OUTPUT, i, root_of(placer, graph->outputs[i]),
            placer->options->output_stride);
}

static enum e2b_status place_in_arena(struct placer *placer, int value, struct e2b_error *err) {
    const struct e2b_tensor *tensor = &value_at(placer, value)->tensor;
    int64_t extent = e2b_tensor_extent(tensor, placer->options->channel_align);
    if (extent > INT32_MAX)
        return e2b_fail(err, E2B_TOO_LARGE,
            "value \"%s\" has %" PRId64 " elements at batch size %d, at most %d are possible: use "
            "smaller batch sizes",
            value_at(placer, value)->name, extent, placer->net->graph.batch, INT32_MAX);
    const struct e2b_storage storage = {.kind = E2B_STORAGE_ARENA,
        .index = -1,
        .bytes = extent * (int64_t)e2b_dtype_bytes(tensor->dtype)};
    value_at(placer, value)->storage = add_storage(placer, &storage);
    return E2B_OK;
}

/* The dimension along which the parts lie, -1 if that cannot be told (empty parts). */
static int concat_axis(const struct placer *placer, const struct e2b_node *node) {
    const struct e2b_shape *out = &value_at(placer, node->outputs[0])->tensor.shape;
    const struct e2b_shape *first = &value_at(placer, node->inputs[0])->tensor.shape;
    int axis = -1;
    for (int i = 0; i < out->rank; i++)
        if (out->dims[i] != first->dims[i])
            axis = i;
    return axis;
}

static bool has_view_reader(const struct placer *placer, int value) {
    const struct e2b_graph *graph = &placer->net->graph;
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == value && is_view(placer, i))
                return true;
    return false;
}

/* Whether part k's producer can write straight into its slice: it is made by a kernel that goes by
 * strides, has no memory yet, nobody has built a view on its strides, and, among channels, its pad
 * lanes do not reach into the next part. */
static bool can_write_slice(
    const struct placer *placer, const struct e2b_node *node, int k, int axis) {
    const struct e2b_value *out = value_at(placer, node->outputs[0]);
    if (node->inputs[k] < 0)
        return false;
    const struct e2b_value *part = value_at(placer, node->inputs[k]);
    if (part->constant || part->producer < 0 || part->storage >= 0
        || is_view(placer, part->producer) || part->tensor.dtype != out->tensor.dtype
        || part->tensor.layout != out->tensor.layout)
        return false;
    enum e2b_layout_rule rule = placer->net->graph.nodes[part->producer].op->layout;
    if (rule != E2B_LAYOUT_IMAGE && rule != E2B_LAYOUT_FOLLOW)
        return false;
    bool by_channel = out->tensor.layout == E2B_CHANNELS_LAST && axis == 1;
    if (by_channel && k + 1 < node->input_count
        && part->tensor.shape.dims[1] % placer->options->channel_align)
        return false;
    for (int i = 0; i < k; i++)
        if (node->inputs[i] == node->inputs[k])
            return false;
    return !has_view_reader(placer, node->inputs[k]);
}

/* The same operator as a view: its shape rule and reference stay, its kernels are not run. */
static const struct e2b_op *as_view(struct e2b_network *net, const struct e2b_op *op) {
    struct e2b_op *view = e2b_arena_alloc(&net->arena, sizeof *view);
    if (view) {
        *view = *op;
        view->layout = E2B_LAYOUT_VIEW;
        view->variants = NULL;
    }
    return view;
}

static enum e2b_status join_in_place(struct placer *placer, int index, struct e2b_error *err) {
    struct e2b_node *node = &placer->net->graph.nodes[index];
    int axis = concat_axis(placer, node);
    if (axis < 0)
        return E2B_OK;
    for (int k = 0; k < node->input_count; k++)
        if (!can_write_slice(placer, node, k, axis))
            return E2B_OK;
    if (value_at(placer, node->outputs[0])->storage < 0
        && place_in_arena(placer, node->outputs[0], err) != E2B_OK)
        return err->status;
    node->op = as_view(placer->net, node->op);
    if (!node->op)
        return e2b_fail_memory(err, "a graph");
    const struct e2b_value *out = value_at(placer, node->outputs[0]);
    int64_t offset = out->offset;
    for (int k = 0; k < node->input_count; k++) {
        struct e2b_value *part = value_at(placer, node->inputs[k]);
        part->storage = out->storage;
        part->offset = offset;
        for (int i = 0; i < out->tensor.shape.rank; i++)
            part->tensor.stride[i] = out->tensor.stride[i];
        offset += part->tensor.shape.dims[axis] * out->tensor.stride[axis];
    }
    return E2B_OK;
}

static enum e2b_status place_node(struct placer *placer, int index, struct e2b_error *err) {
    const struct e2b_node *node = &placer->net->graph.nodes[index];
    for (int k = 0; k < node->output_count; k++) {
        struct e2b_value *out = node->outputs[k] >= 0 ? value_at(placer, node->outputs[k]) : NULL;
        if (!out || out->storage >= 0)
            continue;
        if (!is_view(placer, index)) {
            if (place_in_arena(placer, node->outputs[k], err) != E2B_OK)
                return err->status;
        } else if (k == 0) {
            const struct e2b_value *in = value_at(placer, node->inputs[0]);
            out->storage = in->storage;
            out->offset = in->offset;
            out->constant = in->constant;
        } else if (e2b_network_use_count(placer->net, node->outputs[k])) {
            return e2b_fail(err, E2B_UNSUPPORTED,
                "node \"%s\" (%s): output %d is read, but has no memory", node->name,
                node->op->name, k);
        }
    }
    return E2B_OK;
}

static void touch(struct placer *placer, int value, int node) {
    if (value < 0 || value_at(placer, value)->storage < 0)
        return;
    struct e2b_storage *storage = &placer->net->graph.storages[value_at(placer, value)->storage];
    if (node < storage->first)
        storage->first = node;
    if (node > storage->last)
        storage->last = node;
}

static void find_lifetimes(struct placer *placer) {
    struct e2b_graph *graph = &placer->net->graph;
    for (int i = 0; i < graph->storage_count; i++) {
        graph->storages[i].first = INT32_MAX;
        graph->storages[i].last = -1;
    }
    for (int i = 0; i < graph->node_count; i++) {
        const struct e2b_node *node = &graph->nodes[i];
        for (int k = 0; !is_view(placer, i) && k < node->input_count; k++)
            touch(placer, node->inputs[k], i);
        for (int k = 0; !is_view(placer, i) && k < node->output_count; k++)
            touch(placer, node->outputs[k], i);
    }
    for (int i = 0; i < graph->storage_count; i++)
        if (graph->storages[i].last < 0)
            graph->storages[i].first = graph->storages[i].last = 0;
}

enum e2b_status e2b_pass_storage(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct placer placer = {.net = net, .options = options};
    struct e2b_graph *graph = &net->graph;
    graph->storages = calloc((size_t)graph->value_count + 1, sizeof *graph->storages);
    if (!graph->storages)
        return e2b_fail_memory(err, "a graph");
    place_edges(&placer);
    for (int i = graph->node_count - 1; i >= 0; i--)
        if (graph->nodes[i].op == &e2b_op_concat && join_in_place(&placer, i, err) != E2B_OK)
            return err->status;
    for (int i = 0; i < graph->node_count; i++)
        if (place_node(&placer, i, err) != E2B_OK)
            return err->status;
    find_lifetimes(&placer);
    return E2B_OK;
}
