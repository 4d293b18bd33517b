#include "backends/opencl/opencl.h"

#include "backends/opencl/error.h"
#include "backends/opencl/object.h"
#include "backends/opencl/platform.h"
#include "backends/opencl/traits.h"
#include "backends/opencl/waiter.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/base/memory.h"

#include <stdlib.h>
#include <string.h>

static int64_t now_ns(struct e2b_device *device) {
    (void)device;
    return e2b_clock_ns();
}

static void destroy(struct e2b_device *base) {
    struct e2b_opencl *device = e2b_opencl_of(base);
    if (!device)
        return;
    e2b_cl_waiter_destroy(device->waiter);
    e2b_cl_saver_finish(&device->saver);
    if (device->service)
        clReleaseCommandQueue(device->service);
    if (device->context)
        clReleaseContext(device->context);
    free(device);
}

static void settle(struct e2b_device *device) {
    e2b_cl_saver_save(&e2b_opencl_of(device)->saver);
    e2b_memory_give_back(); /* what compiling took */
}

static const struct e2b_device_ops ops = {
    .destroy = destroy,
    .now_ns = now_ns,
    .settle = settle,
    .buffer_create = e2b_cl_buffer_create,
    .buffer_part = e2b_cl_buffer_part,
    .buffer_destroy = e2b_cl_buffer_destroy,
    .buffer_host = e2b_cl_buffer_host,
    .buffer_map = e2b_cl_buffer_map,
    .buffer_unmap = e2b_cl_buffer_unmap,
    .queue_create = e2b_cl_queue_create,
    .queue_destroy = e2b_cl_queue_destroy,
    .program_build = e2b_cl_program_build,
    .program_destroy = e2b_cl_program_destroy,
    .kernel_create = e2b_cl_kernel_create,
    .routine_create = e2b_cl_routine_create,
    .kernel_destroy = e2b_cl_kernel_destroy,
    .kernel_set_buffer = e2b_cl_kernel_set_buffer,
    .kernel_set_value = e2b_cl_kernel_set_value,
    .enqueue_kernel = e2b_cl_enqueue_kernel,
    .enqueue_write = e2b_cl_enqueue_write,
    .enqueue_read = e2b_cl_enqueue_read,
    .enqueue_fill = e2b_cl_enqueue_fill,
    .enqueue_wait = e2b_cl_enqueue_wait,
    .flush = e2b_cl_flush,
    .finish = e2b_cl_finish,
    .event_state = e2b_cl_event_state,
    .event_wait = e2b_cl_event_wait,
    .event_times = e2b_cl_event_times,
    .event_notify = e2b_cl_event_notify,
    .events_look = e2b_cl_events_look,
    .event_release = e2b_cl_event_release,
};

static enum e2b_status find(const char *select, struct e2b_cl_found *out, struct e2b_error *err) {
    struct e2b_cl_found *found;
    int count, index;
    if (e2b_cl_find(&found, &count, err) != E2B_OK)
        return err->status;
    struct e2b_opencl_info *infos = calloc((size_t)count + 1, sizeof *infos);
    if (!infos) {
        free(found);
        return e2b_fail_memory(err, "the list of OpenCL devices");
    }
    for (int i = 0; i < count; i++)
        infos[i] = found[i].info;
    if (e2b_opencl_choose(infos, count, select, &index, err) == E2B_OK)
        *out = found[index];
    free(infos);
    free(found);
    return err->status;
}

static enum e2b_status connect(struct e2b_opencl *device, struct e2b_error *err) {
    cl_int code;
    cl_context_properties properties[] = {
        CL_CONTEXT_PLATFORM, (cl_context_properties)device->platform, 0};
    device->context = clCreateContext(properties, 1, &device->id, NULL, NULL, &code);
    if (!device->context)
        return e2b_cl_fail(err, code, "a context on %s", device->base.traits.device);
    device->service =
        clCreateCommandQueue(device->context, device->id, CL_QUEUE_PROFILING_ENABLE, &code);
    if (!device->service)
        return e2b_cl_fail(err, code, "a queue on %s", device->base.traits.device);
    return E2B_OK;
}

static bool sample(struct e2b_opencl *device, struct e2b_timeline_sample *out) {
    struct e2b_event_times stamps;
    cl_event event;
    out->before_ns = e2b_clock_ns();
    if (clEnqueueMarkerWithWaitList(device->service, 0, NULL, &event) != CL_SUCCESS)
        return false;
    clFinish(device->service);
    out->after_ns = e2b_clock_ns();
    bool stamped = e2b_cl_event_stamps(event, &stamps);
    clReleaseEvent(event);
    out->queued_ns = stamped ? stamps.queued_ns : 0;
    out->ended_ns = stamped ? stamps.ended_ns : 0;
    return stamped && stamps.queued_ns > 0 && stamps.queued_ns <= stamps.ended_ns;
}

static bool calibrate(struct e2b_opencl *device) {
    struct e2b_timeline_sample samples[16];
    int count = 0;
    for (int i = 0; i < 16; i++)
        count += sample(device, &samples[count]);
    e2b_timeline_start(&device->timeline, samples, count);
    return count > 0;
}

static enum e2b_status open_device(
    struct e2b_opencl *device, const struct e2b_opencl_options *options, struct e2b_error *err) {
    struct e2b_cl_found found;
    if (find(options->select, &found, err) != E2B_OK)
        return err->status;
    device->platform = found.platform;
    device->id = found.device;
    device->profile = e2b_profile_find(found.info.platform);
    device->memory_limit_bytes = options->memory_limit_bytes;
    e2b_cl_cache_init(&device->cache, options->cache_folder, options->no_cache);
    e2b_cl_identify(&device->base, &found);
    e2b_cl_traits_query(device, &found.info);
    if (connect(device, err) != E2B_OK || e2b_cl_traits_probe(device, err) != E2B_OK)
        return err->status;
    device->times = !options->no_times && calibrate(device);
    if (e2b_cl_waiter_create(device->base.pci_address, device->profile->polls, &device->waiter, err)
        != E2B_OK)
        return err->status;
    e2b_log(E2B_LOG_INFO, "opencl", "%s (%s; profile %s)", found.info.device, found.info.reason,
        device->profile->name);
    return E2B_OK;
}

enum e2b_status e2b_opencl_open(
    const struct e2b_opencl_options *options, struct e2b_device **out, struct e2b_error *err) {
    *out = NULL;
    struct e2b_opencl *device = calloc(1, sizeof *device);
    if (!device)
        return e2b_fail_memory(err, "a device");
    device->base.ops = &ops;
    e2b_cl_saver_init(&device->saver, &device->cache);
    e2b_profile_prepare();
    if (open_device(device, options, err) != E2B_OK) {
        destroy(&device->base);
        return err->status;
    }
    e2b_memory_give_back(); /* a runtime's compiler touches tens of MiB when it is loaded */
    *out = &device->base;
    return E2B_OK;
}
