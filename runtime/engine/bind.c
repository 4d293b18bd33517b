#include "runtime/engine/bind.h"

#include "runtime/model/memory_plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_ALIGN 256

static int count_scratch(const struct e2b_graph *graph, const struct e2b_launch_list *lists) {
    int count = 0;
    for (int i = 0; i < graph->node_count; i++)
        count += lists[i].scratch_count;
    return count;
}

static int collect_blocks(
    const struct e2b_graph *graph, const struct e2b_launch_list *lists, struct e2b_block *blocks) {
    int count = 0;
    for (int i = 0; i < graph->storage_count; i++) {
        const struct e2b_storage *storage = &graph->storages[i];
        if (storage->kind == E2B_STORAGE_ARENA)
            blocks[count++] = (struct e2b_block){storage->bytes, storage->first, storage->last, 0};
    }
    for (int i = 0; i < graph->node_count; i++)
        for (int s = 0; s < lists[i].scratch_count; s++) {
            const struct e2b_scratch *scratch = &lists[i].scratch[s];
            int first = scratch->persistent ? 0 : i;
            int last = scratch->persistent ? graph->node_count - 1 : i;
            blocks[count++] = (struct e2b_block){(int64_t)scratch->bytes, first, last, 0};
        }
    return count;
}

static void take_offsets(struct e2b_memory_layout *layout, const struct e2b_graph *graph,
    const struct e2b_launch_list *lists, const struct e2b_block *blocks) {
    int next = 0;
    for (int i = 0; i < graph->storage_count; i++)
        layout->storage_offset[i] =
            graph->storages[i].kind == E2B_STORAGE_ARENA ? blocks[next++].offset : -1;
    for (int i = 0; i < graph->node_count; i++)
        for (int s = 0; s < lists[i].scratch_count; s++)
            layout->scratch_offset[i][s] = blocks[next++].offset;
}

enum e2b_status e2b_memory_layout_init(struct e2b_memory_layout *layout,
    const struct e2b_graph *graph, const struct e2b_launch_list *lists,
    const struct e2b_traits *traits, struct e2b_error *err) {
    int capacity = graph->storage_count + count_scratch(graph, lists);
    struct e2b_block *blocks = calloc((size_t)capacity + 1, sizeof *blocks);
    layout->storage_offset =
        calloc((size_t)graph->storage_count + 1, sizeof *layout->storage_offset);
    layout->scratch_offset = calloc((size_t)graph->node_count + 1, sizeof *layout->scratch_offset);
    if (!blocks || !layout->storage_offset || !layout->scratch_offset) {
        free(blocks);
        return e2b_fail_memory(err, "a memory plan");
    }
    int count = collect_blocks(graph, lists, blocks);
    int64_t align = traits->base_align_bytes > MIN_ALIGN ? traits->base_align_bytes : MIN_ALIGN;
    if (e2b_memory_plan(blocks, count, align, &layout->arena_bytes, err) == E2B_OK)
        take_offsets(layout, graph, lists, blocks);
    free(blocks);
    if (err->status == E2B_OK && traits->max_buffer_bytes > 0
        && layout->arena_bytes > traits->max_buffer_bytes)
        e2b_fail(err, E2B_NO_MEMORY,
            "batch size %d needs %" PRId64 " bytes of activations, device \"%s\" gives at most "
            "%" PRId64 " in one buffer: use smaller batch sizes",
            graph->batch, layout->arena_bytes, traits->device, traits->max_buffer_bytes);
    return err->status;
}

int64_t e2b_memory_layout_add(struct e2b_memory_layout *layout, int64_t bytes) {
    int64_t offset = (layout->arena_bytes + MIN_ALIGN - 1) / MIN_ALIGN * MIN_ALIGN;
    layout->arena_bytes = offset + bytes;
    return offset;
}

void e2b_memory_layout_finish(struct e2b_memory_layout *layout) {
    free(layout->storage_offset);
    free(layout->scratch_offset);
}

static void pack_copy(const struct e2b_packing *packing, void *to) {
    memcpy(to, packing->from[0]->data, packing->bytes);
}

static void pack_half(const struct e2b_packing *packing, void *to) {
    const float *from = packing->from[0]->data;
    uint16_t *half = to;
    for (size_t i = 0; i < packing->bytes / sizeof *half; i++)
        half[i] = e2b_half_from_float(from[i]);
}

/* A constant that a kernel reads as it is: row-major, floats in the graph's precision. */
static enum e2b_status bind_constant(const struct e2b_binder *binder,
    const struct e2b_constant *constant, struct e2b_bound_arg *arg, struct e2b_error *err) {
    bool to_half = constant->dtype == E2B_F32 && binder->graph->precision == E2B_F16;
    size_t element = to_half ? sizeof(uint16_t) : e2b_dtype_bytes(constant->dtype);
    struct e2b_packing packing = {
        .from = {constant},
        .bytes = (size_t)e2b_shape_count(&constant->shape) * element,
        .pack = to_half ? pack_half : pack_copy,
    };
    snprintf(packing.key, sizeof packing.key, "plain %s", to_half ? "f16" : "as is");
    arg->place = E2B_PLACE_WEIGHTS;
    arg->element_bytes = (int)element;
    return e2b_weights_get(binder->weights, &packing, &arg->packed, err);
}

/* Where an image's pixels all lie at one distance, only the channels of each. */
static void set_pitch(const struct e2b_tensor *tensor, int align, struct e2b_footprint *footprint) {
    int rank = tensor->shape.rank;
    int64_t element = (int64_t)e2b_dtype_bytes(tensor->dtype);
    if (tensor->layout != E2B_CHANNELS_LAST || rank < 3)
        return;
    int64_t pitch = tensor->stride[rank - 1], channels = tensor->shape.dims[1];
    channels = (channels + align - 1) / align * align;
    for (int i = 0; i < rank; i++)
        if (i != 1 && (pitch <= 0 || tensor->stride[i] % pitch))
            return;
    footprint->pitch = pitch * element;
    footprint->width = channels * element;
}

static void set_footprint(const struct e2b_binder *binder, const struct e2b_tensor *tensor,
    bool written, struct e2b_bound_arg *arg) {
    int align = binder->channel_align > 0 ? binder->channel_align : 1;
    int64_t element = (int64_t)e2b_dtype_bytes(tensor->dtype);
    arg->footprint = (struct e2b_footprint){
        .begin = arg->offset * element,
        .end = (arg->offset + e2b_tensor_extent(tensor, align)) * element,
        .written = written,
    };
    set_pitch(tensor, align, &arg->footprint);
}

static enum e2b_status bind_value(const struct e2b_binder *binder, int index, bool written,
    struct e2b_bound_arg *arg, struct e2b_error *err) {
    const struct e2b_value *value = &binder->graph->values[index];
    if (value->constant)
        return bind_constant(binder, value->constant, arg, err);
    const struct e2b_storage *storage = &binder->graph->storages[value->storage];
    arg->offset = value->offset;
    arg->index = storage->index;
    if (storage->kind == E2B_STORAGE_ARENA) {
        arg->place = E2B_PLACE_ARENA;
        arg->offset += binder->memory->storage_offset[value->storage]
            / (int64_t)e2b_dtype_bytes(value->tensor.dtype);
    } else {
        arg->place =
            storage->kind == E2B_STORAGE_INPUT ? E2B_PLACE_GRAPH_INPUT : E2B_PLACE_GRAPH_OUTPUT;
        arg->slot_stride = storage->slot_stride;
    }
    if (arg->offset > UINT32_MAX)
        return e2b_fail(err, E2B_NO_MEMORY,
            "value \"%s\" lies beyond 2^32 elements: use smaller batch sizes", value->name);
    set_footprint(binder, &value->tensor, written, arg);
    return E2B_OK;
}

static enum e2b_status bind_scratch(
    const struct e2b_binder *binder, int index, struct e2b_bound_arg *arg, struct e2b_error *err) {
    const struct e2b_scratch *scratch = &binder->list->scratch[index];
    int64_t begin = binder->memory->scratch_offset[binder->node][index];
    arg->place = E2B_PLACE_ARENA;
    arg->offset = begin / (scratch->element_bytes ? scratch->element_bytes : 4);
    arg->footprint = (struct e2b_footprint){
        .begin = begin, .end = begin + (int64_t)scratch->bytes, .written = true};
    if (arg->offset > UINT32_MAX)
        return e2b_fail(err, E2B_NO_MEMORY,
            "node \"%s\": its scratch lies beyond 2^32 elements: use smaller batch sizes",
            binder->graph->nodes[binder->node].name);
    return E2B_OK;
}

static enum e2b_status bind_arg(const struct e2b_binder *binder, const struct e2b_arg *from,
    struct e2b_bound_arg *to, struct e2b_error *err) {
    const struct e2b_node *node = &binder->graph->nodes[binder->node];
    switch (from->kind) {
    case E2B_ARG_INPUT:
        return bind_value(binder, node->inputs[from->index], false, to, err);
    case E2B_ARG_OUTPUT:
        return bind_value(binder, node->outputs[from->index], true, to, err);
    case E2B_ARG_SCRATCH:
        return bind_scratch(binder, from->index, to, err);
    case E2B_ARG_PACKED:
        to->place = E2B_PLACE_WEIGHTS;
        to->without_offset = true;
        return e2b_weights_get(
            binder->weights, &binder->list->packings[from->index], &to->packed, err);
    case E2B_ARG_INT:
    case E2B_ARG_FLOAT:
        to->is_value = true;
        to->value = from->i;
        return E2B_OK;
    }
    return e2b_fail(err, E2B_INTERNAL, "unknown argument kind %d", (int)from->kind);
}

enum e2b_status e2b_bind_launch(
    const struct e2b_binder *binder, struct e2b_step *step, struct e2b_error *err) {
    for (int i = 0; i < step->launch.arg_count; i++)
        if (bind_arg(binder, &step->launch.args[i], &step->args[i], err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

bool e2b_bound_in_one_buffer(const struct e2b_bound_arg *a, const struct e2b_bound_arg *b) {
    if (a->place != b->place)
        return false;
    return a->place == E2B_PLACE_WEIGHTS ? a->packed.block == b->packed.block
                                         : a->place == E2B_PLACE_ARENA || a->index == b->index;
}

int32_t e2b_bound_word(const struct e2b_bound_arg *arg) {
    if (arg->is_value)
        return arg->value;
    if (arg->place != E2B_PLACE_WEIGHTS)
        return (int32_t)arg->offset;
    return (int32_t)(arg->packed.offset
        / (size_t)(arg->without_offset ? E2B_PACKED_ALIGN : arg->element_bytes));
}

void e2b_bind_zeroed(const struct e2b_binder *binder, struct e2b_step *step) {
    int64_t begin = INT64_MAX, end = 0;
    for (int s = 0; s < binder->list->scratch_count; s++) {
        if (!binder->list->scratch[s].zeroed)
            continue;
        int64_t offset = binder->memory->scratch_offset[binder->node][s];
        int64_t stop = offset + (int64_t)binder->list->scratch[s].bytes;
        begin = offset < begin ? offset : begin;
        end = stop > end ? stop : end;
    }
    step->zero_bytes = end ? end - begin : 0;
    step->zero_offset = end ? begin : 0;
}
