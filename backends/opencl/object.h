/* The bodies behind the handles of backends/device.h, shared by the files of this folder only. */
#ifndef E2B_BACKENDS_OPENCL_OBJECT_H
#define E2B_BACKENDS_OPENCL_OBJECT_H

#include "backends/device.h"
#include "backends/opencl/cache.h"
#include "backends/opencl/profile.h"
#include "backends/opencl/saver.h"
#include "backends/opencl/timeline.h"
#include <CL/cl.h>
#include <stdatomic.h>

struct e2b_cl_waiter;

struct e2b_opencl {
    struct e2b_device base;
    cl_platform_id platform;
    cl_device_id id;
    cl_context context;
    cl_command_queue service; /* probes, calibration and allocations; any thread */
    const struct e2b_profile *profile;
    struct e2b_cl_cache cache;
    struct e2b_cl_saver saver;
    struct e2b_timeline timeline;
    struct e2b_cl_waiter *waiter;
    bool times;
    int64_t memory_limit_bytes;
    _Atomic int64_t memory_used_bytes;
};

struct e2b_buffer {
    cl_mem mem;
    void *host; /* pinned: mapped for life */
    void *near; /* host memory that we gave to the runtime, NULL if it made its own */
    size_t bytes;
    bool counted;
};

struct e2b_queue {
    struct e2b_opencl *device;
    cl_command_queue queue;
};

struct e2b_program {
    cl_program program;
    const char *path;
};

struct e2b_routine;

struct e2b_kernel {
    cl_kernel kernel;            /* NULL for a routine */
    struct e2b_routine *routine; /* NULL for a kernel */
};

struct e2b_event {
    struct e2b_opencl *device;
    cl_event event;
    int64_t enqueued_ns; /* our clock, before the enqueue call */
};

static inline struct e2b_opencl *e2b_opencl_of(struct e2b_device *device) {
    return (struct e2b_opencl *)device;
}

/* The functions of struct e2b_device_ops, by file. */
/* buffer.c */
enum e2b_status e2b_cl_buffer_create(struct e2b_device *device, enum e2b_memory memory,
    size_t bytes, struct e2b_buffer **out, struct e2b_error *err);
enum e2b_status e2b_cl_buffer_part(struct e2b_device *device, struct e2b_buffer *whole,
    size_t offset, size_t bytes, struct e2b_buffer **out, struct e2b_error *err);
void e2b_cl_buffer_destroy(struct e2b_device *device, struct e2b_buffer *buffer);
void *e2b_cl_buffer_host(struct e2b_device *device, struct e2b_buffer *buffer);
enum e2b_status e2b_cl_buffer_map(
    struct e2b_device *device, struct e2b_buffer *buffer, void **out, struct e2b_error *err);
enum e2b_status e2b_cl_buffer_unmap(
    struct e2b_device *device, struct e2b_buffer *buffer, void *mapped, struct e2b_error *err);

/* queue.c */
enum e2b_status e2b_cl_queue_create(
    struct e2b_device *device, struct e2b_queue **out, struct e2b_error *err);
void e2b_cl_queue_destroy(struct e2b_device *device, struct e2b_queue *queue);
enum e2b_status e2b_cl_enqueue_kernel(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_event **event, struct e2b_error *err);
enum e2b_status e2b_cl_enqueue_write(struct e2b_queue *queue, struct e2b_buffer *to,
    size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
    struct e2b_error *err);
enum e2b_status e2b_cl_enqueue_read(struct e2b_queue *queue, struct e2b_buffer *from,
    size_t from_offset, void *to, size_t bytes, struct e2b_event **event, struct e2b_error *err);
enum e2b_status e2b_cl_enqueue_fill(struct e2b_queue *queue, struct e2b_buffer *buffer,
    size_t offset, size_t bytes, unsigned char value, struct e2b_error *err);
enum e2b_status e2b_cl_enqueue_wait(
    struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err);
enum e2b_status e2b_cl_flush(struct e2b_queue *queue, struct e2b_error *err);
enum e2b_status e2b_cl_finish(struct e2b_queue *queue, struct e2b_error *err);

/* event.c */
enum e2b_event_state e2b_cl_event_state(struct e2b_event *event, struct e2b_error *err);
enum e2b_status e2b_cl_event_wait(struct e2b_event *event, struct e2b_error *err);
void e2b_cl_event_times(struct e2b_event *event, struct e2b_event_times *out);
enum e2b_status e2b_cl_event_notify(struct e2b_event *event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err);
void e2b_cl_events_look(struct e2b_device *device);
void e2b_cl_event_release(struct e2b_event *event);
/* A command's times on the device's own clock; false where they are not kept. */
bool e2b_cl_event_stamps(cl_event event, struct e2b_event_times *out);

/* program.c */
enum e2b_status e2b_cl_program_build(struct e2b_device *device, const struct e2b_source *source,
    const char *options, struct e2b_program **out, struct e2b_error *err);
void e2b_cl_program_destroy(struct e2b_device *device, struct e2b_program *program);
enum e2b_status e2b_cl_kernel_create(struct e2b_device *device, struct e2b_program *program,
    const char *name, struct e2b_kernel **out, struct e2b_error *err);
void e2b_cl_kernel_destroy(struct e2b_device *device, struct e2b_kernel *kernel);
enum e2b_status e2b_cl_kernel_set_buffer(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, struct e2b_buffer *buffer, struct e2b_error *err);
enum e2b_status e2b_cl_kernel_set_value(struct e2b_device *device, struct e2b_kernel *kernel,
    int index, const void *value, size_t bytes, struct e2b_error *err);

/* routine.c */
enum e2b_status e2b_cl_routine_create(
    struct e2b_device *device, const char *name, struct e2b_kernel **out, struct e2b_error *err);

#endif
