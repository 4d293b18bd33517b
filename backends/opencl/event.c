#include "backends/opencl/error.h"
#include "backends/opencl/object.h"
#include "backends/opencl/waiter.h"
#include "runtime/base/clock.h"

#include <stdlib.h>

enum e2b_event_state e2b_cl_event_state(struct e2b_event *event, struct e2b_error *err) {
    cl_int code;
    enum e2b_event_state state = e2b_cl_event_state_of(event->event, &code);
    if (state == E2B_EVENT_FAILED)
        e2b_cl_fail(err, code, "work on %s", event->device->base.traits.device);
    return state;
}

enum e2b_status e2b_cl_event_wait(struct e2b_event *event, struct e2b_error *err) {
    cl_int code = clWaitForEvents(1, &event->event), cause;
    if (e2b_cl_event_state_of(event->event, &cause) == E2B_EVENT_FAILED)
        code = cause;
    return code == CL_SUCCESS
        ? E2B_OK
        : e2b_cl_fail(err, code, "work on %s", event->device->base.traits.device);
}

bool e2b_cl_event_stamps(cl_event event, struct e2b_event_times *out) {
    static const cl_profiling_info names[] = {
        CL_PROFILING_COMMAND_QUEUED, CL_PROFILING_COMMAND_START, CL_PROFILING_COMMAND_END};
    cl_ulong stamps[3];
    for (int i = 0; i < 3; i++)
        if (clGetEventProfilingInfo(event, names[i], sizeof stamps[i], &stamps[i], NULL)
            != CL_SUCCESS)
            return false;
    *out = (struct e2b_event_times){(int64_t)stamps[0], (int64_t)stamps[1], (int64_t)stamps[2]};
    return true;
}

void e2b_cl_event_times(struct e2b_event *event, struct e2b_event_times *out) {
    struct e2b_timeline *timeline = &event->device->timeline;
    struct e2b_event_times stamps;
    *out = (struct e2b_event_times){0};
    if (!event->device->times || !e2b_cl_event_stamps(event->event, &stamps))
        return;
    struct e2b_timeline_sample sample = {
        .before_ns = event->enqueued_ns,
        .after_ns = e2b_clock_ns(),
        .queued_ns = stamps.queued_ns,
        .ended_ns = stamps.ended_ns,
    };
    e2b_timeline_correct(timeline, &sample);
    out->queued_ns = e2b_timeline_ours(timeline, stamps.queued_ns);
    out->started_ns = e2b_timeline_ours(timeline, stamps.started_ns);
    out->ended_ns = e2b_timeline_ours(timeline, stamps.ended_ns);
}

enum e2b_status e2b_cl_event_notify(struct e2b_event *event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err) {
    cl_command_queue queue = NULL;
    cl_int code = clGetEventInfo(event->event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL);
    if (code == CL_SUCCESS && queue)
        code = clFlush(queue);
    if (code != CL_SUCCESS)
        return e2b_cl_fail(err, code, "notice of an event");
    return e2b_cl_waiter_add(event->device->waiter, event->event, queue, done, context, err);
}

void e2b_cl_events_look(struct e2b_device *device) {
    e2b_cl_waiter_look(e2b_opencl_of(device)->waiter);
}

void e2b_cl_event_release(struct e2b_event *event) {
    if (!event)
        return;
    clReleaseEvent(event->event);
    free(event);
}
