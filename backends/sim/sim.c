#include "backends/sim/sim.h"

#include "backends/sim/state.h"
#include "runtime/base/clock.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define POISON 0xCD /* unwritten memory, so that reading it shows and is the same every time */
#define BUFFER_ALIGN 256

static const struct e2b_traits small_gpu = {
    .device = "simulated device",
    .compute_units = 16,
    .warp = 32,
    .max_group = 1024,
    .local_bytes = 32 << 10,
    .memory_bytes = 1 << 30,
    .max_buffer_bytes = 1 << 30,
    .base_align_bytes = 128,
    .channel_align = 4,
};

int32_t e2b_sim_int(const struct e2b_sim_args *args, int index) {
    int32_t value;
    memcpy(&value, args->list[index].value, sizeof value);
    return value;
}

float e2b_sim_float(const struct e2b_sim_args *args, int index) {
    float value;
    memcpy(&value, args->list[index].value, sizeof value);
    return value;
}

static double next_random(struct sim *sim) {
    sim->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = sim->random;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (double)((x ^ x >> 31) >> 11) * 0x1p-53;
}

bool e2b_sim_strikes(struct sim *sim, enum e2b_sim_fault fault) {
    bool nth = sim->nth[fault] > 0 && --sim->nth[fault] == 0;
    bool random = sim->probability[fault] > 0 && next_random(sim) < sim->probability[fault];
    return nth || random;
}

void e2b_sim_fail_nth(struct e2b_device *device, enum e2b_sim_fault fault, int64_t nth) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    sim->nth[fault] = nth;
    pthread_mutex_unlock(&sim->lock);
}

void e2b_sim_fail_randomly(
    struct e2b_device *device, enum e2b_sim_fault fault, double probability) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    sim->probability[fault] = probability;
    pthread_mutex_unlock(&sim->lock);
}

struct e2b_sim_objects e2b_sim_objects(struct e2b_device *device) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    struct e2b_sim_objects objects = sim->objects;
    pthread_mutex_unlock(&sim->lock);
    return objects;
}

static enum e2b_status check_room(
    struct sim *sim, enum e2b_memory memory, size_t bytes, struct e2b_error *err) {
    size_t most = (size_t)sim->device.traits.max_buffer_bytes;
    if (bytes < 1 || bytes > most)
        return e2b_fail(err, bytes < 1 ? E2B_INVALID : E2B_NO_MEMORY,
            "a buffer of %zu bytes is outside 1..%zu", bytes, most);
    size_t all = (size_t)sim->device.traits.memory_bytes;
    if (e2b_sim_strikes(sim, E2B_SIM_FAULT_ALLOCATION)
        || (memory == E2B_MEMORY_DEVICE && bytes > all - sim->objects.device_bytes))
        return e2b_fail(err, E2B_NO_MEMORY, "no room for %zu bytes: %zu of %zu are in use", bytes,
            sim->objects.device_bytes, all);
    return E2B_OK;
}

static void count_buffer(struct sim *sim, const struct e2b_buffer *buffer, int sign) {
    size_t *bytes = buffer->memory == E2B_MEMORY_DEVICE ? &sim->objects.device_bytes
                                                        : &sim->objects.pinned_bytes;
    if (!buffer->is_part)
        *bytes = sign > 0 ? *bytes + buffer->bytes : *bytes - buffer->bytes;
    sim->objects.buffers += sign;
}

static enum e2b_status buffer_create(struct e2b_device *device, enum e2b_memory memory,
    size_t bytes, struct e2b_buffer **out, struct e2b_error *err) {
    *out = NULL;
    struct sim *sim = sim_of(device);
    struct e2b_buffer *buffer = malloc(sizeof *buffer);
    if (!buffer)
        return e2b_fail_memory(err, "a buffer");
    *buffer = (struct e2b_buffer){.memory = memory, .bytes = bytes};
    pthread_mutex_lock(&sim->lock);
    enum e2b_status status = check_room(sim, memory, bytes, err);
    if (status == E2B_OK) {
        buffer->data =
            aligned_alloc(BUFFER_ALIGN, (bytes + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN);
        if (buffer->data)
            count_buffer(sim, buffer, 1);
        else
            status = e2b_fail_memory(err, "a buffer");
    }
    pthread_mutex_unlock(&sim->lock);
    if (status != E2B_OK) {
        free(buffer);
        return status;
    }
    memset(buffer->data, POISON, bytes);
    *out = buffer;
    return E2B_OK;
}

static enum e2b_status buffer_part(struct e2b_device *device, struct e2b_buffer *whole,
    size_t offset, size_t bytes, struct e2b_buffer **out, struct e2b_error *err) {
    struct sim *sim = sim_of(device);
    *out = NULL;
    if (offset % E2B_PART_ALIGN || bytes < 1 || offset > whole->bytes
        || bytes > whole->bytes - offset)
        return e2b_fail(err, E2B_INVALID, "%zu bytes at %zu are no part of a buffer of %zu", bytes,
            offset, whole->bytes);
    struct e2b_buffer *part = malloc(sizeof *part);
    if (!part)
        return e2b_fail_memory(err, "a buffer");
    *part = (struct e2b_buffer){
        .memory = whole->memory, .is_part = true, .bytes = bytes, .data = whole->data + offset};
    pthread_mutex_lock(&sim->lock);
    count_buffer(sim, part, 1);
    pthread_mutex_unlock(&sim->lock);
    *out = part;
    return E2B_OK;
}

static void buffer_destroy(struct e2b_device *device, struct e2b_buffer *buffer) {
    if (!buffer)
        return;
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    count_buffer(sim, buffer, -1);
    pthread_mutex_unlock(&sim->lock);
    if (!buffer->is_part)
        free(buffer->data);
    free(buffer);
}

static void *buffer_host(struct e2b_device *device, struct e2b_buffer *buffer) {
    (void)device;
    return buffer->memory == E2B_MEMORY_PINNED ? buffer->data : NULL;
}

static enum e2b_status buffer_map(
    struct e2b_device *device, struct e2b_buffer *buffer, void **out, struct e2b_error *err) {
    (void)device, (void)err;
    memset(buffer->data, POISON, buffer->bytes);
    *out = buffer->data;
    return E2B_OK;
}

static enum e2b_status buffer_unmap(
    struct e2b_device *device, struct e2b_buffer *buffer, void *mapped, struct e2b_error *err) {
    (void)device, (void)buffer, (void)mapped, (void)err;
    return E2B_OK;
}

static enum e2b_status queue_create(
    struct e2b_device *device, struct e2b_queue **out, struct e2b_error *err) {
    struct sim *sim = sim_of(device);
    struct e2b_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return e2b_fail_memory(err, "a queue");
    queue->sim = sim;
    pthread_mutex_lock(&sim->lock);
    struct e2b_queue **end = &sim->queues;
    while (*end)
        end = &(*end)->next;
    *end = queue;
    sim->objects.queues++;
    pthread_mutex_unlock(&sim->lock);
    *out = queue;
    return E2B_OK;
}

static void queue_destroy(struct e2b_device *device, struct e2b_queue *queue) {
    if (!queue)
        return;
    struct sim *sim = sim_of(device);
    struct e2b_error ignored = {0};
    e2b_sim_finish(queue, &ignored);
    pthread_mutex_lock(&sim->lock);
    struct e2b_queue **at = &sim->queues;
    while (*at != queue)
        at = &(*at)->next;
    *at = queue->next;
    e2b_sim_abandon(queue);
    sim->objects.queues--;
    pthread_mutex_unlock(&sim->lock);
    free(queue);
}

static enum e2b_status program_build(struct e2b_device *device, const struct e2b_source *source,
    const char *options, struct e2b_program **out, struct e2b_error *err) {
    *out = NULL;
    (void)options;
    struct sim *sim = sim_of(device);
    struct e2b_program *program = calloc(1, sizeof *program);
    if (!program)
        return e2b_fail_memory(err, "a program");
    program->sim = sim;
    pthread_mutex_lock(&sim->lock);
    bool fails = e2b_sim_strikes(sim, E2B_SIM_FAULT_BUILD);
    if (!fails)
        sim->objects.programs++;
    pthread_mutex_unlock(&sim->lock);
    if (fails) {
        free(program);
        return e2b_fail(err, E2B_DEVICE, "%s: the compiler fails, as asked", source->path);
    }
    *out = program;
    return E2B_OK;
}

static void program_destroy(struct e2b_device *device, struct e2b_program *program) {
    if (!program)
        return;
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    sim->objects.programs--;
    pthread_mutex_unlock(&sim->lock);
    free(program);
}

static const struct e2b_sim_kernel *find_row(const struct sim *sim, const char *name) {
    for (int i = 0; i < sim->options.kernel_count; i++)
        if (strcmp(sim->kernels[i].name, name) == 0)
            return &sim->kernels[i];
    return NULL;
}

static enum e2b_status make_kernel(struct sim *sim, const struct e2b_sim_kernel *row,
    struct e2b_kernel **out, struct e2b_error *err) {
    struct e2b_kernel *kernel = calloc(1, sizeof *kernel);
    if (!kernel)
        return e2b_fail_memory(err, "a kernel");
    kernel->row = row ? *row : (struct e2b_sim_kernel){.cost_ns = sim->options.any_kernel_ns};
    pthread_mutex_lock(&sim->lock);
    sim->objects.kernels++;
    pthread_mutex_unlock(&sim->lock);
    *out = kernel;
    return E2B_OK;
}

static enum e2b_status kernel_create(struct e2b_device *device, struct e2b_program *program,
    const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    *out = NULL;
    struct sim *sim = sim_of(device);
    const struct e2b_sim_kernel *row = find_row(sim, name);
    (void)program;
    if (!row && !sim->options.any_kernel)
        return e2b_fail(err, E2B_NOT_FOUND, "kernel \"%s\" is not registered", name);
    return make_kernel(sim, row, out, err);
}

static enum e2b_status routine_create(
    struct e2b_device *device, const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    *out = NULL;
    struct sim *sim = sim_of(device);
    const struct e2b_sim_kernel *row = find_row(sim, name);
    if (!row)
        return e2b_fail(err, E2B_UNSUPPORTED, "no library routine \"%s\" on this device", name);
    return make_kernel(sim, row, out, err);
}

static void kernel_destroy(struct e2b_device *device, struct e2b_kernel *kernel) {
    if (!kernel)
        return;
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    sim->objects.kernels--;
    pthread_mutex_unlock(&sim->lock);
    free(kernel);
}

static enum e2b_status set_arg(
    struct e2b_kernel *kernel, int index, const struct e2b_sim_arg *arg, struct e2b_error *err) {
    if (index < 0 || index >= E2B_SIM_MAX_ARGS)
        return e2b_fail(
            err, E2B_INVALID, "argument %d is outside 0..%d", index, E2B_SIM_MAX_ARGS - 1);
    kernel->args[index] = *arg;
    kernel->is_set[index] = true;
    if (kernel->arg_count <= index)
        kernel->arg_count = index + 1;
    return E2B_OK;
}

static enum e2b_status kernel_set_buffer(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, struct e2b_buffer *buffer, struct e2b_error *err) {
    (void)device;
    const struct e2b_sim_arg arg = {.buffer = buffer->data, .bytes = buffer->bytes};
    return set_arg(kernel, index, &arg, err);
}

static enum e2b_status kernel_set_value(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, const void *value, size_t bytes, struct e2b_error *err) {
    (void)device;
    struct e2b_sim_arg arg = {.bytes = bytes};
    if (bytes < 1 || bytes > sizeof arg.value)
        return e2b_fail(err, E2B_INVALID, "argument %d: a value of %zu bytes is outside 1..%zu",
            index, bytes, sizeof arg.value);
    memcpy(arg.value, value, bytes);
    return set_arg(kernel, index, &arg, err);
}

static void destroy(struct e2b_device *device) {
    if (!device)
        return;
    struct sim *sim = sim_of(device);
    e2b_sim_stop_thread(sim);
    assert(!sim->queues);
    for (int i = 0; sim->kernels && i < sim->options.kernel_count; i++)
        free((char *)sim->kernels[i].name);
    free(sim->kernels);
    pthread_cond_destroy(&sim->changed);
    pthread_mutex_destroy(&sim->lock);
    free(sim);
}

static const struct e2b_device_ops ops = {
    .destroy = destroy,
    .now_ns = e2b_sim_now_ns,
    .buffer_create = buffer_create,
    .buffer_part = buffer_part,
    .buffer_destroy = buffer_destroy,
    .buffer_host = buffer_host,
    .buffer_map = buffer_map,
    .buffer_unmap = buffer_unmap,
    .queue_create = queue_create,
    .queue_destroy = queue_destroy,
    .program_build = program_build,
    .program_destroy = program_destroy,
    .kernel_create = kernel_create,
    .routine_create = routine_create,
    .kernel_destroy = kernel_destroy,
    .kernel_set_buffer = kernel_set_buffer,
    .kernel_set_value = kernel_set_value,
    .enqueue_kernel = e2b_sim_enqueue_kernel,
    .enqueue_write = e2b_sim_enqueue_write,
    .enqueue_read = e2b_sim_enqueue_read,
    .enqueue_fill = e2b_sim_enqueue_fill,
    .enqueue_wait = e2b_sim_enqueue_wait,
    .flush = e2b_sim_flush,
    .finish = e2b_sim_finish,
    .event_state = e2b_sim_event_state,
    .event_wait = e2b_sim_event_wait,
    .event_times = e2b_sim_event_times,
    .event_notify = e2b_sim_event_notify,
    .event_release = e2b_sim_event_release,
};

static enum e2b_status copy_kernels(struct sim *sim, struct e2b_error *err) {
    int count = sim->options.kernel_count;
    sim->kernels = calloc((size_t)count + 1, sizeof *sim->kernels);
    if (!sim->kernels)
        return e2b_fail_memory(err, "a simulated device");
    for (int i = 0; i < count; i++) {
        sim->kernels[i] = sim->options.kernels[i];
        sim->kernels[i].name = strdup(sim->options.kernels[i].name);
        if (!sim->kernels[i].name)
            return e2b_fail_memory(err, "a simulated device");
    }
    return E2B_OK;
}

static void init_sync(struct sim *sim) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&sim->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&sim->lock, NULL);
}

enum e2b_status e2b_sim_create(
    const struct e2b_sim_options *options, struct e2b_device **out, struct e2b_error *err) {
    struct sim *sim = calloc(1, sizeof *sim);
    if (!sim)
        return e2b_fail_memory(err, "a simulated device");
    sim->device.ops = &ops;
    sim->device.traits = options->traits ? *options->traits : small_gpu;
    strcpy(sim->device.identity, "simulated");
    sim->options = *options;
    sim->random = options->seed;
    init_sync(sim);
    sim->origin_ns = e2b_clock_ns();
    if (options->real_time_speed > 0)
        sim->now_ns = sim->origin_ns;
    if (copy_kernels(sim, err) != E2B_OK
        || (options->real_time_speed > 0 && e2b_sim_start_thread(sim, err) != E2B_OK)) {
        destroy(&sim->device);
        return err->status;
    }
    *out = &sim->device;
    return E2B_OK;
}
