#include "runtime/engine/instance.h"

#include "kernels/chain.h"
#include "kernels/entry.h"
#include "runtime/engine/entry.h"
#include "runtime/engine/merge.h"

#include <stdlib.h>
#include <string.h>

/* The offset in a kernel argument that depends on the first slot of a run. */
struct edge {
    struct e2b_kernel *kernel;
    int position; /* of the argument */
    int64_t offset, slot_stride;
    int32_t *words;       /* NULL: the argument is the offset; else the structure of an entry, */
    int word, word_count; /* in which it is this word */
};

struct e2b_instance {
    const struct e2b_plan *plan;
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct e2b_buffer *arena;
    struct e2b_kernel **kernels; /* one a step */
    int32_t **words;             /* of an entry with edges, one a step */
    struct edge *edges;
    int edge_count, edge_capacity;
    int first; /* slot that the edges are set for, -1 none */
    void (*between)(void *context);
    void *between_context;
};

static bool add_edge(struct e2b_instance *instance, const struct edge *edge) {
    if (instance->edge_count == instance->edge_capacity) {
        int capacity = instance->edge_capacity ? 2 * instance->edge_capacity : 8;
        struct edge *edges = realloc(instance->edges, (size_t)capacity * sizeof *edges);
        if (!edges)
            return false;
        instance->edges = edges;
        instance->edge_capacity = capacity;
    }
    instance->edges[instance->edge_count++] = *edge;
    return true;
}

static struct e2b_buffer *buffer_of(const struct e2b_instance *instance,
    const struct e2b_io_buffers *io, const struct e2b_bound_arg *arg) {
    switch (arg->place) {
    case E2B_PLACE_ARENA:
        return instance->arena;
    case E2B_PLACE_WEIGHTS:
        return arg->packed.buffer;
    case E2B_PLACE_GRAPH_INPUT:
        return io->inputs[arg->index];
    default:
        return io->outputs[arg->index];
    }
}

static enum e2b_status set_args(struct e2b_instance *instance, const struct e2b_step *step,
    struct e2b_kernel *kernel, const struct e2b_io_buffers *io, struct e2b_error *err) {
    struct e2b_device *device = instance->device;
    int position = 0;
    for (int i = 0; i < step->launch.arg_count && err->status == E2B_OK; i++) {
        const struct e2b_bound_arg *arg = &step->args[i];
        if (arg->is_value) {
            device->ops->kernel_set_value(
                device, kernel, position++, &arg->value, sizeof arg->value, err);
            continue;
        }
        device->ops->kernel_set_buffer(
            device, kernel, position++, buffer_of(instance, io, arg), err);
        if (arg->without_offset || err->status != E2B_OK)
            continue;
        if (arg->slot_stride
            && !add_edge(instance,
                &(struct edge){kernel, position, arg->offset, arg->slot_stride, NULL, 0, 1}))
            return e2b_fail_memory(err, "an instance");
        uint32_t offset = (uint32_t)arg->offset;
        device->ops->kernel_set_value(device, kernel, position++, &offset, sizeof offset, err);
    }
    return err->status;
}

/* A structure that edges change, else NULL; on failure err is set. */
static int32_t *copy_words(
    struct e2b_instance *instance, int index, const struct e2b_step *step, struct e2b_error *err) {
    bool has_edges = false;
    for (int i = 0; i < step->launch.arg_count; i++)
        has_edges |= !step->args[i].is_value && step->args[i].slot_stride;
    if (!has_edges)
        return NULL;
    size_t bytes = (size_t)step->launch.arg_count * sizeof *step->entry->words;
    int32_t *words = instance->words[index] = malloc(bytes);
    if (words)
        memcpy(words, step->entry->words, bytes);
    else
        e2b_fail_memory(err, "an instance");
    return words;
}

static enum e2b_status set_entry_args(struct e2b_instance *instance, int index,
    const struct e2b_step *step, const struct e2b_io_buffers *io, struct e2b_error *err) {
    const struct e2b_device_ops *ops = instance->device->ops;
    const struct e2b_entry *entry = step->entry;
    struct e2b_kernel *kernel = instance->kernels[index];
    int count = step->launch.arg_count, position = entry->buffer_count;
    for (int i = 0; i < position && err->status == E2B_OK; i++) {
        const struct e2b_bound_arg *arg = &step->args[entry->buffers[i]];
        struct e2b_buffer *buffer =
            arg->place == E2B_PLACE_WEIGHTS ? arg->packed.block : buffer_of(instance, io, arg);
        ops->kernel_set_buffer(instance->device, kernel, i, buffer, err);
    }
    int32_t *words = err->status == E2B_OK ? copy_words(instance, index, step, err) : NULL;
    for (int i = 0; words && i < count; i++) {
        const struct e2b_bound_arg *arg = &step->args[i];
        const struct edge edge = {kernel, position, arg->offset, arg->slot_stride, words, i, count};
        if (!arg->is_value && arg->slot_stride && !add_edge(instance, &edge))
            return e2b_fail_memory(err, "an instance");
    }
    if (err->status != E2B_OK)
        return err->status;
    return ops->kernel_set_value(instance->device, kernel, position, entry->words,
        (size_t)count * sizeof *entry->words, err);
}

static enum e2b_status set_chain_args(struct e2b_instance *instance, const struct e2b_chain *chain,
    struct e2b_kernel *kernel, const struct e2b_io_buffers *io, struct e2b_error *err) {
    const struct e2b_device_ops *ops = instance->device->ops;
    uint32_t counters = (uint32_t)(chain->counters_offset / 4), first = 0;
    int position = 0;
    ops->kernel_set_buffer(instance->device, kernel, position++, chain->table_buffer, err);
    ops->kernel_set_buffer(instance->device, kernel, position++, instance->arena, err);
    ops->kernel_set_value(instance->device, kernel, position++, &counters, sizeof counters, err);
    if (!add_edge(instance, &(struct edge){kernel, position, 0, 1, NULL, 0, 1}))
        return e2b_fail_memory(err, "an instance");
    ops->kernel_set_value(instance->device, kernel, position++, &first, sizeof first, err);
    for (int i = 0; i < chain->buffer_count && err->status == E2B_OK; i++)
        ops->kernel_set_buffer(
            instance->device, kernel, position++, buffer_of(instance, io, &chain->buffers[i]), err);
    return err->status;
}

static enum e2b_status make_kernel(struct e2b_instance *instance, int index,
    const struct e2b_io_buffers *io, struct e2b_error *err) {
    struct e2b_device *device = instance->device;
    const struct e2b_step *step = e2b_plan_step(instance->plan, index);
    struct e2b_kernel **kernel = &instance->kernels[index];
    const char *name = step->entry ? E2B_ENTRY_KERNEL : step->launch.kernel;
    enum e2b_status status = step->launch.routine
        ? device->ops->routine_create(device, step->launch.routine, kernel, err)
        : device->ops->kernel_create(
            device, e2b_plan_program(instance->plan, step), name, kernel, err);
    if (status != E2B_OK)
        return status;
    if (step->entry)
        return set_entry_args(instance, index, step, io, err);
    return step->chain ? set_chain_args(instance, step->chain, *kernel, io, err)
                       : set_args(instance, step, *kernel, io, err);
}

static enum e2b_status make_arena(struct e2b_instance *instance, struct e2b_error *err) {
    struct e2b_device *device = instance->device;
    size_t bytes = (size_t)e2b_plan_arena_bytes(instance->plan);
    if (bytes == 0)
        return E2B_OK;
    if (device->ops->buffer_create(device, E2B_MEMORY_DEVICE, bytes, &instance->arena, err)
        != E2B_OK)
        return e2b_error_while(err, "making the activation memory of batch size %d",
            e2b_plan_graph(instance->plan)->batch);
    return device->ops->enqueue_fill(instance->queue, instance->arena, 0, bytes, 0, err);
}

enum e2b_status e2b_instance_create(const struct e2b_plan *plan, const struct e2b_io_buffers *io,
    struct e2b_instance **out, struct e2b_error *err) {
    struct e2b_instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        return e2b_fail_memory(err, "an instance");
    instance->plan = plan;
    instance->device = e2b_plan_device(plan);
    instance->first = -1;
    int count = e2b_plan_step_count(plan);
    instance->kernels = calloc((size_t)count + 1, sizeof *instance->kernels);
    instance->words = calloc((size_t)count + 1, sizeof *instance->words);
    if (!instance->kernels || !instance->words)
        e2b_fail_memory(err, "an instance");
    else if (instance->device->ops->queue_create(instance->device, &instance->queue, err) == E2B_OK)
        make_arena(instance, err);
    for (int i = 0; i < count && err->status == E2B_OK; i++)
        make_kernel(instance, i, io, err);
    if (err->status != E2B_OK) {
        e2b_instance_destroy(instance);
        return err->status;
    }
    *out = instance;
    return E2B_OK;
}

void e2b_instance_destroy(struct e2b_instance *instance) {
    if (!instance)
        return;
    const struct e2b_device_ops *ops = instance->device->ops;
    if (instance->queue)
        ops->queue_destroy(instance->device, instance->queue);
    for (int i = 0; instance->kernels && i < e2b_plan_step_count(instance->plan); i++)
        ops->kernel_destroy(instance->device, instance->kernels[i]);
    for (int i = 0; instance->words && i < e2b_plan_step_count(instance->plan); i++)
        free(instance->words[i]);
    ops->buffer_destroy(instance->device, instance->arena);
    free(instance->kernels);
    free(instance->words);
    free(instance->edges);
    free(instance);
}

struct e2b_queue *e2b_instance_queue(const struct e2b_instance *instance) {
    return instance->queue;
}

static enum e2b_status move_edges(struct e2b_instance *instance, int first, struct e2b_error *err) {
    if (first == instance->first)
        return E2B_OK;
    instance->first = -1;
    for (int i = 0; i < instance->edge_count; i++) {
        const struct edge *edge = &instance->edges[i];
        int32_t offset = (int32_t)(edge->offset + first * edge->slot_stride);
        int32_t *words = edge->words ? edge->words : &offset;
        words[edge->word] = offset;
        if (instance->device->ops->kernel_set_value(instance->device, edge->kernel, edge->position,
                words, (size_t)edge->word_count * sizeof *words, err)
            != E2B_OK)
            return err->status;
    }
    instance->first = first;
    return E2B_OK;
}

static enum e2b_status enqueue_step(
    struct e2b_instance *instance, int index, struct e2b_event **event, struct e2b_error *err) {
    const struct e2b_device_ops *ops = instance->device->ops;
    const struct e2b_step *step = e2b_plan_step(instance->plan, index);
    if (step->zero_bytes
        && ops->enqueue_fill(instance->queue, instance->arena, (size_t)step->zero_offset,
               (size_t)step->zero_bytes, 0, err)
            != E2B_OK)
        return err->status;
    if (ops->enqueue_kernel(instance->queue, instance->kernels[index], step->launch.global,
            step->launch.local, event, err)
        != E2B_OK)
        return e2b_error_while(err, "launching %s of node \"%s\"", step->launch.kernel,
            e2b_plan_graph(instance->plan)->nodes[step->node].name);
    return E2B_OK;
}

void e2b_instance_set_between(
    struct e2b_instance *instance, void (*function)(void *context), void *context) {
    instance->between = function;
    instance->between_context = context;
}

enum e2b_status e2b_instance_run(struct e2b_instance *instance, int first, struct e2b_event **begin,
    struct e2b_event **end, struct e2b_error *err) {
    if (move_edges(instance, first, err) != E2B_OK)
        return err->status;
    int count = e2b_plan_step_count(instance->plan);
    for (int i = 0; i < count; i++) {
        struct e2b_event **event = i == count - 1 ? end : i == 0 ? begin : NULL;
        if (enqueue_step(instance, i, event, err) != E2B_OK)
            return err->status;
        if (instance->between && i < count - 1)
            instance->between(instance->between_context);
    }
    return instance->device->ops->flush(instance->queue, err);
}

enum e2b_status e2b_instance_run_traced(
    struct e2b_instance *instance, int first, struct e2b_event **events, struct e2b_error *err) {
    if (move_edges(instance, first, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < e2b_plan_step_count(instance->plan); i++)
        if (enqueue_step(instance, i, &events[i], err) != E2B_OK)
            return err->status;
    return instance->device->ops->flush(instance->queue, err);
}

enum e2b_status e2b_instance_read_times(
    struct e2b_instance *instance, int step, uint32_t *times, struct e2b_error *err) {
    const struct e2b_chain *chain = e2b_plan_step(instance->plan, step)->chain;
    size_t bytes =
        (size_t)chain->ends[chain->stage_count - 1] * E2B_CHAIN_TIME_WORDS * sizeof(uint32_t);
    const struct e2b_device_ops *ops = instance->device->ops;
    if (ops->enqueue_read(
            instance->queue, instance->arena, (size_t)chain->times_offset, times, bytes, NULL, err)
        == E2B_OK)
        ops->finish(instance->queue, err);
    return err->status;
}
