#include "runtime/engine/served.h"

#include "runtime/engine/dispatcher.h"
#include "runtime/engine/tuner.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int64_t sample_count(const struct e2b_served *served, const struct e2b_io *io) {
    int64_t count = 1;
    for (int i = served->batchable ? 1 : 0; i < io->shape.rank; i++)
        count *= io->shape.dims[i];
    return count;
}

static void describe_image(struct e2b_io *io) {
    const struct e2b_shape planes = io->shape;
    io->dtype = E2B_U8;
    io->shape.dims[1] = planes.dims[2];
    io->shape.dims[2] = planes.dims[3];
    io->shape.dims[3] = planes.dims[1];
}

static enum e2b_status check_image(const struct e2b_served *served, struct e2b_error *err) {
    int input = served->options.image.input;
    if (input < 0)
        return E2B_OK;
    const struct e2b_io *io = e2b_model_input(served->model, input);
    if (io->shape.rank != 4 || io->shape.dims[1] != 3 || !e2b_dtype_is_float(io->dtype))
        return e2b_fail(err, E2B_INVALID,
            "model \"%s\": input \"%s\" cannot be an image: it must be float, N x 3 x H x W",
            served->name, io->name);
    return E2B_OK;
}

static enum e2b_status describe_io(struct e2b_served *served, struct e2b_error *err) {
    const struct e2b_model *model = served->model;
    int in = e2b_model_input_count(model), out = e2b_model_output_count(model);
    served->inputs = calloc((size_t)in + 1, sizeof *served->inputs);
    served->outputs = calloc((size_t)out + 1, sizeof *served->outputs);
    served->input_bytes = calloc((size_t)in + 1, sizeof *served->input_bytes);
    served->output_bytes = calloc((size_t)out + 1, sizeof *served->output_bytes);
    if (!served->inputs || !served->outputs || !served->input_bytes || !served->output_bytes)
        return e2b_fail_memory(err, "a served model");
    served->input_count = in;
    served->output_count = out;
    if (check_image(served, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < in; i++) {
        served->inputs[i] = *e2b_model_input(model, i);
        if (i == served->options.image.input)
            describe_image(&served->inputs[i]);
        served->input_bytes[i] = sample_count(served, &served->inputs[i])
            * (int64_t)e2b_dtype_bytes(served->inputs[i].dtype);
    }
    for (int i = 0; i < out; i++) {
        served->outputs[i] = *e2b_model_output(model, i);
        served->output_bytes[i] = sample_count(served, &served->outputs[i])
            * (int64_t)e2b_dtype_bytes(served->outputs[i].dtype);
    }
    return E2B_OK;
}

static enum e2b_status make_pool(struct e2b_served *served, struct e2b_error *err) {
    const struct e2b_serve_options *options = &served->options;
    const struct e2b_pool_spec spec = {
        .slot_count = served->options.slot_count,
        .input_count = served->input_count,
        .output_count = served->output_count,
        .input_bytes = served->input_bytes,
        .output_bytes = served->output_bytes,
        .align_bytes = e2b_pool_align(&served->device->traits),
        .padding = served->batchable ? options->sizes[options->size_count - 1] - 1 : 0,
    };
    if (e2b_pool_create(served->device, &spec, &served->pool, err) != E2B_OK)
        return e2b_error_while(err, "making %d slots", spec.slot_count);
    return E2B_OK;
}

static void slot_strides(const struct e2b_served *served, int64_t *in, int64_t *out) {
    int64_t align = e2b_pool_align(&served->device->traits);
    for (int i = 0; i < served->input_count; i++)
        in[i] = e2b_pool_stride(served->input_bytes[i], align)
            / (int64_t)e2b_dtype_bytes(served->inputs[i].dtype);
    for (int i = 0; i < served->output_count; i++)
        out[i] = e2b_pool_stride(served->output_bytes[i], align)
            / (int64_t)e2b_dtype_bytes(served->outputs[i].dtype);
}

static enum e2b_status make_graph(
    struct e2b_served *served, struct e2b_granularity *size, struct e2b_error *err) {
    int64_t in[E2B_MAX_INPUTS], out[E2B_MAX_OUTPUTS];
    slot_strides(served, in, out);
    struct e2b_graph_options options = {
        .batch = served->batchable ? size->size : (int)served->inputs[0].shape.dims[0],
        .precision = served->options.precision,
        .input_stride = in,
        .output_stride = out,
        .image = served->options.image,
    };
    e2b_plan_suit_graph(&served->device->traits, &options);
    if (e2b_graph_create(served->model, &options, &size->graph, err) != E2B_OK)
        return e2b_error_while(err, "preparing batch size %d", size->size);
    return E2B_OK;
}

static enum e2b_status make_instances(
    struct e2b_served *served, struct e2b_granularity *size, int count, struct e2b_error *err) {
    struct e2b_buffer *in[E2B_MAX_INPUTS], *out[E2B_MAX_OUTPUTS];
    for (int i = 0; i < served->input_count; i++)
        in[i] = e2b_pool_input_buffer(served->pool, i);
    for (int i = 0; i < served->output_count; i++)
        out[i] = e2b_pool_output_buffer(served->pool, i);
    const struct e2b_io_buffers io = {in, out};
    size->instances = calloc((size_t)count, sizeof *size->instances);
    size->downloads = calloc((size_t)count, sizeof *size->downloads);
    if (!size->instances || !size->downloads)
        return e2b_fail_memory(err, "an instance");
    for (; size->instance_count < count && err->status == E2B_OK; size->instance_count++)
        if (e2b_instance_create(size->plan, &io, &size->instances[size->instance_count], err)
            == E2B_OK)
            served->device->ops->queue_create(
                served->device, &size->downloads[size->instance_count], err);
    return err->status;
}

static enum e2b_status make_plan(struct e2b_served *served, struct e2b_programs *programs,
    struct e2b_granularity *size, struct e2b_error *err) {
    const struct e2b_plan_options options = {.tuning = served->options.tuning, .defer_build = true};
    if (e2b_plan_create(
            served->device, size->graph, served->weights, programs, &options, &size->plan, err)
        != E2B_OK)
        return e2b_error_while(err, "preparing batch size %d", size->size);
    return E2B_OK;
}

static enum e2b_status tune(struct e2b_served *served, struct e2b_error *err) {
    const struct e2b_graph *graphs[E2B_SCHED_MAX_SIZES];
    struct e2b_tuning *tuning = served->options.tuning;
    const struct e2b_tuner_options options = {.budget_ns = served->options.tune_ns};
    if (!tuning || options.budget_ns <= 0)
        return E2B_OK;
    for (int i = 0; i < served->size_count; i++)
        graphs[i] = served->sizes[i].graph;
    return e2b_tune(served->device, graphs, served->size_count, tuning, e2b_tuning_path(tuning),
        &options, NULL, err);
}

static enum e2b_status make_sizes(
    struct e2b_served *served, struct e2b_programs *programs, struct e2b_error *err) {
    served->size_count = served->batchable ? served->options.size_count : 1;
    for (int i = 0; i < served->size_count; i++) {
        served->sizes[i].size = served->batchable ? served->options.sizes[i] : 1;
        if (make_graph(served, &served->sizes[i], err) != E2B_OK)
            return err->status;
    }
    if (tune(served, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < served->size_count; i++)
        if (make_plan(served, programs, &served->sizes[i], err) != E2B_OK)
            return err->status;
    if (e2b_programs_build(programs, false, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < served->size_count; i++)
        if (make_instances(served, &served->sizes[i], served->options.instances[i], err) != E2B_OK)
            return e2b_error_while(err, "preparing batch size %d", served->sizes[i].size);
    return E2B_OK;
}

static enum e2b_status build(
    struct e2b_served *served, struct e2b_programs *programs, struct e2b_error *err) {
    size_t slots = (size_t)served->options.slot_count;
    served->batches = calloc(slots, sizeof *served->batches);
    served->batch_of = malloc(slots * sizeof *served->batch_of);
    served->copies = calloc(slots, sizeof *served->copies);
    served->uploads = calloc(slots, sizeof *served->uploads);
    if (!served->batches || !served->batch_of || !served->copies || !served->uploads
        || !e2b_bitset_init(&served->unsent, served->options.slot_count)
        || !e2b_bitset_init(&served->waiting, served->options.slot_count))
        return e2b_fail_memory(err, "a served model");
    for (size_t i = 0; i < slots; i++)
        served->batch_of[i] = -1;
    if (describe_io(served, err) != E2B_OK || make_pool(served, err) != E2B_OK
        || e2b_weights_create(served->device, &served->weights, err) != E2B_OK)
        return err->status;
    return make_sizes(served, programs, err);
}

enum e2b_status e2b_served_create(struct e2b_device *device, struct e2b_programs *programs,
    struct e2b_model *model, const struct e2b_serve_options *options, struct e2b_served **out,
    struct e2b_error *err) {
    struct e2b_served *served = calloc(1, sizeof *served);
    char *name = strdup(options->name);
    if (!served || !name) {
        free(served);
        free(name);
        return e2b_fail_memory(err, "a served model");
    }
    atomic_store(&served->room, INT_MAX);
    served->device = device;
    served->model = model;
    served->name = name;
    served->batchable = e2b_model_is_batchable(model);
    served->options = *options;
    served->options.name = name;
    served->stats.slot_count = options->slot_count;
    pthread_mutex_init(&served->stats_lock, NULL);
    if (build(served, programs, err) != E2B_OK) {
        e2b_error_while(err, "loading model \"%s\"", name);
        e2b_served_destroy(served);
        return err->status;
    }
    *out = served;
    return E2B_OK;
}

static void destroy_size(struct e2b_device *device, struct e2b_granularity *size) {
    for (int i = 0; i < size->instance_count; i++) {
        if (size->downloads[i])
            device->ops->queue_destroy(device, size->downloads[i]);
        e2b_instance_destroy(size->instances[i]);
    }
    free(size->instances);
    free(size->downloads);
    e2b_plan_destroy(size->plan);
    e2b_graph_destroy(size->graph);
}

void e2b_served_destroy(struct e2b_served *served) {
    if (!served)
        return;
    for (int i = 0; i < E2B_SCHED_MAX_SIZES; i++)
        destroy_size(served->device, &served->sizes[i]);
    e2b_weights_destroy(served->weights);
    e2b_pool_destroy(served->pool);
    pthread_mutex_destroy(&served->stats_lock);
    e2b_bitset_finish(&served->unsent);
    e2b_bitset_finish(&served->waiting);
    free(served->uploads);
    free(served->batches);
    free(served->batch_of);
    free(served->copies);
    free(served->inputs);
    free(served->outputs);
    free(served->input_bytes);
    free(served->output_bytes);
    free(served->name);
    free(served);
}

enum e2b_status e2b_served_refuse(
    const struct e2b_served *served, enum e2b_sched_reason reason, struct e2b_error *err) {
    enum e2b_status status = reason == E2B_SCHED_QUEUE_FULL_REASON ? E2B_BUSY : E2B_DEADLINE;
    return e2b_fail(err, status, "model \"%s\": request refused: %s", served->name,
        e2b_sched_reason_text(reason));
}

void e2b_served_describe(const struct e2b_served *served, struct e2b_sched_model *out) {
    *out = (struct e2b_sched_model){
        .name = served->name,
        .slot_count = served->options.slot_count,
        .padding = e2b_pool_padding(served->pool),
        .size_count = served->size_count,
        .target_ns = served->options.target_ns,
        .percentile = served->options.percentile,
        .weight = served->options.weight > 0 ? served->options.weight : 1,
        .launch_ns = served->profile.launch_ns,
        .reply_ns = served->profile.reply_ns,
        .beside_ns = served->profile.beside_ns,
    };
    for (int i = 0; i < served->size_count; i++) {
        const struct e2b_granularity *size = &served->sizes[i];
        out->sizes[i] = size->size;
        out->instances[i] = size->instance_count;
        out->solo_ns[i] = served->profile.solo_ns[i];
        out->demand[i] = served->profile.demand[i];
        out->launches[i] = e2b_plan_step_count(size->plan);
    }
}

int e2b_served_input_count(const struct e2b_served *served) {
    return served->input_count;
}

int e2b_served_output_count(const struct e2b_served *served) {
    return served->output_count;
}

const struct e2b_io *e2b_served_input(const struct e2b_served *served, int index) {
    return &served->inputs[index];
}

const struct e2b_io *e2b_served_output(const struct e2b_served *served, int index) {
    return &served->outputs[index];
}

int64_t e2b_served_now_ns(const struct e2b_served *served) {
    return served->device->ops->now_ns(served->device);
}

int e2b_served_max_batch(const struct e2b_served *served) {
    return served->batchable ? served->options.slot_count : 0;
}

const char *e2b_served_name(const struct e2b_served *served) {
    return served->name;
}

int64_t e2b_served_drain_ns(const struct e2b_served *served) {
    return e2b_dispatcher_drain_ns(served->dispatcher);
}

void e2b_served_stats_get(const struct e2b_served *served, struct e2b_served_stats *out) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&served->stats_lock;
    pthread_mutex_lock(lock);
    *out = served->stats;
    pthread_mutex_unlock(lock);
    out->pending = atomic_load(&served->pending);
    out->free_slots = e2b_pool_free_count(served->pool);
    out->gaps = e2b_pool_gap_count(served->pool);
    out->drain_ns = e2b_served_drain_ns(served);
}

int64_t e2b_served_device_bytes(const struct e2b_served *served) {
    int64_t bytes = e2b_weights_bytes(served->weights) + e2b_pool_device_bytes(served->pool);
    for (int i = 0; i < served->size_count; i++)
        bytes += served->sizes[i].instance_count * e2b_plan_arena_bytes(served->sizes[i].plan);
    return bytes;
}
