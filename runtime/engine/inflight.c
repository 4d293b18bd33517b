#include "runtime/engine/inflight.h"

#include <time.h>

static int64_t now_of(const struct e2b_inflight *inflight) {
    return inflight->device->ops->now_ns(inflight->device);
}

static void count_answer(struct e2b_request *request) {
    struct e2b_served *served = request->served;
    const struct e2b_request_times *times = &request->times;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    pthread_mutex_lock(&served->stats_lock);
    struct e2b_served_stats *stats = &served->stats;
    if (request->error.status != E2B_OK) {
        stats->failure[request->error.status]++;
    } else {
        stats->success++;
        stats->samples += (uint64_t)request->sample_count;
        stats->upload_ns += (uint64_t)times->upload;
        stats->queue_ns += (uint64_t)(times->wait + times->queue);
        stats->compute_ns += (uint64_t)times->compute;
        stats->download_ns += (uint64_t)times->download;
        stats->request_ns += (uint64_t)times->total;
        stats->last_inference_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    }
    pthread_mutex_unlock(&served->stats_lock);
}

void e2b_inflight_add(struct e2b_inflight *inflight, struct e2b_request *request) {
    request->unanswered = request->sample_count;
    request->next = inflight->first;
    request->link = &inflight->first;
    if (request->next)
        request->next->link = &request->next;
    inflight->first = request;
}

static void unlink_request(struct e2b_request *request) {
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
}

static void answer_sample(struct e2b_inflight *inflight, struct e2b_request *request) {
    if (--request->unanswered > 0)
        return;
    unlink_request(request);
    count_answer(request);
    request->done(request->context, request, &request->error);
    atomic_fetch_sub(&inflight->count, 1);
}

static void trace_slot(const struct e2b_inflight *inflight, const struct e2b_served *served,
    int slot, enum e2b_status status) {
    if (inflight->trace)
        e2b_trace_slot(inflight->trace, served->index, slot, e2b_pool_slot(served->pool, slot),
            now_of(inflight), status);
}

void e2b_inflight_fail(struct e2b_inflight *inflight, struct e2b_served *served, int slot,
    const struct e2b_error *error) {
    struct e2b_request *request = e2b_pool_slot(served->pool, slot)->owner;
    if (request->error.status == E2B_OK)
        request->error = *error;
    trace_slot(inflight, served, slot, error->status);
    e2b_request_give_back(request, slot, now_of(inflight));
    answer_sample(inflight, request);
}

void e2b_inflight_fail_batch(
    struct e2b_inflight *inflight, const struct e2b_batch *batch, const struct e2b_error *error) {
    int end = batch->first + batch->span;
    for (int slot = batch->first; slot < end; slot = e2b_batch_next(batch, slot)) {
        e2b_batch_leave(batch, slot);
        e2b_inflight_fail(inflight, batch->served, slot, error);
    }
}

void e2b_inflight_fail_request(
    struct e2b_inflight *inflight, struct e2b_request *request, const struct e2b_error *error) {
    atomic_fetch_add(&request->references, 1);
    for (int i = 0; i < request->sample_count; i++)
        e2b_inflight_fail(inflight, request->served, request->slots[i], error);
    e2b_request_release(request);
}

static int64_t between(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void take_times(struct e2b_request *request, const struct e2b_batch *batch, int slot) {
    const int64_t *at = e2b_pool_slot(request->served->pool, slot)->entered_ns;
    /* The device's clock is not quite the host's: the stages must still follow one another. */
    int64_t started_ns = between(batch->started_ns, at[E2B_SLOT_RUNNING], at[E2B_SLOT_DONE]);
    int64_t ended_ns = between(batch->ended_ns, started_ns, at[E2B_SLOT_DONE]);
    request->times = (struct e2b_request_times){
        .fill = at[E2B_SLOT_COPYING] - request->options.arrival_ns,
        .upload = at[E2B_SLOT_READY] - at[E2B_SLOT_COPYING],
        .wait = at[E2B_SLOT_RUNNING] - at[E2B_SLOT_READY],
        .queue = started_ns - at[E2B_SLOT_RUNNING],
        .compute = ended_ns - started_ns,
        .download = at[E2B_SLOT_DONE] - ended_ns,
        .total = at[E2B_SLOT_DONE] - request->options.arrival_ns,
    };
}

void e2b_inflight_answer(struct e2b_inflight *inflight, struct e2b_batch *batch) {
    int64_t now_ns = now_of(inflight);
    struct e2b_batch ended = *batch; /* an answered slot may begin another batch */
    int end = ended.first + ended.span;
    for (int slot = ended.first; slot < end; slot = e2b_batch_next(&ended, slot)) {
        struct e2b_request *request = e2b_pool_slot(ended.served->pool, slot)->owner;
        e2b_batch_leave(&ended, slot);
        e2b_pool_move(ended.served->pool, slot, E2B_SLOT_DONE, now_ns);
        take_times(request, &ended, slot);
        trace_slot(inflight, ended.served, slot, E2B_OK);
        answer_sample(inflight, request);
    }
    e2b_batch_finish(&ended);
}
