/* The one interface between e2bird and a device. backends/opencl drives real ones, backends/sim one
 * that does not exist, in virtual time. Handles are opaque and belong to the device that made them;
 * destroy functions take NULL. Every enqueue is on an in-order queue and returns before the work is
 * done. Threads: one thread at a time enqueues on a queue; buffers, programs and kernels may be
 * made from any thread; a kernel object is set and enqueued by one thread at a time. */
#ifndef E2B_BACKENDS_DEVICE_H
#define E2B_BACKENDS_DEVICE_H

#include "kernels/launch.h"
#include "kernels/traits.h"
#include "runtime/base/status.h"

struct e2b_device;
struct e2b_buffer;
struct e2b_queue;
struct e2b_program;
struct e2b_kernel;
struct e2b_event;

enum e2b_memory {
    E2B_MEMORY_DEVICE, /* near the compute units; uninitialised */
    E2B_MEMORY_PINNED, /* host memory that copies asynchronously; host_pointer gives its address */
};

#define E2B_PART_ALIGN 4096 /* bytes: no device wants more */

enum e2b_event_state { E2B_EVENT_PENDING, E2B_EVENT_DONE, E2B_EVENT_FAILED };

/* Nanoseconds on the device's clock (see now_ns); 0 where the device keeps no times. */
struct e2b_event_times {
    int64_t queued_ns, started_ns, ended_ns;
};

struct e2b_device_ops {
    void (*destroy)(struct e2b_device *device); /* everything made on it is gone already */

    /* Time by which events are stamped; a simulated device's virtual time. */
    int64_t (*now_ns)(struct e2b_device *device);

    /* (optional) What was wanted is built and has run, nothing runs now: time for what only makes
     * the next start faster. Without this call it is done when the device is destroyed. */
    void (*settle)(struct e2b_device *device);

    enum e2b_status (*buffer_create)(struct e2b_device *device, enum e2b_memory memory,
        size_t bytes, struct e2b_buffer **out, struct e2b_error *err);
    void (*buffer_destroy)(struct e2b_device *device, struct e2b_buffer *buffer);
    /* Part of a buffer in device memory as a buffer of its own, from a multiple of E2B_PART_ALIGN
     * on. It is destroyed before the whole. */
    enum e2b_status (*buffer_part)(struct e2b_device *device, struct e2b_buffer *whole,
        size_t offset, size_t bytes, struct e2b_buffer **out, struct e2b_error *err);
    /* Address of a pinned buffer, valid until it is destroyed; NULL for device memory. */
    void *(*buffer_host)(struct e2b_device *device, struct e2b_buffer *buffer);
    /* The address at which the host writes a whole buffer that no work uses, until buffer_unmap;
     * what was in it is lost. No copy is made where traits.host_unified. */
    enum e2b_status (*buffer_map)(
        struct e2b_device *device, struct e2b_buffer *buffer, void **out, struct e2b_error *err);
    enum e2b_status (*buffer_unmap)(
        struct e2b_device *device, struct e2b_buffer *buffer, void *mapped, struct e2b_error *err);

    enum e2b_status (*queue_create)(
        struct e2b_device *device, struct e2b_queue **out, struct e2b_error *err);
    void (*queue_destroy)(
        struct e2b_device *device, struct e2b_queue *queue); /* waits for its work */

    /* Compile, or load from the program cache. Any thread, several at once. */
    enum e2b_status (*program_build)(struct e2b_device *device, const struct e2b_source *source,
        const char *options, struct e2b_program **out, struct e2b_error *err);
    void (*program_destroy)(struct e2b_device *device, struct e2b_program *program);
    enum e2b_status (*kernel_create)(struct e2b_device *device, struct e2b_program *program,
        const char *name, struct e2b_kernel **out, struct e2b_error *err);
    /* (optional) A library routine with a kernel's interface; UNSUPPORTED if there is none so
     * named. "clblast_sgemm": C[m][n] = A[m][k] B[k][n], row-major; arguments A, a_offset, B,
     * b_offset, C, c_offset, m, n, k, lda, ldb, ldc, transpose_b. */
    enum e2b_status (*routine_create)(struct e2b_device *device, const char *name,
        struct e2b_kernel **out, struct e2b_error *err);
    void (*kernel_destroy)(struct e2b_device *device, struct e2b_kernel *kernel);
    enum e2b_status (*kernel_set_buffer)(struct e2b_device *device, struct e2b_kernel *kernel,
        int index, struct e2b_buffer *buffer, struct e2b_error *err);
    enum e2b_status (*kernel_set_value)(struct e2b_device *device, struct e2b_kernel *kernel,
        int index, const void *value, size_t bytes, struct e2b_error *err);

    /* event may be NULL; otherwise the caller releases it. local all 0: the runtime chooses. */
    enum e2b_status (*enqueue_kernel)(struct e2b_queue *queue, struct e2b_kernel *kernel,
        const size_t global[3], const size_t local[3], struct e2b_event **event,
        struct e2b_error *err);
    enum e2b_status (*enqueue_write)(struct e2b_queue *queue, struct e2b_buffer *to,
        size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
        struct e2b_error *err);
    enum e2b_status (*enqueue_read)(struct e2b_queue *queue, struct e2b_buffer *from,
        size_t from_offset, void *to, size_t bytes, struct e2b_event **event,
        struct e2b_error *err);
    enum e2b_status (*enqueue_fill)(struct e2b_queue *queue, struct e2b_buffer *buffer,
        size_t offset, size_t bytes, unsigned char value, struct e2b_error *err);
    /* Later work on queue starts only after these events, which may be of other queues. */
    enum e2b_status (*enqueue_wait)(
        struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err);
    enum e2b_status (*flush)(struct e2b_queue *queue, struct e2b_error *err);
    /* Block until all work of the queue is done (a simulated device runs its clock forward). */
    enum e2b_status (*finish)(struct e2b_queue *queue, struct e2b_error *err);

    enum e2b_event_state (*event_state)(struct e2b_event *event, struct e2b_error *err);
    enum e2b_status (*event_wait)(struct e2b_event *event, struct e2b_error *err);
    void (*event_times)(struct e2b_event *event, struct e2b_event_times *out);
    /* Call done(context, state) once, from any thread, soon after the event ended. done is short
     * and must not call the device. The event may be released before. Its queue is flushed. */
    enum e2b_status (*event_notify)(struct e2b_event *event,
        void (*done)(void *context, enum e2b_event_state state), void *context,
        struct e2b_error *err);
    /* (optional) Where ended events are found by looking: look, unless that was done just now, and
     * call who is to be notified. A thread that enqueues much does so in between: for a moment no
     * other one looks, which would take turns with it at the driver's lock. */
    void (*events_look)(struct e2b_device *device);
    void (*event_release)(struct e2b_event *event); /* NULL is fine */
};

/* Backends embed this first in their own struct. */
struct e2b_device {
    const struct e2b_device_ops *ops;
    struct e2b_traits traits;
    char pci_address[32]; /* "" if it has none */
    char identity[256];   /* platform, device, driver and their versions: for caches and reports */
};

#endif
