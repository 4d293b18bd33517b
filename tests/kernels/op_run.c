#include "tests/kernels/op_run.h"

#include "runtime/engine/variant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 512     /* elements before and after each tensor */
#define POISON 0xff   /* NaN as fp32 and fp16 */
#define PAD_LANE 3.25 /* what pad lanes of inputs hold: finite, and wrong if it counts */

static bool is_image(const struct e2b_tensor *tensor) {
    return tensor->shape.rank == 3 || tensor->shape.rank == 4;
}

/* Strides as if the densest dimension were longer: a slice of a wider tensor. */
static void widen(struct e2b_tensor *tensor, int channel_align) {
    struct e2b_tensor wide = *tensor;
    if (tensor->shape.rank == 0)
        return;
    if (tensor->layout == E2B_CHANNELS_LAST)
        wide.shape.dims[1] += channel_align;
    else
        wide.shape.dims[tensor->shape.rank - 1] += 3;
    e2b_tensor_set_dense(&wide, channel_align);
    memcpy(tensor->stride, wide.stride, sizeof wide.stride);
}

static void lay_out(const struct e2b_op_run *run, bool output, bool is_fp32, bool channels_last,
    struct e2b_tensor *tensor) {
    enum e2b_layout_rule rule = run->problem->call.op->layout;
    int align = run->setup.device->traits.channel_align;
    if (e2b_dtype_is_float(tensor->dtype))
        tensor->dtype = is_fp32 ? E2B_F32 : run->setup.precision;
    tensor->layout = channels_last && is_image(tensor) ? E2B_CHANNELS_LAST : E2B_ROW_MAJOR;
    e2b_tensor_set_dense(tensor, align);
    if (run->setup.wide && !(output && rule == E2B_LAYOUT_ROW))
        widen(tensor, align);
}

/* Whether an input is tried as the row-major image of fp32 that the operator takes too. */
static bool is_planar(const struct e2b_op_run *run, int input) {
    const struct e2b_call *call = &run->problem->call;
    return input == 0 && !run->setup.wide && call->op->planar_channels > 0
        && call->inputs[0].tensor.shape.dims[1] <= call->op->planar_channels;
}

static void add_value(struct e2b_op_run *run, const struct e2b_operand *operand, int operand_index,
    int value, enum e2b_storage_kind kind, int index, bool channels_last) {
    struct e2b_value *to = &run->values[value];
    *to = (struct e2b_value){.name = kind == E2B_STORAGE_INPUT ? "input" : "output",
        .tensor = operand->tensor,
        .constant = operand->constant,
        .producer = kind == E2B_STORAGE_INPUT ? -1 : 0,
        .storage = -1};
    if (operand->constant)
        return;
    bool is_output = kind == E2B_STORAGE_OUTPUT;
    bool is_fp32 = (is_output ? e2b_op_output_is_fp32 : e2b_op_input_is_fp32)(
                       run->problem->call.op, operand_index)
        || (!is_output && is_planar(run, operand_index));
    lay_out(run, is_output, is_fp32, channels_last, &to->tensor);
    int64_t extent = e2b_tensor_extent(&to->tensor, run->setup.device->traits.channel_align);
    to->storage = run->graph.storage_count++;
    to->offset = GUARD;
    run->storages[to->storage] = (struct e2b_storage){.kind = kind,
        .index = index,
        .bytes = (extent + 2 * GUARD) * (int64_t)e2b_dtype_bytes(to->tensor.dtype)};
}

void e2b_op_run_init(struct e2b_op_run *run, const struct e2b_op_problem *problem,
    const struct e2b_op_setup *setup) {
    const struct e2b_call *call = &problem->call;
    memset(run, 0, sizeof *run);
    run->problem = problem;
    run->setup = *setup;
    enum e2b_layout_rule rule = call->op->layout;
    bool last = rule == E2B_LAYOUT_IMAGE || (rule == E2B_LAYOUT_FOLLOW && setup->wide);
    bool follows = last;
    int next = 0, index = 0;
    for (int i = 0; i < call->input_count; i++) {
        run->inputs[i] = call->inputs[i].present ? next : -1;
        if (!call->inputs[i].present)
            continue;
        add_value(
            run, &call->inputs[i], i, next++, E2B_STORAGE_INPUT, index, last && !is_planar(run, i));
        if (!call->inputs[i].constant && index++ == 0 && rule == E2B_LAYOUT_FOLLOW)
            follows =
                last && call->inputs[i].tensor.shape.rank == call->outputs[0].tensor.shape.rank;
    }
    run->graph.input_count = index;
    for (int i = 0; i < call->output_count; i++) {
        run->outputs[i] = next;
        add_value(run, &call->outputs[i], i, next++, E2B_STORAGE_OUTPUT, i, follows);
    }
    run->node = (struct e2b_node){.op = call->op,
        .name = "node",
        .opset = 17,
        .params = problem->params,
        .input_count = call->input_count,
        .output_count = call->output_count,
        .inputs = run->inputs,
        .outputs = run->outputs};
    run->graph.batch = 1;
    run->graph.precision = setup->precision;
    run->graph.values = run->values;
    run->graph.value_count = next;
    run->graph.nodes = &run->node;
    run->graph.node_count = 1;
    run->graph.output_count = call->output_count;
    run->graph.storages = run->storages;
}

bool e2b_op_run_accepts(const struct e2b_op_run *run, const struct e2b_variant *variant,
    int *candidates, char *reason, size_t reason_bytes) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    struct e2b_variant_request request = {
        .graph = &run->graph, .traits = &run->setup.device->traits};
    e2b_variant_call(&request, inputs, outputs, &call);
    if (variant->accepts && !variant->accepts(&call, reason, reason_bytes))
        return false;
    *candidates = variant->candidates ? variant->candidates(&call) : 1;
    return true;
}

/* Element positions of a tensor's logical elements in row-major order, one at a time. */
struct walk {
    const struct e2b_tensor *tensor;
    int64_t at[E2B_MAX_RANK], position;
};

static void walk_next(struct walk *walk) {
    const struct e2b_tensor *tensor = walk->tensor;
    for (int i = tensor->shape.rank - 1; i >= 0; i--) {
        walk->position += tensor->stride[i];
        if (++walk->at[i] < tensor->shape.dims[i])
            return;
        walk->position -= tensor->shape.dims[i] * tensor->stride[i];
        walk->at[i] = 0;
    }
}

/* Pad lanes follow the last channel of each pixel. */
static int pad_lanes(const struct e2b_op_run *run, const struct walk *walk) {
    int64_t channels = walk->tensor->shape.dims[1];
    int align = run->setup.device->traits.channel_align;
    if (walk->tensor->layout != E2B_CHANNELS_LAST || walk->at[1] != channels - 1)
        return 0;
    return (int)((channels + align - 1) / align * align - channels);
}

static void write_tensor(const struct e2b_op_run *run, const struct e2b_tensor *tensor,
    const double *values, char *memory) {
    size_t bytes = e2b_dtype_bytes(tensor->dtype);
    const double pad = PAD_LANE;
    struct walk walk = {.tensor = tensor};
    int64_t count = e2b_shape_count(&tensor->shape);
    for (int64_t i = 0; i < count; i++, walk_next(&walk)) {
        char *to = memory + (size_t)(GUARD + walk.position) * bytes;
        e2b_from_double(tensor->dtype, &values[i], to, 1);
        for (int lane = 1; lane <= pad_lanes(run, &walk); lane++)
            e2b_from_double(tensor->dtype, &pad, to + (size_t)lane * bytes, 1);
    }
}

/* The buffer of a value: poison, and an input's elements. */
static enum e2b_status fill_buffer(struct e2b_op_run *run, const struct e2b_value *value,
    const double *values, struct e2b_queue *queue, struct e2b_error *err) {
    struct e2b_device *device = run->setup.device;
    size_t bytes = (size_t)run->storages[value->storage].bytes;
    char *memory = malloc(bytes);
    if (!memory)
        return e2b_fail_memory(err, "a test buffer");
    memset(memory, POISON, bytes);
    if (values)
        write_tensor(run, &value->tensor, values, memory);
    if (device->ops->enqueue_write(queue, run->buffers[value->storage], 0, memory, bytes, NULL, err)
        == E2B_OK)
        device->ops->finish(queue, err);
    free(memory);
    return err->status;
}

static enum e2b_status make_buffers(struct e2b_op_run *run, struct e2b_error *err) {
    struct e2b_device *device = run->setup.device;
    for (int i = 0; i < run->graph.storage_count; i++) {
        const struct e2b_storage *storage = &run->storages[i];
        if (device->ops->buffer_create(
                device, E2B_MEMORY_DEVICE, (size_t)storage->bytes, &run->buffers[i], err)
            != E2B_OK)
            return err->status;
        if (storage->kind == E2B_STORAGE_INPUT)
            run->in_buffers[storage->index] = run->buffers[i];
        else
            run->out_buffers[storage->index] = run->buffers[i];
    }
    return E2B_OK;
}

static enum e2b_status fill_buffers(
    struct e2b_op_run *run, struct e2b_queue *queue, struct e2b_error *err) {
    for (int i = 0; i < run->node.input_count; i++)
        if (run->inputs[i] >= 0 && !run->values[run->inputs[i]].constant
            && fill_buffer(run, &run->values[run->inputs[i]], run->problem->in[i], queue, err)
                != E2B_OK)
            return err->status;
    for (int i = 0; i < run->node.output_count; i++)
        if (fill_buffer(run, &run->values[run->outputs[i]], NULL, queue, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

enum e2b_status e2b_op_run_prepare(struct e2b_op_run *run, const struct e2b_variant *variant,
    int candidate, struct e2b_error *err) {
    struct e2b_device *device = run->setup.device;
    char force[96];
    snprintf(force, sizeof force, "%s.%s", run->node.op->name, variant->name);
    struct e2b_plan_options options = {
        .force_variant = force, .candidate = candidate, .quiet = true};
    struct e2b_io_buffers io = {run->in_buffers, run->out_buffers};
    if (make_buffers(run, err) != E2B_OK || e2b_weights_create(device, &run->weights, err) != E2B_OK
        || e2b_programs_create(device, &run->programs, err) != E2B_OK
        || e2b_plan_create(
               device, &run->graph, run->weights, run->programs, &options, &run->plan, err)
            != E2B_OK
        || e2b_instance_create(run->plan, &io, &run->instance, err) != E2B_OK)
        return err->status;
    return fill_buffers(run, e2b_instance_queue(run->instance), err);
}

enum e2b_status e2b_op_run_once(struct e2b_op_run *run, struct e2b_error *err) {
    if (e2b_instance_run(run->instance, 0, NULL, NULL, err) != E2B_OK)
        return err->status;
    return run->setup.device->ops->finish(e2b_instance_queue(run->instance), err);
}

static bool is_poison(const char *at, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)at[i] != POISON)
            return false;
    return true;
}

/* Reads elements and pad lanes, and poisons them again so that what is left must be untouched. */
static enum e2b_status take_elements(const struct e2b_op_run *run, const struct e2b_tensor *tensor,
    char *memory, double *values, struct e2b_error *err) {
    size_t bytes = e2b_dtype_bytes(tensor->dtype);
    struct walk walk = {.tensor = tensor};
    int64_t count = e2b_shape_count(&tensor->shape);
    for (int64_t i = 0; i < count; i++, walk_next(&walk)) {
        char *from = memory + (size_t)(GUARD + walk.position) * bytes;
        e2b_to_double(tensor->dtype, from, &values[i], 1);
        memset(from, POISON, bytes);
        for (int lane = 1; lane <= pad_lanes(run, &walk); lane++) {
            double pad;
            e2b_to_double(tensor->dtype, from + (size_t)lane * bytes, &pad, 1);
            if (!isfinite(pad))
                return e2b_fail(err, E2B_INTERNAL, "pad lane %d of element %lld holds %g", lane,
                    (long long)i, pad);
            memset(from + (size_t)lane * bytes, POISON, bytes);
        }
    }
    return E2B_OK;
}

static enum e2b_status check_output(
    struct e2b_op_run *run, int index, double *error, struct e2b_error *err) {
    const struct e2b_value *value = &run->values[run->outputs[index]];
    struct e2b_device *device = run->setup.device;
    size_t total = (size_t)run->storages[value->storage].bytes;
    size_t bytes = e2b_dtype_bytes(value->tensor.dtype);
    int64_t count = e2b_shape_count(&value->tensor.shape);
    char *memory = malloc(total);
    double *values = calloc((size_t)count + 1, sizeof *values);
    struct e2b_queue *queue = e2b_instance_queue(run->instance);
    if (!memory || !values)
        e2b_fail_memory(err, "a test output");
    else if (device->ops->enqueue_read(
                 queue, run->buffers[value->storage], 0, memory, total, NULL, err)
            == E2B_OK
        && device->ops->finish(queue, err) == E2B_OK
        && take_elements(run, &value->tensor, memory, values, err) == E2B_OK) {
        double e = e2b_relative_error(values, run->problem->out[index], count);
        *error = e > *error ? e : *error;
        for (size_t i = 0; i < total / bytes && err->status == E2B_OK; i++)
            if (!is_poison(memory + i * bytes, bytes))
                e2b_fail(err, E2B_INTERNAL, "output %d: wrote outside, element %lld", index,
                    (long long)i - GUARD);
    }
    free(memory);
    free(values);
    return err->status;
}

enum e2b_status e2b_op_run_check(struct e2b_op_run *run, double *error, struct e2b_error *err) {
    *error = 0;
    for (int i = 0; i < run->node.output_count; i++)
        if (check_output(run, i, error, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

void e2b_op_run_finish(struct e2b_op_run *run) {
    struct e2b_device *device = run->setup.device;
    e2b_instance_destroy(run->instance);
    e2b_plan_destroy(run->plan);
    if (run->programs)
        e2b_programs_destroy(run->programs);
    e2b_weights_destroy(run->weights);
    for (int i = 0; i < run->graph.storage_count; i++)
        if (run->buffers[i])
            device->ops->buffer_destroy(device, run->buffers[i]);
    memset(run, 0, sizeof *run);
}
