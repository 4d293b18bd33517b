#include "runtime/model/storage.h"

#include <inttypes.h>
#include <stdlib.h>

static struct e2b_value *value_at(const struct e2b_placer *placer, int value) {
    return &placer->net->graph.values[value];
}

static bool is_view(const struct e2b_placer *placer, int node) {
    return placer->net->graph.nodes[node].op->layout == E2B_LAYOUT_VIEW;
}

static int add_storage(struct e2b_placer *placer, const struct e2b_storage *storage) {
    struct e2b_graph *graph = &placer->net->graph;
    graph->storages[graph->storage_count] = *storage;
    return graph->storage_count++;
}

/* Slots of an input or output of the whole model. */
static void place_edge(struct e2b_placer *placer, enum e2b_storage_kind kind, int index, int value,
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

static int root_of(const struct e2b_placer *placer, int value) {
    for (;;) {
        int producer = value_at(placer, value)->producer;
        if (producer < 0 || !is_view(placer, producer))
            return value;
        value = placer->net->graph.nodes[producer].inputs[0];
    }
}

static void place_edges(struct e2b_placer *placer) {
    const struct e2b_graph *graph = &placer->net->graph;
    for (int i = 0; i < graph->input_count; i++)
        place_edge(placer, E2B_STORAGE_INPUT, i, graph->inputs[i], placer->options->input_stride);
    for (int i = 0; i < graph->output_count; i++)
        place_edge(placer, E2B_STORAGE_OUTPUT, i, root_of(placer, graph->outputs[i]),
            placer->options->output_stride);
}

enum e2b_status e2b_place_in_arena(struct e2b_placer *placer, int value, struct e2b_error *err) {
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

static enum e2b_status place_node(struct e2b_placer *placer, int index, struct e2b_error *err) {
    const struct e2b_node *node = &placer->net->graph.nodes[index];
    for (int k = 0; k < node->output_count; k++) {
        struct e2b_value *out = node->outputs[k] >= 0 ? value_at(placer, node->outputs[k]) : NULL;
        if (!out || out->storage >= 0)
            continue;
        if (!is_view(placer, index)) {
            if (e2b_place_in_arena(placer, node->outputs[k], err) != E2B_OK)
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

static void touch(struct e2b_placer *placer, int value, int node) {
    if (value < 0 || value_at(placer, value)->storage < 0)
        return;
    struct e2b_storage *storage = &placer->net->graph.storages[value_at(placer, value)->storage];
    if (node < storage->first)
        storage->first = node;
    if (node > storage->last)
        storage->last = node;
}

static void find_lifetimes(struct e2b_placer *placer) {
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
    struct e2b_placer placer = {.net = net, .options = options};
    struct e2b_graph *graph = &net->graph;
    graph->storages = calloc((size_t)graph->value_count + 1, sizeof *graph->storages);
    if (!graph->storages)
        return e2b_fail_memory(err, "a graph");
    place_edges(&placer);
    for (int i = graph->node_count - 1; i >= 0; i--)
        if (e2b_join_in_place(&placer, i, err) != E2B_OK)
            return err->status;
    for (int i = 0; i < graph->node_count; i++)
        if (e2b_part_in_place(&placer, i, err) != E2B_OK || place_node(&placer, i, err) != E2B_OK)
            return err->status;
    find_lifetimes(&placer);
    return E2B_OK;
}
