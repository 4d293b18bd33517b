#include "backends/opencl/error.h"
#include "backends/opencl/object.h"
#include "runtime/base/thread.h"

#include <stdlib.h>

static enum e2b_status count(struct e2b_opencl *device, size_t bytes, struct e2b_error *err) {
    int64_t wanted = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
    int64_t used = atomic_load(&device->memory_used_bytes);
    do {
        int64_t room = device->memory_limit_bytes - used;
        if (wanted > room)
            return e2b_fail(err, E2B_NO_MEMORY,
                "%lld bytes asked of the device, %lld of %lld are left; serve fewer models or "
                "smaller "
                "batches, or raise the memory limit",
                (long long)wanted, (long long)room, (long long)device->memory_limit_bytes);
    } while (!atomic_compare_exchange_weak(&device->memory_used_bytes, &used, used + wanted));
    return E2B_OK;
}

static enum e2b_status check(struct e2b_opencl *device, size_t bytes, struct e2b_error *err) {
    if (bytes == 0)
        return e2b_fail(err, E2B_INVALID, "a buffer of 0 bytes: at least 1 is needed");
    if (bytes > (size_t)device->base.traits.max_buffer_bytes)
        return e2b_fail(err, E2B_NO_MEMORY,
            "a buffer of %zu bytes: the device's largest is %lld; use smaller batches "
            "or fewer slots, or raise device.memory_limit_mb",
            bytes, (long long)device->base.traits.max_buffer_bytes);
    return E2B_OK;
}

/* Runtimes put memory off until the first use; have it now, where a failure can be told. */
static cl_int settle(struct e2b_opencl *device, cl_mem mem) {
    cl_int code = clEnqueueMigrateMemObjects(
        device->service, 1, &mem, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 0, NULL, NULL);
    return code == CL_SUCCESS ? clFinish(device->service) : code;
}

static cl_int create_device(struct e2b_opencl *device, struct e2b_buffer *buffer) {
    cl_int code;
    buffer->mem = clCreateBuffer(device->context, CL_MEM_READ_WRITE, buffer->bytes, NULL, &code);
    return buffer->mem ? settle(device, buffer->mem) : code;
}

/* On a CPU the host's memory is the device's: ours, on the nearest node and page-aligned. */
static cl_int create_pinned(struct e2b_opencl *device, struct e2b_buffer *buffer) {
    cl_int code;
    cl_mem_flags flags = CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR;
    if (device->base.traits.is_cpu) {
        buffer->near = e2b_memory_near(device->base.pci_address, buffer->bytes);
        if (!buffer->near)
            return CL_OUT_OF_HOST_MEMORY;
        flags = CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR;
    }
    buffer->mem = clCreateBuffer(device->context, flags, buffer->bytes, buffer->near, &code);
    if (!buffer->mem)
        return code;
    buffer->host = clEnqueueMapBuffer(device->service, buffer->mem, CL_TRUE,
        CL_MAP_READ | CL_MAP_WRITE, 0, buffer->bytes, 0, NULL, NULL, &code);
    return code;
}

enum e2b_status e2b_cl_buffer_create(struct e2b_device *base, enum e2b_memory memory, size_t bytes,
    struct e2b_buffer **out, struct e2b_error *err) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    bool pinned = memory == E2B_MEMORY_PINNED;
    *out = NULL;
    if (check(device, bytes, err) != E2B_OK)
        return err->status;
    struct e2b_buffer *buffer = calloc(1, sizeof *buffer);
    if (!buffer)
        return e2b_fail_memory(err, "a buffer");
    buffer->bytes = bytes;
    if (!pinned || base->traits.is_cpu) {
        if (count(device, bytes, err) != E2B_OK) {
            free(buffer);
            return err->status;
        }
        buffer->counted = true;
    }
    cl_int code = pinned ? create_pinned(device, buffer) : create_device(device, buffer);
    if (code == CL_SUCCESS) {
        *out = buffer;
        return E2B_OK;
    }
    e2b_cl_buffer_destroy(base, buffer);
    return e2b_cl_fail(
        err, code, "a %s buffer of %zu bytes", pinned ? "pinned host" : "device", bytes);
}

enum e2b_status e2b_cl_buffer_part(struct e2b_device *base, struct e2b_buffer *whole, size_t offset,
    size_t bytes, struct e2b_buffer **out, struct e2b_error *err) {
    (void)base;
    cl_int code;
    cl_buffer_region region = {offset, bytes};
    struct e2b_buffer *part = calloc(1, sizeof *part);
    *out = NULL;
    if (!part)
        return e2b_fail_memory(err, "a buffer");
    part->bytes = bytes;
    part->mem = clCreateSubBuffer(
        whole->mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    if (part->mem) {
        *out = part;
        return E2B_OK;
    }
    free(part);
    return e2b_cl_fail(
        err, code, "%zu bytes at %zu of a buffer of %zu", bytes, offset, whole->bytes);
}

void e2b_cl_buffer_destroy(struct e2b_device *base, struct e2b_buffer *buffer) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    if (!buffer)
        return;
    if (buffer->host) {
        clEnqueueUnmapMemObject(device->service, buffer->mem, buffer->host, 0, NULL, NULL);
        clFinish(device->service);
    }
    if (buffer->mem)
        clReleaseMemObject(buffer->mem);
    if (buffer->near)
        e2b_memory_release(buffer->near, buffer->bytes);
    if (buffer->counted)
        atomic_fetch_sub(&device->memory_used_bytes, (int64_t)buffer->bytes);
    free(buffer);
}

enum e2b_status e2b_cl_buffer_map(
    struct e2b_device *base, struct e2b_buffer *buffer, void **out, struct e2b_error *err) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    cl_int code;
    *out = clEnqueueMapBuffer(device->service, buffer->mem, CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION,
        0, buffer->bytes, 0, NULL, NULL, &code);
    return *out ? E2B_OK : e2b_cl_fail(err, code, "memory of a buffer of %zu bytes", buffer->bytes);
}

enum e2b_status e2b_cl_buffer_unmap(
    struct e2b_device *base, struct e2b_buffer *buffer, void *mapped, struct e2b_error *err) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    cl_int code = clEnqueueUnmapMemObject(device->service, buffer->mem, mapped, 0, NULL, NULL);
    if (code == CL_SUCCESS)
        code = clFinish(device->service);
    return code == CL_SUCCESS
        ? E2B_OK
        : e2b_cl_fail(err, code, "memory of a buffer of %zu bytes", buffer->bytes);
}

void *e2b_cl_buffer_host(struct e2b_device *device, struct e2b_buffer *buffer) {
    (void)device;
    return buffer->host;
}
