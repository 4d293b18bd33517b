#include "tests/ptx/device.h"

#include "backends/opencl/ptx.h"
#include "runtime/base/text.h"
#include "tests/ptx/ptx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BUFFERS 512
#define MISSING 77 /* tools/ptx_compile.sh's exit code */

extern const struct e2b_source e2b_source_prelude;

#define MAX_PARAMETERS 256

struct e2b_buffer {
    void *memory;
    size_t bytes;
    bool is_part; /* of memory that another has */
};

struct e2b_queue {
    struct ptx_device *device;
};

struct e2b_program {
    char *text;
};

struct e2b_kernel {
    struct ptx_program *ptx;
    unsigned char parameters[MAX_PARAMETERS][PTX_PARAMETER_BYTES];
};

struct e2b_event {
    int64_t at_ns;
};

struct ptx_device {
    struct e2b_device base;
    struct ptx_device_options options;
    struct ptx_memory memory[MAX_BUFFERS];
    int memory_count;
};

static struct ptx_device *of(struct e2b_device *device) {
    return (struct ptx_device *)device;
}

static void destroy(struct e2b_device *device) {
    free(of(device));
}

static int64_t now_ns(struct e2b_device *device) {
    struct timespec time;
    (void)device;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static enum e2b_status buffer_create(struct e2b_device *device, enum e2b_memory memory,
    size_t bytes, struct e2b_buffer **out, struct e2b_error *err) {
    struct ptx_device *self = of(device);
    struct e2b_buffer *buffer = calloc(1, sizeof *buffer);
    (void)memory;
    if (!buffer || self->memory_count == MAX_BUFFERS)
        return e2b_fail_memory(err, "a buffer");
    buffer->bytes = bytes;
    buffer->memory = aligned_alloc(1024, (bytes + 1023) / 1024 * 1024);
    memset(buffer->memory, 0xff, bytes);
    self->memory[self->memory_count++] = (struct ptx_memory){buffer->memory, bytes};
    *out = buffer;
    return E2B_OK;
}

static enum e2b_status buffer_part(struct e2b_device *device, struct e2b_buffer *whole,
    size_t offset, size_t bytes, struct e2b_buffer **out, struct e2b_error *err) {
    (void)device;
    struct e2b_buffer *part = calloc(1, sizeof *part);
    if (!part)
        return e2b_fail_memory(err, "a buffer");
    part->bytes = bytes;
    part->memory = (char *)whole->memory + offset;
    part->is_part = true;
    *out = part;
    return E2B_OK;
}

static void buffer_destroy(struct e2b_device *device, struct e2b_buffer *buffer) {
    struct ptx_device *self = of(device);
    if (!buffer)
        return;
    for (int i = 0; !buffer->is_part && i < self->memory_count; i++)
        if (self->memory[i].begin == buffer->memory)
            self->memory[i] = self->memory[--self->memory_count];
    if (!buffer->is_part)
        free(buffer->memory);
    free(buffer);
}

static void *buffer_host(struct e2b_device *device, struct e2b_buffer *buffer) {
    (void)device;
    return buffer->memory;
}

static enum e2b_status buffer_map(
    struct e2b_device *device, struct e2b_buffer *buffer, void **out, struct e2b_error *err) {
    (void)device;
    (void)err;
    *out = buffer->memory;
    return E2B_OK;
}

static enum e2b_status buffer_unmap(
    struct e2b_device *device, struct e2b_buffer *buffer, void *mapped, struct e2b_error *err) {
    (void)device;
    (void)buffer;
    (void)mapped;
    (void)err;
    return E2B_OK;
}

static enum e2b_status queue_create(
    struct e2b_device *device, struct e2b_queue **out, struct e2b_error *err) {
    *out = calloc(1, sizeof **out);
    if (!*out)
        return e2b_fail_memory(err, "a queue");
    (*out)->device = of(device);
    return E2B_OK;
}

static void queue_destroy(struct e2b_device *device, struct e2b_queue *queue) {
    (void)device;
    free(queue);
}

static char *read_all(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(bytes + 1, 1);
    if (text && fread(text, 1, bytes, file) != bytes)
        text[0] = '\0';
    fclose(file);
    return text;
}

static uint64_t hash_of(const struct e2b_source *source, const char *options) {
    uint64_t hash = 14695981039346656037ull;
    const char *texts[] = {e2b_source_prelude.text, source->text, options};
    for (int i = 0; i < 3; i++)
        for (const char *at = texts[i]; *at; at++)
            hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
    return hash;
}

static enum e2b_status compile(
    const struct e2b_source *source, const char *options, const char *path, struct e2b_error *err) {
    struct e2b_text in = {0}, log_path = {0}, command = {0};
    e2b_text_add(&in, "%s.%d.cl", path, getpid());
    e2b_text_add(&log_path, "%s.log", in.data);
    e2b_text_add(&command, "tools/ptx_compile.sh '%s' '%s.new' %s > '%s' 2>&1 && mv '%s.new' '%s'",
        in.data, in.data, options, log_path.data, in.data, path);
    FILE *file = fopen(in.data, "w");
    if (!file)
        return e2b_fail(err, E2B_INTERNAL, "%s cannot be written", in.data);
    fprintf(file, "%s\n%s", e2b_source_prelude.text, source->text);
    fclose(file);
    int code = system(command.data);
    char *log = read_all(log_path.data);
    unlink(log_path.data);
    unlink(in.data);
    if (WEXITSTATUS(code) == MISSING)
        e2b_fail(err, E2B_UNSUPPORTED, "%s", log ? log : "");
    else if (code != 0)
        e2b_fail(err, E2B_INTERNAL, "%s with %s: %s", source->path, options, log ? log : "");
    free(log);
    e2b_text_finish(&in);
    e2b_text_finish(&log_path);
    e2b_text_finish(&command);
    return err->status;
}

/* As the driver would give it, comments of inline assembly opened. */
char *ptx_device_text(struct e2b_device *device, const struct e2b_source *source,
    const char *options, struct e2b_error *err) {
    struct ptx_device *self = of(device);
    char path[512], target[16];
    size_t bytes;
    snprintf(
        path, sizeof path, "%s/%016" PRIx64 ".ptx", self->options.cache, hash_of(source, options));
    if (access(path, R_OK) != 0 && compile(source, options, path, err) != E2B_OK)
        return NULL;
    char *text = read_all(path);
    if (text && e2b_ptx_target(options, target, sizeof target)) {
        char *opened = e2b_ptx_retarget(text, strlen(text), target, &bytes);
        free(text);
        text = opened;
    }
    if (!text)
        e2b_fail_memory(err, "PTX");
    return text;
}

static enum e2b_status program_build(struct e2b_device *device, const struct e2b_source *source,
    const char *options, struct e2b_program **out, struct e2b_error *err) {
    struct e2b_program *program = calloc(1, sizeof *program);
    program->text = ptx_device_text(device, source, options, err);
    *out = program->text ? program : NULL;
    if (!program->text)
        free(program);
    return err->status;
}

static void program_destroy(struct e2b_device *device, struct e2b_program *program) {
    (void)device;
    if (program)
        free(program->text);
    free(program);
}

static enum e2b_status kernel_create(struct e2b_device *device, struct e2b_program *program,
    const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    (void)device;
    *out = calloc(1, sizeof **out);
    if (ptx_parse(program->text, name, &(*out)->ptx, err) != E2B_OK) {
        free(*out);
        *out = NULL;
    }
    return err->status;
}

static enum e2b_status routine_create(
    struct e2b_device *device, const char *name, struct e2b_kernel **out, struct e2b_error *err) {
    (void)device;
    *out = NULL;
    return e2b_fail(err, E2B_UNSUPPORTED, "there is no routine %s", name);
}

static void kernel_destroy(struct e2b_device *device, struct e2b_kernel *kernel) {
    (void)device;
    if (kernel)
        ptx_destroy(kernel->ptx);
    free(kernel);
}

static enum e2b_status kernel_set_buffer(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, struct e2b_buffer *buffer, struct e2b_error *err) {
    (void)device;
    memcpy(kernel->parameters[index], &buffer->memory, sizeof buffer->memory);
    return err->status;
}

static enum e2b_status kernel_set_value(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, const void *value, size_t bytes, struct e2b_error *err) {
    (void)device;
    if (bytes > PTX_PARAMETER_BYTES)
        return e2b_fail(err, E2B_UNSUPPORTED, "a parameter of %zu bytes", bytes);
    memcpy(kernel->parameters[index], value, bytes);
    return err->status;
}

static enum e2b_status give_event(struct e2b_queue *queue, struct e2b_event **event) {
    if (event) {
        *event = calloc(1, sizeof **event);
        (*event)->at_ns = now_ns(&queue->device->base);
    }
    return E2B_OK;
}

static enum e2b_status enqueue_kernel(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_event **event,
    struct e2b_error *err) {
    const struct ptx_device *device = queue->device;
    struct ptx_launch launch = {.parameters = kernel->parameters[0],
        .memory = device->memory,
        .memory_count = device->memory_count,
        .resident = device->options.compute_units,
        .late = device->options.late};
    for (int i = 0; i < 3; i++) {
        size_t threads = local[i] ? local[i] : 1;
        launch.threads[i] = (uint32_t)threads;
        launch.groups[i] = (uint32_t)(global[i] / threads);
    }
    return ptx_run(kernel->ptx, &launch, err) == E2B_OK ? give_event(queue, event) : err->status;
}

static enum e2b_status enqueue_write(struct e2b_queue *queue, struct e2b_buffer *to,
    size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
    struct e2b_error *err) {
    (void)err;
    memcpy((char *)to->memory + to_offset, from, bytes);
    return give_event(queue, event);
}

static enum e2b_status enqueue_read(struct e2b_queue *queue, struct e2b_buffer *from,
    size_t from_offset, void *to, size_t bytes, struct e2b_event **event, struct e2b_error *err) {
    (void)err;
    memcpy(to, (const char *)from->memory + from_offset, bytes);
    return give_event(queue, event);
}

static enum e2b_status enqueue_fill(struct e2b_queue *queue, struct e2b_buffer *buffer,
    size_t offset, size_t bytes, unsigned char value, struct e2b_error *err) {
    (void)queue;
    memset((char *)buffer->memory + offset, value, bytes);
    return err->status;
}

static enum e2b_status enqueue_wait(
    struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err) {
    (void)queue;
    (void)events;
    (void)count;
    return err->status;
}

static enum e2b_status done(struct e2b_queue *queue, struct e2b_error *err) {
    (void)queue;
    return err->status;
}

static enum e2b_event_state event_state(struct e2b_event *event, struct e2b_error *err) {
    (void)event;
    (void)err;
    return E2B_EVENT_DONE;
}

static enum e2b_status event_wait(struct e2b_event *event, struct e2b_error *err) {
    (void)event;
    return err->status;
}

static void event_times(struct e2b_event *event, struct e2b_event_times *out) {
    *out = (struct e2b_event_times){event->at_ns, event->at_ns, event->at_ns};
}

static enum e2b_status event_notify(struct e2b_event *event,
    void (*call)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err) {
    (void)event;
    call(context, E2B_EVENT_DONE);
    return err->status;
}

static void event_release(struct e2b_event *event) {
    free(event);
}

static const struct e2b_device_ops ops = {
    .destroy = destroy,
    .now_ns = now_ns,
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
    .enqueue_kernel = enqueue_kernel,
    .enqueue_write = enqueue_write,
    .enqueue_read = enqueue_read,
    .enqueue_fill = enqueue_fill,
    .enqueue_wait = enqueue_wait,
    .flush = done,
    .finish = done,
    .event_state = event_state,
    .event_wait = event_wait,
    .event_times = event_times,
    .event_notify = event_notify,
    .event_release = event_release,
};

enum e2b_status ptx_device_create(
    const struct ptx_device_options *options, struct e2b_device **out, struct e2b_error *err) {
    struct ptx_device *device = calloc(1, sizeof *device);
    if (!device)
        return e2b_fail_memory(err, "a device");
    if (WEXITSTATUS(system("tools/ptx_compile.sh /dev/null /dev/null 2> /dev/null")) == MISSING) {
        free(device);
        return e2b_fail(err, E2B_UNSUPPORTED, "clang or libclc is missing");
    }
    device->base = (struct e2b_device){.ops = &ops,
        .traits = {.device = "PTX on the host",
            .compute_units = options->compute_units,
            .few_arguments = true,
            .warp = 32,
            .max_group = 1024,
            .local_bytes = 225 << 10, /* not all of 227 are to be had on a card: see its probe */
            .memory_bytes = 8ll << 30,
            .max_buffer_bytes = 2ll << 30,
            .ptx_sm = options->ptx_sm,
            .base_align_bytes = 256,
            .channel_align = 8},
        .identity = "PTX on the host"};
    device->options = *options;
    *out = &device->base;
    return E2B_OK;
}
