#include "backends/opencl/error.h"
#include "backends/opencl/object.h"
#include "backends/opencl/routine.h"
#include "runtime/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum e2b_status e2b_cl_queue_create(
    struct e2b_device *base, struct e2b_queue **out, struct e2b_error *err) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    cl_int code;
    *out = NULL;
    struct e2b_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return e2b_fail_memory(err, "a queue");
    queue->device = device;
    queue->queue = clCreateCommandQueue(
        device->context, device->id, device->times ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    if (!queue->queue) {
        free(queue);
        return e2b_cl_fail(err, code, "a queue on %s", base->traits.device);
    }
    *out = queue;
    return E2B_OK;
}

void e2b_cl_queue_destroy(struct e2b_device *device, struct e2b_queue *queue) {
    (void)device;
    if (!queue)
        return;
    clFinish(queue->queue);
    clReleaseCommandQueue(queue->queue);
    free(queue);
}

/* The caller's event, made before the enqueue so that nothing can fail after it. */
static enum e2b_status event_begin(
    struct e2b_queue *queue, struct e2b_event **event, struct e2b_error *err) {
    if (!event)
        return E2B_OK;
    *event = calloc(1, sizeof **event);
    if (!*event)
        return e2b_fail_memory(err, "an event");
    (*event)->device = queue->device;
    (*event)->enqueued_ns = queue->device->times ? e2b_clock_ns() : 0;
    return E2B_OK;
}

static enum e2b_status event_end(
    enum e2b_status status, struct e2b_event **event, cl_event handle) {
    if (event && status == E2B_OK) {
        (*event)->event = handle;
    } else if (event) {
        free(*event);
        *event = NULL;
    }
    return status;
}

static enum e2b_status fail_kernel(cl_kernel kernel, cl_int code, const size_t global[3],
    const size_t local[3], struct e2b_error *err) {
    char name[96] = "?";
    clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    return e2b_cl_fail(err, code, "kernel %s over %zux%zux%zu in groups of %zux%zux%zu", name,
        global[0], global[1], global[2], local[0], local[1], local[2]);
}

static cl_uint dimensions(const size_t global[3]) {
    return global[2] != 1 ? 3 : global[1] != 1 ? 2 : 1;
}

enum e2b_status e2b_cl_enqueue_kernel(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_event **event,
    struct e2b_error *err) {
    cl_event handle = NULL;
    if (event_begin(queue, event, err) != E2B_OK)
        return err->status;
    cl_event *wanted = event ? &handle : NULL;
    if (kernel->routine) {
        enum e2b_status status = e2b_routine_enqueue(kernel->routine, queue->queue, wanted, err);
        return event_end(status, event, handle);
    }
    bool chosen = local[0] || local[1] || local[2];
    cl_int code = clEnqueueNDRangeKernel(queue->queue, kernel->kernel, dimensions(global), NULL,
        global, chosen ? local : NULL, 0, NULL, wanted);
    enum e2b_status status =
        code == CL_SUCCESS ? E2B_OK : fail_kernel(kernel->kernel, code, global, local, err);
    return event_end(status, event, handle);
}

static enum e2b_status check_range(const char *what, const struct e2b_buffer *buffer, size_t offset,
    size_t bytes, struct e2b_error *err) {
    if (offset <= buffer->bytes && bytes <= buffer->bytes - offset)
        return E2B_OK;
    return e2b_fail(err, E2B_INVALID, "%s of %zu bytes at %zu: the buffer has %zu bytes", what,
        bytes, offset, buffer->bytes);
}

enum e2b_status e2b_cl_enqueue_write(struct e2b_queue *queue, struct e2b_buffer *to,
    size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
    struct e2b_error *err) {
    cl_event handle = NULL;
    if (check_range("write", to, to_offset, bytes, err) != E2B_OK
        || event_begin(queue, event, err) != E2B_OK)
        return err->status;
    cl_int code = clEnqueueWriteBuffer(
        queue->queue, to->mem, CL_FALSE, to_offset, bytes, from, 0, NULL, event ? &handle : NULL);
    enum e2b_status status = code == CL_SUCCESS
        ? E2B_OK
        : e2b_cl_fail(err, code, "write of %zu bytes to the device", bytes);
    return event_end(status, event, handle);
}

enum e2b_status e2b_cl_enqueue_read(struct e2b_queue *queue, struct e2b_buffer *from,
    size_t from_offset, void *to, size_t bytes, struct e2b_event **event, struct e2b_error *err) {
    cl_event handle = NULL;
    if (check_range("read", from, from_offset, bytes, err) != E2B_OK
        || event_begin(queue, event, err) != E2B_OK)
        return err->status;
    cl_int code = clEnqueueReadBuffer(
        queue->queue, from->mem, CL_FALSE, from_offset, bytes, to, 0, NULL, event ? &handle : NULL);
    enum e2b_status status = code == CL_SUCCESS
        ? E2B_OK
        : e2b_cl_fail(err, code, "read of %zu bytes from the device", bytes);
    return event_end(status, event, handle);
}

enum e2b_status e2b_cl_enqueue_fill(struct e2b_queue *queue, struct e2b_buffer *buffer,
    size_t offset, size_t bytes, unsigned char value, struct e2b_error *err) {
    unsigned char pattern[16];
    if (check_range("fill", buffer, offset, bytes, err) != E2B_OK)
        return err->status;
    if (bytes == 0)
        return E2B_OK;
    memset(pattern, value, sizeof pattern);
    size_t width = (offset | bytes) % 16 == 0 ? 16 : (offset | bytes) % 4 == 0 ? 4 : 1;
    cl_int code = clEnqueueFillBuffer(
        queue->queue, buffer->mem, pattern, width, offset, bytes, 0, NULL, NULL);
    return code == CL_SUCCESS ? E2B_OK : e2b_cl_fail(err, code, "fill of %zu bytes", bytes);
}

/* An event of another queue arrives only if that queue was flushed. */
static cl_int flush_other(cl_command_queue ours, cl_event event) {
    cl_command_queue queue = NULL;
    cl_int code = clGetEventInfo(event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    return code == CL_SUCCESS && queue && queue != ours ? clFlush(queue) : code;
}

enum e2b_status e2b_cl_enqueue_wait(
    struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err) {
    enum { AT_ONCE = 16 };
    cl_event list[AT_ONCE];
    for (int done = 0; done < count; done += AT_ONCE) {
        int n = count - done < AT_ONCE ? count - done : AT_ONCE;
        cl_int code = CL_SUCCESS;
        for (int i = 0; i < n && code == CL_SUCCESS; i++) {
            list[i] = events[done + i]->event;
            code = flush_other(queue->queue, list[i]);
        }
        if (code == CL_SUCCESS)
            code = clEnqueueBarrierWithWaitList(queue->queue, (cl_uint)n, list, NULL);
        if (code != CL_SUCCESS)
            return e2b_cl_fail(err, code, "wait of a queue for %d events", count);
    }
    return E2B_OK;
}

enum e2b_status e2b_cl_flush(struct e2b_queue *queue, struct e2b_error *err) {
    cl_int code = clFlush(queue->queue);
    return code == CL_SUCCESS ? E2B_OK : e2b_cl_fail(err, code, "flush of a queue");
}

enum e2b_status e2b_cl_finish(struct e2b_queue *queue, struct e2b_error *err) {
    cl_int code = clFinish(queue->queue);
    return code == CL_SUCCESS ? E2B_OK : e2b_cl_fail(err, code, "work of a queue");
}
