#include "runtime/engine/uploads.h"

#include <limits.h>

#define MOST_UNDER_WAY 2 /* one that the device is at, and the next */
#define MOST_TOGETHER 8  /* slots: the first of them waits for the last */
#define PATIENCE 2       /* times that a copy took the thread, until the next one of fewer, */
#define MOST_PATIENCE_NS 200000 /* but no longer: a driver stalls now and then */

enum e2b_status e2b_uploads_init(struct e2b_uploads *uploads, struct e2b_error *err) {
    uploads->end = &uploads->first;
    uploads->most = uploads->device->traits.host_unified ? INT_MAX : MOST_UNDER_WAY;
    return uploads->device->ops->queue_create(uploads->device, &uploads->queue, err);
}

void e2b_uploads_finish(struct e2b_uploads *uploads) {
    if (uploads->queue)
        uploads->device->ops->queue_destroy(uploads->device, uploads->queue);
}

void e2b_uploads_add(struct e2b_uploads *uploads, struct e2b_request *request) {
    for (int i = 0; i < request->sample_count; i++)
        e2b_bitset_add(&request->served->unsent, request->slots[i]);
    request->unsent = request->uploading = request->sample_count;
    request->next_unsent = NULL;
    request->unsent_link = uploads->end;
    *uploads->end = request;
    uploads->end = &request->next_unsent;
}

static void unlink_request(struct e2b_uploads *uploads, struct e2b_request *request) {
    *request->unsent_link = request->next_unsent;
    if (request->next_unsent)
        request->next_unsent->unsent_link = request->unsent_link;
    else
        uploads->end = request->unsent_link;
}

static bool is_unsent(const struct e2b_served *served, int slot) {
    return slot >= 0 && slot < served->unsent.capacity && e2b_bitset_has(&served->unsent, slot);
}

static int64_t now_of(const struct e2b_uploads *uploads) {
    return uploads->device->ops->now_ns(uploads->device);
}

/* The first unsent slot of all, and its neighbours. */
static struct e2b_upload *next_copy(const struct e2b_uploads *uploads) {
    const struct e2b_request *request = uploads->first;
    struct e2b_served *served = request->served;
    int sample = 0, count = 1;
    while (!is_unsent(served, request->slots[sample]))
        sample++;
    int first = request->slots[sample];
    while (count < MOST_TOGETHER && is_unsent(served, first + count))
        count++;
    for (; count < MOST_TOGETHER && is_unsent(served, first - 1); count++)
        first--;
    served->uploads[first] = (struct e2b_upload){.served = served, .first = first, .count = count};
    return &served->uploads[first];
}

static struct e2b_request *owner_of(const struct e2b_upload *upload, int slot) {
    return e2b_pool_slot(upload->served->pool, slot)->owner;
}

static void take(struct e2b_uploads *uploads, const struct e2b_upload *upload) {
    for (int slot = upload->first; slot < upload->first + upload->count; slot++) {
        struct e2b_request *request = owner_of(upload, slot);
        e2b_bitset_remove(&upload->served->unsent, slot);
        if (--request->unsent == 0)
            unlink_request(uploads, request);
    }
    uploads->under_way++;
}

/* Whoever gets a request is free to answer it: no later slot is the request's. */
static void settle(
    struct e2b_uploads *uploads, const struct e2b_upload *upload, const struct e2b_error *error) {
    const struct e2b_upload ended = *upload;
    uploads->under_way--;
    for (int slot = ended.first; slot < ended.first + ended.count; slot++) {
        struct e2b_request *request = owner_of(&ended, slot);
        if (error->status != E2B_OK && request->error.status == E2B_OK)
            request->error = *error;
        if (--request->uploading == 0)
            uploads->arrived(request);
    }
}

static enum e2b_status start(
    struct e2b_uploads *uploads, struct e2b_upload *upload, struct e2b_error *err) {
    const struct e2b_device_ops *ops = uploads->device->ops;
    struct e2b_error ignored = {0};
    if (e2b_pool_upload(
            upload->served->pool, upload->first, upload->count, uploads->queue, &upload->event, err)
            == E2B_OK
        && ops->event_notify(upload->event, uploads->notify, upload, err) == E2B_OK)
        return E2B_OK;
    ops->event_release(upload->event);
    ops->finish(uploads->queue, &ignored);
    return err->status;
}

static int64_t patience_ns(int64_t took_ns) {
    int64_t wait_ns = PATIENCE * took_ns;
    return wait_ns < MOST_PATIENCE_NS ? wait_ns : MOST_PATIENCE_NS;
}

bool e2b_uploads_send(struct e2b_uploads *uploads) {
    bool any = false;
    for (; uploads->first && uploads->under_way < uploads->most; any = true) {
        struct e2b_upload *upload = next_copy(uploads);
        struct e2b_error error = {0};
        int64_t from_ns = now_of(uploads);
        if (upload->count < MOST_TOGETHER && from_ns < uploads->next_ns)
            break;
        take(uploads, upload);
        if (start(uploads, upload, &error) != E2B_OK)
            settle(uploads, upload, &error);
        int64_t until_ns = now_of(uploads);
        if (uploads->most < INT_MAX)
            uploads->next_ns = until_ns + patience_ns(until_ns - from_ns);
    }
    return any;
}

int64_t e2b_uploads_next_ns(const struct e2b_uploads *uploads) {
    return uploads->first && uploads->under_way < uploads->most ? uploads->next_ns : INT64_MAX;
}

/* The event's times tell the last copy of several. */
static void trace(const struct e2b_uploads *uploads, const struct e2b_upload *upload) {
    struct e2b_trace_copy copy = {.model = upload->served->index,
        .size_index = -1,
        .first = upload->first,
        .count = upload->count};
    if (!uploads->trace)
        return;
    uploads->device->ops->event_times(upload->event, &copy.times);
    e2b_trace_copy(uploads->trace, &copy);
}

void e2b_uploads_ended(
    struct e2b_uploads *uploads, struct e2b_upload *upload, enum e2b_event_state state) {
    struct e2b_error error = {0};
    if (state == E2B_EVENT_FAILED)
        e2b_fail(&error, E2B_DEVICE, "model \"%s\": the device failed to take a request's input",
            upload->served->name);
    trace(uploads, upload);
    uploads->device->ops->event_release(upload->event);
    settle(uploads, upload, &error);
}
