#include "runtime/engine/batch.h"

static const struct e2b_device_ops *ops_of(const struct e2b_batch *batch) {
    return batch->served->device->ops;
}

static struct e2b_instance *instance_of(const struct e2b_batch *batch) {
    return batch->served->sizes[batch->size_index].instances[batch->instance];
}

int e2b_batch_next(const struct e2b_batch *batch, int from) {
    int end = batch->first + batch->span;
    while (from < end && batch->served->batch_of[from] != batch->first)
        from++;
    return from;
}

void e2b_batch_take(const struct e2b_batch *batch, int slot) {
    batch->served->batch_of[slot] = batch->first;
}

void e2b_batch_leave(const struct e2b_batch *batch, int slot) {
    struct e2b_event **copy = &batch->served->copies[slot];
    batch->served->batch_of[slot] = -1;
    ops_of(batch)->event_release(*copy);
    *copy = NULL;
}

/* Neighbouring slots of the batch, the first from *first on; false if there are none. */
static bool next_run(const struct e2b_batch *batch, int *first, int *count) {
    int end = batch->first + batch->span;
    *first = e2b_batch_next(batch, *first);
    for (*count = 0; *first + *count < end; ++*count)
        if (batch->served->batch_of[*first + *count] != batch->first)
            break;
    return *count > 0;
}

static enum e2b_status gather(
    const struct e2b_batch *batch, struct e2b_queue *queue, struct e2b_error *err) {
    int count;
    for (int first = batch->first; next_run(batch, &first, &count); first += count)
        if (e2b_pool_gather(batch->served->pool, first, count, queue, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}

/* What lies in holes may be another request's answer, which is being read. */
static enum e2b_status enqueue_copies(
    struct e2b_batch *batch, struct e2b_queue *downloads, struct e2b_error *err) {
    struct e2b_served *served = batch->served;
    int count;
    if (ops_of(batch)->enqueue_wait(downloads, &batch->end, 1, err) != E2B_OK)
        return err->status;
    for (int first = batch->first; next_run(batch, &first, &count); first += count) {
        if (e2b_pool_download(served->pool, first, count, downloads, &served->copies[first], err)
            != E2B_OK)
            return err->status;
        batch->copy = served->copies[first];
        batch->copies++;
    }
    return E2B_OK;
}

/* Once one notification was asked for, it is too late to fail. */
static void notify_surely(struct e2b_batch *batch, struct e2b_event *event,
    void (*callback)(void *batch, enum e2b_event_state state)) {
    struct e2b_error late = {0};
    if (ops_of(batch)->event_notify(event, callback, batch, &late) != E2B_OK)
        callback(batch,
            ops_of(batch)->event_wait(event, &late) == E2B_OK ? E2B_EVENT_DONE : E2B_EVENT_FAILED);
}

static enum e2b_status notify(
    struct e2b_batch *batch, const struct e2b_batch_callbacks *callbacks, struct e2b_error *err) {
    int count, first = batch->first + 1;
    if (ops_of(batch)->event_notify(
            batch->served->copies[batch->first], callbacks->copied, batch, err)
        != E2B_OK)
        return err->status;
    while (first < batch->first + batch->span && batch->served->batch_of[first] == batch->first)
        first++;
    for (; next_run(batch, &first, &count); first += count)
        notify_surely(batch, batch->served->copies[first], callbacks->copied);
    notify_surely(batch, batch->end, callbacks->computed);
    return E2B_OK;
}

enum e2b_status e2b_batch_start(
    struct e2b_batch *batch, const struct e2b_batch_callbacks *callbacks, struct e2b_error *err) {
    struct e2b_queue *own = e2b_instance_queue(instance_of(batch));
    struct e2b_queue *downloads =
        batch->gather ? own : batch->served->sizes[batch->size_index].downloads[batch->instance];
    batch->begin = batch->end = batch->copy = NULL;
    batch->computed = false;
    batch->copies = 0;
    if (batch->gather)
        gather(batch, own, err);
    e2b_instance_set_between(instance_of(batch), callbacks->between, batch);
    if (err->status == E2B_OK
        && e2b_instance_run(instance_of(batch), batch->first, &batch->begin, &batch->end, err)
            == E2B_OK
        && enqueue_copies(batch, downloads, err) == E2B_OK)
        notify(batch, callbacks, err);
    if (err->status == E2B_OK)
        return E2B_OK;
    struct e2b_error ignored = {0};
    ops_of(batch)->finish(own, &ignored);
    ops_of(batch)->finish(downloads, &ignored);
    e2b_batch_finish(batch);
    return err->status;
}

void e2b_batch_span(const struct e2b_batch *batch, int64_t *started_ns, int64_t *ended_ns) {
    struct e2b_event_times first = {0}, last = {0};
    if (batch->end)
        ops_of(batch)->event_times(batch->end, &last);
    if (batch->begin)
        ops_of(batch)->event_times(batch->begin, &first);
    else
        first = last;
    *started_ns = first.started_ns ? first.started_ns : *started_ns;
    *ended_ns = last.ended_ns ? last.ended_ns : *ended_ns;
}

void e2b_batch_finish(struct e2b_batch *batch) {
    ops_of(batch)->event_release(batch->begin);
    ops_of(batch)->event_release(batch->end);
    batch->begin = batch->end = batch->copy = NULL;
}
