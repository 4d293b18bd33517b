#include "runtime/engine/batch.h"

static const struct e2b_device_ops *ops_of(const struct e2b_batch *batch) {
    return batch->served->device->ops;
}

static struct e2b_instance *instance_of(const struct e2b_batch *batch) {
    return batch->served->sizes[batch->size_index].instances[batch->instance];
}

static enum e2b_status enqueue_copies(
    struct e2b_batch *batch, struct e2b_queue *downloads, struct e2b_error *err) {
    if (ops_of(batch)->enqueue_wait(downloads, &batch->end, 1, err) != E2B_OK
        || e2b_pool_download(
               batch->served->pool, batch->first, batch->count, downloads, &batch->copy, err)
            != E2B_OK)
        return err->status;
    return ops_of(batch)->flush(downloads, err);
}

static enum e2b_status notify(
    struct e2b_batch *batch, const struct e2b_batch_callbacks *callbacks, struct e2b_error *err) {
    if (ops_of(batch)->event_notify(batch->copy, callbacks->copied, batch, err) != E2B_OK)
        return err->status;
    struct e2b_error late = {0}; /* too late to fail: the other notification will come */
    if (ops_of(batch)->event_notify(batch->end, callbacks->computed, batch, &late) != E2B_OK)
        callbacks->computed(batch,
            ops_of(batch)->event_wait(batch->end, &late) == E2B_OK ? E2B_EVENT_DONE
                                                                   : E2B_EVENT_FAILED);
    return E2B_OK;
}

enum e2b_status e2b_batch_start(
    struct e2b_batch *batch, const struct e2b_batch_callbacks *callbacks, struct e2b_error *err) {
    struct e2b_queue *own = e2b_instance_queue(instance_of(batch));
    struct e2b_queue *downloads =
        batch->gather ? own : batch->served->sizes[batch->size_index].downloads[batch->instance];
    batch->begin = batch->end = batch->copy = NULL;
    batch->computed = batch->copied = false;
    if (batch->gather)
        e2b_pool_gather(batch->served->pool, batch->first, batch->count, own, err);
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
    ops_of(batch)->event_release(batch->copy);
    batch->begin = batch->end = batch->copy = NULL;
}
