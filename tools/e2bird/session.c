#include "tools/e2bird/session.h"

#include "backends/opencl/opencl.h"

#include <stdlib.h>
#include <string.h>

enum e2b_status session_open(
    const char *model, const char *device, struct session *out, struct e2b_error *err) {
    memset(out, 0, sizeof *out);
    if (e2b_model_load(model, &out->model, err) == E2B_OK
        && e2b_opencl_open(&(struct e2b_opencl_options){.select = device}, &out->device, err)
            == E2B_OK
        && e2b_tuning_open(out->device, NULL, &out->tuning, err) == E2B_OK
        && e2b_programs_create(out->device, &out->programs, err) == E2B_OK)
        e2b_weights_create(out->device, &out->weights, err);
    if (err->status != E2B_OK)
        session_close(out);
    return err->status;
}

void session_close(struct session *session) {
    e2b_weights_destroy(session->weights);
    e2b_programs_destroy(session->programs);
    e2b_tuning_destroy(session->tuning);
    if (session->device)
        session->device->ops->destroy(session->device);
    e2b_model_destroy(session->model);
    memset(session, 0, sizeof *session);
}

enum e2b_status session_precision(const char *name, enum e2b_dtype *out, struct e2b_error *err) {
    if (strcmp(name, "fp32") && strcmp(name, "fp16"))
        return e2b_fail(err, E2B_INVALID, "precision \"%s\" is not fp32 or fp16", name);
    *out = strcmp(name, "fp16") ? E2B_F32 : E2B_F16;
    return E2B_OK;
}

enum e2b_status session_merge_rule(
    const char *name, enum e2b_merge_rule *out, struct e2b_error *err) {
    static const char *const names[] = {"auto", "never", "always"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, names[i])) {
            *out = (enum e2b_merge_rule)i;
            return E2B_OK;
        }
    return e2b_fail(err, E2B_INVALID, "merge \"%s\" is not auto, never or always", name);
}

static int64_t tensor_bytes(const struct e2b_tensor *tensor) {
    return e2b_shape_count(&tensor->shape) * (int64_t)e2b_dtype_bytes(tensor->dtype);
}

const struct e2b_tensor *execution_input(const struct execution *execution, int index) {
    return &execution->graph->values[execution->graph->inputs[index]].tensor;
}

const struct e2b_tensor *execution_output(const struct execution *execution, int index) {
    return &execution->graph->values[execution->graph->outputs[index]].tensor;
}

static enum e2b_status make_buffers(struct e2b_device *device, const struct e2b_graph *graph,
    const int *values, int count, struct e2b_buffer ***buffers, int64_t **bytes,
    struct e2b_error *err) {
    *buffers = calloc((size_t)count + 1, sizeof **buffers);
    *bytes = calloc((size_t)count + 1, sizeof **bytes);
    if (!*buffers || !*bytes)
        return e2b_fail_memory(err, "inputs and outputs");
    for (int i = 0; i < count; i++) {
        (*bytes)[i] = tensor_bytes(&graph->values[values[i]].tensor);
        size_t size = (size_t)((*bytes)[i] > 0 ? (*bytes)[i] : 1);
        if (device->ops->buffer_create(device, E2B_MEMORY_DEVICE, size, &(*buffers)[i], err)
            != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status build(
    struct execution *execution, const struct execution_options *options, struct e2b_error *err) {
    struct session *session = execution->session;
    const struct e2b_model *model = session->model;
    struct e2b_graph_options graph = {
        .batch = options->batch,
        .precision = options->precision,
        .image = {.input = -1},
    };
    e2b_plan_suit_graph(&session->device->traits, &graph);
    if (!e2b_model_is_batchable(model) && e2b_model_input_count(model) > 0)
        graph.batch = (int)e2b_model_input(model, 0)->shape.dims[0];
    if (options->image)
        graph.image = *options->image;
    const struct e2b_plan_options plan = {.tuning = session->tuning,
        .force_variant = options->force_variant,
        .explain = options->explain,
        .merge = options->merge,
        .times = options->times};
    if (e2b_graph_create(session->model, &graph, &execution->graph, err) != E2B_OK
        || e2b_plan_create(session->device, execution->graph, session->weights, session->programs,
               &plan, &execution->plan, err)
            != E2B_OK
        || make_buffers(session->device, execution->graph, execution->graph->inputs,
               execution->graph->input_count, &execution->inputs, &execution->input_bytes, err)
            != E2B_OK
        || make_buffers(session->device, execution->graph, execution->graph->outputs,
               execution->graph->output_count, &execution->outputs, &execution->output_bytes, err)
            != E2B_OK)
        return err->status;
    return e2b_instance_create(execution->plan,
        &(struct e2b_io_buffers){execution->inputs, execution->outputs}, &execution->instance, err);
}

enum e2b_status execution_create(struct session *session, const struct execution_options *options,
    struct execution *out, struct e2b_error *err) {
    memset(out, 0, sizeof *out);
    out->session = session;
    if (build(out, options, err) != E2B_OK)
        execution_finish(out);
    return err->status;
}

static void destroy_buffers(struct e2b_device *device, struct e2b_buffer **buffers,
    const struct e2b_graph *graph, int count) {
    for (int i = 0; graph && buffers && i < count; i++)
        device->ops->buffer_destroy(device, buffers[i]);
    free(buffers);
}

void execution_finish(struct execution *execution) {
    if (!execution->session)
        return;
    struct e2b_device *device = execution->session->device;
    struct e2b_graph *graph = execution->graph;
    e2b_instance_destroy(execution->instance);
    destroy_buffers(device, execution->inputs, graph, graph ? graph->input_count : 0);
    destroy_buffers(device, execution->outputs, graph, graph ? graph->output_count : 0);
    e2b_plan_destroy(execution->plan);
    e2b_graph_destroy(graph);
    free(execution->input_bytes);
    free(execution->output_bytes);
    memset(execution, 0, sizeof *execution);
}

enum e2b_status execution_write(
    struct execution *execution, int input, const void *data, struct e2b_error *err) {
    const struct e2b_device_ops *ops = execution->session->device->ops;
    struct e2b_queue *queue = e2b_instance_queue(execution->instance);
    if (ops->enqueue_write(queue, execution->inputs[input], 0, data,
            (size_t)execution->input_bytes[input], NULL, err)
        != E2B_OK)
        return err->status;
    return ops->finish(queue, err);
}

static void fill(void *to, enum e2b_dtype dtype, int64_t count, uint32_t *state) {
    for (int64_t i = 0; i < count; i++) {
        *state = *state * 1664525u + 1013904223u;
        double value = dtype == E2B_U8  ? (double)(*state >> 24)
            : e2b_dtype_is_float(dtype) ? (double)(*state >> 8) / (1 << 24)
                                        : 0;
        e2b_from_double(dtype, &value, (char *)to + i * (int64_t)e2b_dtype_bytes(dtype), 1);
    }
}

enum e2b_status execution_fill(struct execution *execution, uint32_t seed, struct e2b_error *err) {
    for (int i = 0; i < execution->graph->input_count && err->status == E2B_OK; i++) {
        const struct e2b_tensor *tensor = execution_input(execution, i);
        void *data = malloc((size_t)execution->input_bytes[i] + 1);
        if (!data)
            return e2b_fail_memory(err, "an input");
        fill(data, tensor->dtype, e2b_shape_count(&tensor->shape), &seed);
        execution_write(execution, i, data, err);
        free(data);
    }
    return err->status;
}

enum e2b_status execution_start(struct execution *execution, struct e2b_error *err) {
    return e2b_instance_run(execution->instance, 0, NULL, NULL, err);
}

enum e2b_status execution_run(struct execution *execution, struct e2b_error *err) {
    if (execution_start(execution, err) != E2B_OK)
        return err->status;
    return execution->session->device->ops->finish(e2b_instance_queue(execution->instance), err);
}

enum e2b_status execution_read(
    struct execution *execution, int output, void *data, struct e2b_error *err) {
    const struct e2b_device_ops *ops = execution->session->device->ops;
    struct e2b_queue *queue = e2b_instance_queue(execution->instance);
    if (ops->enqueue_read(queue, execution->outputs[output], 0, data,
            (size_t)execution->output_bytes[output], NULL, err)
        != E2B_OK)
        return err->status;
    return ops->finish(queue, err);
}
