#include "kernels/move/move.h"
#include "runtime/model/passes.h"

#include <stdlib.h>

struct layout {
    struct e2b_network *net;
    const struct e2b_graph_options *options;
    int original;                 /* nodes before this pass; later ones are converts */
    enum e2b_dtype *output_dtype; /* declared, of each graph output */
};

static struct e2b_tensor *tensor_of(const struct layout *layout, int value) {
    return &layout->net->graph.values[value].tensor;
}

static bool is_varying(const struct layout *layout, int value) {
    return value >= 0 && !layout->net->graph.values[value].constant;
}

static bool is_image(const struct e2b_tensor *tensor) {
    return (tensor->shape.rank == 3 || tensor->shape.rank == 4)
        && e2b_dtype_is_float(tensor->dtype);
}

static enum e2b_dtype inner_dtype(const struct layout *layout, enum e2b_dtype dtype) {
    return e2b_dtype_is_float(dtype) ? layout->net->graph.precision : dtype;
}

static void set_slot_stride(struct e2b_tensor *tensor, int64_t stride, bool batchable) {
    if (batchable && stride > 0 && tensor->shape.rank > 0)
        tensor->stride[0] = stride;
}

static bool is_batchable(const struct layout *layout) {
    return e2b_model_is_batchable(layout->net->graph.model);
}

static void place_inputs(struct layout *layout) {
    const struct e2b_graph *graph = &layout->net->graph;
    const int64_t *strides = layout->options->input_stride;
    for (int i = 0; i < graph->input_count; i++)
        set_slot_stride(
            tensor_of(layout, graph->inputs[i]), strides ? strides[i] : 0, is_batchable(layout));
}

/* Constants of other float types become float, the one type that kernels pack from. */
static enum e2b_status widen_constants(struct layout *layout, struct e2b_error *err) {
    struct e2b_network *net = layout->net;
    for (int i = 0; i < net->graph.value_count; i++) {
        struct e2b_value *value = &net->graph.values[i];
        const struct e2b_constant *old = value->constant;
        if (!old || old->dtype == E2B_F32 || !e2b_dtype_is_float(old->dtype)
            || !e2b_network_use_count(net, i))
            continue;
        struct e2b_text recipe = {0};
        e2b_text_add(&recipe, "float #%llu", (unsigned long long)old->id);
        const struct e2b_constant *made = e2b_constants_find(net->constants, &recipe);
        if (!made)
            e2b_constants_add_scaled(net->constants, old, 0, NULL, &recipe, &made, err);
        e2b_text_finish(&recipe);
        if (err->status != E2B_OK)
            return err->status;
        value->constant = made;
        value->tensor.dtype = E2B_F32;
    }
    return E2B_OK;
}

/* What a reader asks of a tensor. */
struct wish {
    enum e2b_dtype dtype;
    bool any_layout;
    enum e2b_layout layout;
};

static bool is_granted(const struct e2b_tensor *tensor, const struct wish *wish) {
    int rank = tensor->shape.rank;
    if (tensor->dtype != wish->dtype)
        return false;
    if (wish->any_layout)
        return true;
    return tensor->layout == wish->layout
        && (wish->layout == E2B_CHANNELS_LAST || rank == 0 || tensor->stride[rank - 1] == 1);
}

static int find_convert(const struct layout *layout, int value, const struct wish *wish) {
    const struct e2b_graph *graph = &layout->net->graph;
    for (int i = layout->original; i < graph->node_count; i++)
        if (graph->nodes[i].inputs[0] == value
            && is_granted(tensor_of(layout, graph->nodes[i].outputs[0]), wish))
            return graph->nodes[i].outputs[0];
    return -1;
}

/* A new value of the same content, made by "convert"; -1 on failure. */
static int add_convert(struct layout *layout, int value, enum e2b_dtype dtype, enum e2b_layout to,
    struct e2b_error *err) {
    struct e2b_network *net = layout->net;
    const char *name = net->graph.values[value].name;
    int made = e2b_network_add_value(net, name, err);
    int node = e2b_network_add_node(net, &e2b_op_convert, name, 1, 1, err);
    if (made < 0 || node < 0)
        return -1;
    struct e2b_tensor *tensor = tensor_of(layout, made);
    *tensor = *tensor_of(layout, value);
    tensor->dtype = dtype;
    tensor->layout = to;
    e2b_tensor_set_dense(tensor, layout->options->channel_align);
    net->graph.nodes[node].inputs[0] = value;
    e2b_network_set_output(net, node, 0, made);
    return made;
}

/* The value itself or a converted one that is as wished; -1 on failure. */
static int grant(struct layout *layout, int value, const struct wish *wish, struct e2b_error *err) {
    if (is_granted(tensor_of(layout, value), wish))
        return value;
    int found = find_convert(layout, value, wish);
    if (found >= 0)
        return found;
    enum e2b_layout to = wish->any_layout ? tensor_of(layout, value)->layout : wish->layout;
    return add_convert(layout, value, wish->dtype, to, err);
}

static struct wish wish_of(const struct layout *layout, const struct e2b_op *op, int input,
    const struct e2b_tensor *tensor) {
    struct wish wish = {
        .dtype = e2b_op_input_is_fp32(op, input) ? E2B_F32 : inner_dtype(layout, tensor->dtype)};
    wish.any_layout = op->layout == E2B_LAYOUT_FOLLOW || op->layout == E2B_LAYOUT_VIEW;
    wish.layout =
        op->layout == E2B_LAYOUT_IMAGE && is_image(tensor) ? E2B_CHANNELS_LAST : E2B_ROW_MAJOR;
    return wish;
}

static int first_varying(const struct layout *layout, const struct e2b_node *node) {
    for (int k = 0; k < node->input_count; k++)
        if (is_varying(layout, node->inputs[k]))
            return node->inputs[k];
    return -1;
}

static bool has_image_reader(const struct layout *layout, int value) {
    const struct e2b_graph *graph = &layout->net->graph;
    for (int i = 0; i < layout->original; i++)
        for (int k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == value
                && graph->nodes[i].op->layout == E2B_LAYOUT_IMAGE)
                return true;
    return false;
}

/* Where an image comes from something that is none (raw pixels), its readers decide. */
static enum e2b_layout output_layout(
    const struct layout *layout, const struct e2b_node *node, int output) {
    const struct e2b_tensor *tensor = tensor_of(layout, output);
    if (node->op->layout == E2B_LAYOUT_IMAGE && is_image(tensor))
        return E2B_CHANNELS_LAST;
    int from = first_varying(layout, node);
    if (node->op->layout != E2B_LAYOUT_FOLLOW || from < 0)
        return E2B_ROW_MAJOR;
    const struct e2b_tensor *leader = tensor_of(layout, from);
    if (is_image(tensor) && !is_image(leader) && has_image_reader(layout, output))
        return E2B_CHANNELS_LAST;
    return leader->shape.rank == tensor->shape.rank ? leader->layout : E2B_ROW_MAJOR;
}

/* The graph output that a value is, or becomes through views that nothing else reads; else -1. */
static int output_reached(const struct layout *layout, int value) {
    const struct e2b_graph *graph = &layout->net->graph;
    for (;;) {
        for (int i = 0; i < graph->output_count; i++)
            if (graph->outputs[i] == value)
                return i;
        if (e2b_network_use_count(layout->net, value) != 1)
            return -1;
        int next = -1;
        for (int i = 0; i < layout->original; i++)
            if (graph->nodes[i].op->layout == E2B_LAYOUT_VIEW && graph->nodes[i].inputs[0] == value)
                next = graph->nodes[i].outputs[0];
        if (next < 0)
            return -1;
        value = next;
    }
}

/* Row-major results that end as a graph output are laid out with its slots from the start. */
static void place_output(struct layout *layout, int value) {
    struct e2b_tensor *tensor = tensor_of(layout, value);
    const int64_t *strides = layout->options->output_stride;
    if (!strides || tensor->layout != E2B_ROW_MAJOR || tensor->shape.rank == 0
        || tensor->shape.dims[0] != layout->net->graph.batch)
        return;
    int output = output_reached(layout, value);
    if (output >= 0 && tensor->dtype == layout->output_dtype[output])
        set_slot_stride(tensor, strides[output], is_batchable(layout));
}

/* As the node's kernels write it. */
static void lay_output(
    const struct layout *layout, const struct e2b_node *node, int k, struct e2b_tensor *tensor) {
    tensor->layout = output_layout(layout, node, node->outputs[k]);
    tensor->dtype =
        e2b_op_output_is_fp32(node->op, k) ? E2B_F32 : inner_dtype(layout, tensor->dtype);
    e2b_tensor_set_dense(tensor, layout->options->channel_align);
}

/* Whether a fast variant of the node reads its image, of few channels, as it lies. */
static bool reads_planes(const struct layout *layout, int index) {
    const struct e2b_node *node = &layout->net->graph.nodes[index];
    const struct e2b_tensor *image = tensor_of(layout, node->inputs[0]);
    if (!layout->options->traits || !is_image(image) || image->layout != E2B_ROW_MAJOR
        || image->stride[image->shape.rank - 1] != 1
        || image->shape.dims[1] > node->op->planar_channels)
        return false;
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    e2b_graph_call(&layout->net->graph, index, inputs, outputs, &call);
    for (int k = 0; k < node->output_count; k++)
        lay_output(layout, node, k, &outputs[k].tensor);
    call.traits = layout->options->traits;
    return e2b_op_has_fast_variant(&call);
}

static enum e2b_status convert_inputs(struct layout *layout, int node, struct e2b_error *err) {
    for (int k = 0; k < layout->net->graph.nodes[node].input_count; k++) {
        int value = layout->net->graph.nodes[node].inputs[k];
        if (!is_varying(layout, value) || (k == 0 && reads_planes(layout, node)))
            continue;
        struct wish wish =
            wish_of(layout, layout->net->graph.nodes[node].op, k, tensor_of(layout, value));
        int granted = grant(layout, value, &wish, err);
        if (granted < 0)
            return err->status;
        layout->net->graph.nodes[node].inputs[k] = granted;
    }
    return E2B_OK;
}

static void set_outputs(struct layout *layout, int index) {
    const struct e2b_node *node = &layout->net->graph.nodes[index];
    for (int k = 0; k < node->output_count; k++) {
        if (node->outputs[k] < 0)
            continue;
        struct e2b_tensor *tensor = tensor_of(layout, node->outputs[k]);
        lay_output(layout, node, k, tensor);
        place_output(layout, node->outputs[k]);
    }
}

/* The strides of a value of shape `from` whose memory, seen as `shape`, is what the view's readers
 * want: channels-last if they are image operators and no pad lanes are needed, else row-major. */
static void choose_strides(const struct layout *layout, int output, const struct e2b_shape *shape,
    const struct e2b_shape *from, struct e2b_tensor *out) {
    struct e2b_tensor seen = *tensor_of(layout, output);
    seen.shape = *shape;
    seen.layout = E2B_CHANNELS_LAST;
    e2b_tensor_set_dense(&seen, 1);
    if (is_image(&seen) && shape->dims[1] % layout->options->channel_align == 0
        && has_image_reader(layout, output) && e2b_tensor_reshape(&seen, from, out))
        return;
    out->layout = E2B_ROW_MAJOR;
    e2b_tensor_set_dense(out, 1);
}

/* Row-major in name, but with the strides of channels-last samples without pad lanes. */
static void relabel(const struct layout *layout, struct e2b_tensor *tensor) {
    struct e2b_tensor last = *tensor;
    last.layout = E2B_CHANNELS_LAST;
    e2b_tensor_set_dense(&last, 1);
    if (!is_image(tensor) || tensor->shape.dims[1] % layout->options->channel_align)
        return;
    last.stride[0] = tensor->stride[0];
    for (int i = 1; i < tensor->shape.rank; i++)
        if (tensor->shape.dims[i] != 1 && tensor->stride[i] != last.stride[i])
            return;
    *tensor = last;
}

static enum e2b_status lay_view(struct layout *layout, int index, struct e2b_error *err) {
    const struct e2b_node *node = &layout->net->graph.nodes[index];
    int input = node->inputs[0], output = node->outputs[0];
    const struct e2b_tensor from = *tensor_of(layout, input);
    const struct e2b_shape shape = tensor_of(layout, output)->shape;
    if (e2b_shape_equal(&from.shape, &shape)) {
        *tensor_of(layout, output) = from;
        return E2B_OK;
    }
    if (!e2b_tensor_reshape(&from, &shape, tensor_of(layout, output))) {
        int made = add_convert(layout, input, from.dtype, E2B_ROW_MAJOR, err);
        if (made < 0)
            return err->status;
        layout->net->graph.nodes[index].inputs[0] = made;
        choose_strides(layout, output, &shape, &from.shape, tensor_of(layout, made));
        e2b_tensor_reshape(tensor_of(layout, made), &shape, tensor_of(layout, output));
    }
    relabel(layout, tensor_of(layout, output));
    return E2B_OK;
}

static enum e2b_status lay_transpose(struct layout *layout, int index, struct e2b_error *err) {
    struct e2b_node *node = &layout->net->graph.nodes[index];
    const struct e2b_transpose_params *params = node->params;
    struct e2b_tensor *out = tensor_of(layout, node->outputs[0]);
    const struct e2b_tensor *in = tensor_of(layout, node->inputs[0]);
    out->dtype = in->dtype;
    out->layout = E2B_ROW_MAJOR;
    for (int i = 0; i < out->shape.rank; i++)
        out->stride[i] = in->stride[params->perm[i]];
    relabel(layout, out);
    return e2b_make_view(layout->net, node, err);
}

static int root_of(const struct e2b_graph *graph, int value) {
    for (;;) {
        int producer = graph->values[value].producer;
        if (producer < 0 || graph->nodes[producer].op->layout != E2B_LAYOUT_VIEW)
            return value;
        value = graph->nodes[producer].inputs[0];
    }
}

/* Whether all that a kernel writes of the tensor, pad lanes too, lies in the output's slots. */
static bool fits_slots(const struct layout *layout, int output, const struct e2b_tensor *tensor) {
    const struct e2b_graph *graph = &layout->net->graph;
    const int64_t *strides = layout->options->output_stride;
    int64_t slots = is_batchable(layout) ? graph->batch : 1;
    int64_t elements =
        strides && strides[output] ? strides[output] * slots : e2b_shape_count(&tensor->shape);
    return e2b_tensor_extent(tensor, layout->options->channel_align) <= elements;
}

/* Whether the value's memory can be the output's slots: made by a kernel, for this output alone. */
static bool can_be_output(
    const struct layout *layout, int output, const struct e2b_tensor *wanted) {
    const struct e2b_graph *graph = &layout->net->graph;
    int value = graph->outputs[output], root = root_of(graph, value);
    const struct e2b_tensor *tensor = tensor_of(layout, value);
    if (graph->values[root].constant || graph->values[root].producer < 0
        || tensor->dtype != wanted->dtype || !fits_slots(layout, output, tensor_of(layout, root)))
        return false;
    for (int i = 0; i < wanted->shape.rank; i++)
        if (wanted->shape.dims[i] != 1 && tensor->stride[i] != wanted->stride[i])
            return false;
    for (int i = 0; i < output; i++)
        if (root_of(graph, graph->outputs[i]) == root)
            return false;
    return value == root || output_reached(layout, root) == output;
}

static enum e2b_status lay_outputs(struct layout *layout, struct e2b_error *err) {
    const int64_t *strides = layout->options->output_stride;
    for (int i = 0; i < layout->net->graph.output_count; i++) {
        int value = layout->net->graph.outputs[i];
        struct e2b_tensor wanted = *tensor_of(layout, value);
        wanted.dtype = layout->output_dtype[i];
        wanted.layout = E2B_ROW_MAJOR;
        e2b_tensor_set_dense(&wanted, 1);
        set_slot_stride(&wanted, strides ? strides[i] : 0, is_batchable(layout));
        if (can_be_output(layout, i, &wanted)) {
            /* A single pixel lies in its slot as it is: its kernel must still see an image. */
            wanted.layout = tensor_of(layout, value)->layout;
        } else {
            int made = add_convert(layout, value, wanted.dtype, E2B_ROW_MAJOR, err);
            if (made < 0)
                return err->status;
            layout->net->graph.outputs[i] = value = made;
        }
        *tensor_of(layout, value) = wanted;
    }
    return E2B_OK;
}

static enum e2b_status lay_all(struct layout *layout, struct e2b_error *err) {
    place_inputs(layout);
    if (widen_constants(layout, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < layout->original; i++) {
        if (convert_inputs(layout, i, err) != E2B_OK)
            return err->status;
        const struct e2b_node *node = &layout->net->graph.nodes[i];
        if (node->op == &e2b_op_transpose && is_varying(layout, node->inputs[0]))
            lay_transpose(layout, i, err);
        else if (node->op->layout == E2B_LAYOUT_VIEW)
            lay_view(layout, i, err);
        else
            set_outputs(layout, i);
        if (err->status != E2B_OK)
            return err->status;
    }
    return lay_outputs(layout, err);
}

enum e2b_status e2b_pass_layout(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err) {
    struct layout layout = {.net = net, .options = options, .original = net->graph.node_count};
    layout.output_dtype = calloc((size_t)net->graph.output_count + 1, sizeof *layout.output_dtype);
    if (!layout.output_dtype)
        return e2b_fail_memory(err, "a graph");
    for (int i = 0; i < net->graph.output_count; i++)
        layout.output_dtype[i] = net->graph.values[net->graph.outputs[i]].tensor.dtype;
    lay_all(&layout, err);
    free(layout.output_dtype);
    return err->status == E2B_OK ? e2b_network_tidy(net, err) : err->status;
}
