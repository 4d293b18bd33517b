#include "runtime/model/storage.h"

#include "kernels/move/move.h"

static struct e2b_value *value_at(const struct e2b_placer *placer, int value) {
    return &placer->net->graph.values[value];
}

static bool is_view(const struct e2b_placer *placer, int node) {
    return placer->net->graph.nodes[node].op->layout == E2B_LAYOUT_VIEW;
}

/* The dimension along which the parts lie, -1 if that cannot be told (empty parts). */
static int concat_axis(const struct e2b_placer *placer, const struct e2b_node *node) {
    const struct e2b_shape *out = &value_at(placer, node->outputs[0])->tensor.shape;
    const struct e2b_shape *first = &value_at(placer, node->inputs[0])->tensor.shape;
    int axis = -1;
    for (int i = 0; i < out->rank; i++)
        if (out->dims[i] != first->dims[i])
            axis = i;
    return axis;
}

static bool has_view_reader(const struct e2b_placer *placer, int value) {
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
    const struct e2b_placer *placer, const struct e2b_node *node, int k, int axis) {
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

enum e2b_status e2b_join_in_place(struct e2b_placer *placer, int index, struct e2b_error *err) {
    struct e2b_node *node = &placer->net->graph.nodes[index];
    int axis = node->op == &e2b_op_concat ? concat_axis(placer, node) : -1;
    if (axis < 0)
        return E2B_OK;
    for (int k = 0; k < node->input_count; k++)
        if (!can_write_slice(placer, node, k, axis))
            return E2B_OK;
    if (value_at(placer, node->outputs[0])->storage < 0
        && e2b_place_in_arena(placer, node->outputs[0], err) != E2B_OK)
        return err->status;
    if (e2b_make_view(placer->net, node, err) != E2B_OK)
        return err->status;
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

/* Elements from the input's start to each part; false if the node does not just cut. */
static bool find_parts(
    const struct e2b_placer *placer, const struct e2b_node *node, int64_t *offset, int64_t *lane) {
    const struct e2b_tensor *in = &value_at(placer, node->inputs[0])->tensor;
    int rank = in->shape.rank;
    if (node->op == &e2b_op_slice) {
        const struct e2b_slice_params *params = node->params;
        *offset = 0;
        *lane = rank > 1 ? params->start[1] : 0;
        for (int i = 0; i < rank; i++) {
            if (params->step[i] != 1)
                return false;
            *offset += params->start[i] * in->stride[i];
        }
        return true;
    }
    int axis = ((const struct e2b_split_params *)node->params)->axis;
    int64_t start = 0;
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] < 0)
            return false;
        offset[k] = start * in->stride[axis];
        lane[k] = axis == 1 ? start : 0;
        start += value_at(placer, node->outputs[k])->tensor.shape.dims[axis];
    }
    return true;
}

/* Kernels read vectors: a part begins where a whole one could. */
static bool can_read_part(const struct e2b_placer *placer, const struct e2b_tensor *in, int value,
    int64_t offset, int64_t lane) {
    const struct e2b_value *part = value_at(placer, value);
    return part->storage < 0 && part->tensor.dtype == in->dtype && part->tensor.layout == in->layout
        && (in->layout != E2B_CHANNELS_LAST || lane % placer->options->channel_align == 0)
        && offset % placer->options->channel_align == 0 && !has_view_reader(placer, value);
}

enum e2b_status e2b_part_in_place(struct e2b_placer *placer, int index, struct e2b_error *err) {
    struct e2b_node *node = &placer->net->graph.nodes[index];
    int64_t offset[E2B_MAX_OUTPUTS], lane[E2B_MAX_OUTPUTS];
    if ((node->op != &e2b_op_slice && node->op != &e2b_op_split)
        || value_at(placer, node->inputs[0])->constant || !find_parts(placer, node, offset, lane))
        return E2B_OK;
    const struct e2b_value *in = value_at(placer, node->inputs[0]);
    for (int k = 0; k < node->output_count; k++)
        if (!can_read_part(placer, &in->tensor, node->outputs[k], offset[k], lane[k]))
            return E2B_OK;
    if (e2b_make_view(placer->net, node, err) != E2B_OK)
        return err->status;
    for (int k = 0; k < node->output_count; k++) {
        struct e2b_value *part = value_at(placer, node->outputs[k]);
        part->storage = in->storage;
        part->offset = in->offset + offset[k];
        for (int i = 0; i < in->tensor.shape.rank; i++)
            part->tensor.stride[i] = in->tensor.stride[i];
    }
    return E2B_OK;
}
