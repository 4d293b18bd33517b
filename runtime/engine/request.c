#include "runtime/engine/request.h"

#include "runtime/engine/dispatcher.h"

#include <assert.h>
#include <stdlib.h>

static int64_t device_now(const struct e2b_served *served) {
    return served->device->ops->now_ns(served->device);
}

/* The policy would refuse it: that needs no slot and no copy. */
static enum e2b_status turn_away(struct e2b_served *served, int samples, struct e2b_error *err) {
    atomic_fetch_add(&served->turned_away, samples);
    pthread_mutex_lock(&served->stats_lock);
    served->stats.refused[E2B_SCHED_OVERLOAD_REASON] += (uint64_t)samples;
    pthread_mutex_unlock(&served->stats_lock);
    return e2b_served_refuse(served, E2B_SCHED_OVERLOAD_REASON, err);
}

enum e2b_status e2b_request_open(
    struct e2b_served *served, int samples, struct e2b_request **out, struct e2b_error *err) {
    if (!e2b_dispatcher_accepts(served->dispatcher))
        return e2b_fail(err, E2B_BUSY, "model \"%s\" takes no requests now: the server is %s",
            served->name, served->dispatcher ? "stopping" : "starting");
    if (samples < 1 || (!served->batchable && samples > 1))
        return e2b_fail(err, E2B_INVALID, "model \"%s\": a request of %d samples, expected %s",
            served->name, samples, served->batchable ? "1 or more" : "the fixed batch");
    if (atomic_load(&served->coming) >= atomic_load(&served->room))
        return turn_away(served, samples, err);
    struct e2b_request *request = calloc(1, sizeof *request + (size_t)samples * sizeof(int));
    if (!request)
        return e2b_fail_memory(err, "a request");
    request->served = served;
    request->sample_count = samples;
    request->references = 1;
    if (e2b_pool_reserve(served->pool, samples, device_now(served), request, request->slots, err)
        != E2B_OK) {
        free(request);
        return e2b_error_while(err, "opening a request to model \"%s\"", served->name);
    }
    atomic_fetch_add(&served->pending, 1);
    *out = request;
    return E2B_OK;
}

int e2b_request_samples(const struct e2b_request *request) {
    return request->sample_count;
}

void *e2b_request_input(struct e2b_request *request, int sample, int input, size_t *bytes) {
    struct e2b_served *served = request->served;
    if (bytes)
        *bytes = (size_t)served->input_bytes[input];
    return e2b_pool_input_host(served->pool, request->slots[sample], input);
}

const void *e2b_request_output(
    const struct e2b_request *request, int sample, int output, size_t *bytes) {
    const struct e2b_served *served = request->served;
    if (bytes)
        *bytes = (size_t)served->output_bytes[output];
    return e2b_pool_output_host(served->pool, request->slots[sample], output);
}

void e2b_request_submit(struct e2b_request *request, const struct e2b_request_options *options,
    void (*done)(void *context, struct e2b_request *request, const struct e2b_error *err),
    void *context) {
    if (options)
        request->options = *options;
    if (request->options.arrival_ns == 0)
        request->options.arrival_ns =
            e2b_pool_slot(request->served->pool, request->slots[0])->entered_ns[E2B_SLOT_FILLING];
    request->done = done;
    request->context = context;
    atomic_fetch_add(&request->served->coming, request->sample_count);
    e2b_dispatcher_submit(request->served->dispatcher, request);
}

void e2b_request_cancel(struct e2b_request *request) {
    if (atomic_exchange(&request->cancel_asked, true))
        return;
    atomic_fetch_add(&request->references, 1);
    if (!e2b_dispatcher_cancel(request->served->dispatcher, request))
        e2b_request_release(request);
}

void e2b_request_give_back(struct e2b_request *request, int slot, int64_t now_ns) {
    for (int i = 0; i < request->sample_count; i++)
        if (request->slots[i] == slot)
            request->slots[i] = -1;
    e2b_pool_move(request->served->pool, slot, E2B_SLOT_FREE, now_ns);
}

void e2b_request_release(struct e2b_request *request) {
    if (atomic_fetch_sub(&request->references, 1) == 1)
        free(request);
}

void e2b_request_close(struct e2b_request *request) {
    if (!request)
        return;
    assert(request->unanswered == 0);
    struct e2b_served *served = request->served;
    int64_t now_ns = device_now(served);
    for (int i = 0; i < request->sample_count; i++)
        if (request->slots[i] >= 0)
            e2b_pool_move(served->pool, request->slots[i], E2B_SLOT_FREE, now_ns);
    atomic_fetch_sub(&served->pending, 1);
    e2b_request_release(request);
}

void e2b_request_times(const struct e2b_request *request, struct e2b_request_times *out) {
    *out = request->times;
}
