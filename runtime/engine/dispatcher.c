#include "runtime/engine/dispatcher.h"

#include "runtime/base/clock.h"
#include "runtime/base/ring.h"
#include "runtime/base/thread.h"
#include "runtime/engine/decisions.h"
#include "runtime/engine/uploads.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_MESSAGES 64 /* taken before a decision, */
#define POLL_NS 20000000  /* how often a draining thread looks again */

enum message_kind { SUBMITTED, UPLOADED, COMPUTED, COPIED, CANCEL, CANCEL_ALL };

struct message {
    enum message_kind kind;
    enum e2b_event_state state; /* UPLOADED, COMPUTED, COPIED */
    void *subject; /* request; upload of UPLOADED; batch of COMPUTED and COPIED; NULL of
                    * CANCEL_ALL */
};

struct e2b_dispatcher {
    struct e2b_device *device;
    struct e2b_inflight inflight;
    struct e2b_decisions decisions;
    struct e2b_trace *trace;
    struct e2b_ring *ring;
    struct e2b_ring *ended; /* COMPUTED, COPIED: before all others, as the device may be idle */
    struct e2b_uploads uploads;
    int slot_count; /* of all models */
    bool gather;    /* see struct e2b_engine_options */
    atomic_bool draining, withdrawing, stop;
    atomic_int cancel_count; /* CANCEL messages under way */
    atomic_int pushing; /* threads that may still be at the rings, though their message was read */
    bool has_thread;
    pthread_t thread;
};

static int64_t now_of(const struct e2b_dispatcher *dispatcher) {
    return dispatcher->device->ops->now_ns(dispatcher->device);
}

/* The rings have room for all that can be under way, see ring_capacity. The thread sleeps at one.
 */
static void push(
    struct e2b_dispatcher *dispatcher, enum message_kind kind, int state, void *subject) {
    struct message message = {kind, (enum e2b_event_state)state, subject};
    bool ended = kind == COMPUTED || kind == COPIED;
    atomic_fetch_add(&dispatcher->pushing, 1);
    bool pushed = e2b_ring_push(ended ? dispatcher->ended : dispatcher->ring, &message);
    assert(pushed);
    (void)pushed;
    if (ended)
        e2b_ring_wake(dispatcher->ring);
    atomic_fetch_sub(&dispatcher->pushing, 1);
}

static void on_uploaded(void *context, enum e2b_event_state state) {
    struct e2b_upload *upload = context;
    push(upload->served->dispatcher, UPLOADED, (int)state, upload);
}

static void on_computed(void *context, enum e2b_event_state state) {
    struct e2b_batch *batch = context;
    push(batch->served->dispatcher, COMPUTED, (int)state, batch);
}

static void on_copied(void *context, enum e2b_event_state state) {
    struct e2b_batch *batch = context;
    push(batch->served->dispatcher, COPIED, (int)state, batch);
}

/* Messages. */

static void make_ready(struct e2b_request *request) {
    struct e2b_dispatcher *dispatcher = request->served->dispatcher;
    struct e2b_error error = request->error;
    atomic_fetch_sub(&request->served->coming, request->sample_count);
    if (error.status == E2B_OK && request->withdrawn)
        e2b_fail(&error, E2B_CANCELLED, "the request was cancelled");
    if (error.status != E2B_OK) {
        e2b_inflight_fail_request(&dispatcher->inflight, request, &error);
        return;
    }
    int64_t now_ns = now_of(dispatcher);
    const struct e2b_request_options *options = &request->options;
    struct e2b_pool *pool = request->served->pool;
    int64_t copy_ns = now_ns - e2b_pool_slot(pool, request->slots[0])->entered_ns[E2B_SLOT_COPYING];
    for (int i = 0; i < request->sample_count; i++) {
        e2b_pool_move(pool, request->slots[i], E2B_SLOT_READY, now_ns);
        e2b_decisions_feed(&dispatcher->decisions,
            &(struct e2b_sched_event){.kind = E2B_SCHED_READY,
                .model = request->served->index,
                .slot = request->slots[i],
                .arrival_ns = options->arrival_ns,
                .copy_ns = copy_ns,
                .deadline_ns = options->deadline_ns ? options->deadline_ns : INT64_MAX,
                .priority = options->priority});
    }
}

static void accept(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    int64_t now_ns = now_of(dispatcher);
    e2b_inflight_add(&dispatcher->inflight, request);
    for (int i = 0; i < request->sample_count; i++)
        e2b_pool_move(request->served->pool, request->slots[i], E2B_SLOT_COPYING, now_ns);
    if (dispatcher->gather)
        make_ready(request);
    else
        e2b_uploads_add(&dispatcher->uploads, request);
}

static void count_batch(const struct e2b_batch *batch, int64_t compute_ns) {
    struct e2b_served *served = batch->served;
    pthread_mutex_lock(&served->stats_lock);
    served->stats.executions++;
    served->stats.batch_count[batch->size_index]++;
    served->stats.batch_compute_ns[batch->size_index] += (uint64_t)compute_ns;
    int padding = served->sizes[batch->size_index].size - batch->count;
    served->stats.padded_samples += (uint64_t)(padding > 0 ? padding : 0);
    pthread_mutex_unlock(&served->stats_lock);
}

/* Batches. */

static void feed_completed(
    struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch, int64_t duration_ns) {
    e2b_decisions_feed(&dispatcher->decisions,
        &(struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
            .model = batch->served->index,
            .size_index = batch->size_index,
            .instance = batch->instance,
            .duration_ns = duration_ns,
            .enqueue_ns = batch->enqueue_ns,
            .answer_ns = batch->served->answer_ns});
}

static void handle(struct e2b_dispatcher *dispatcher, const struct message *message);

/* Of a batch that is being enqueued, whose next launch the device waits for: what has ended is
 * answered, of the rest one message is taken. What is told the policy leads to decisions later. */
static void between_launches(void *context) {
    struct e2b_batch *batch = context;
    struct e2b_dispatcher *dispatcher = batch->served->dispatcher;
    const struct e2b_device_ops *ops = dispatcher->device->ops;
    struct message message;
    if (ops->events_look)
        ops->events_look(dispatcher->device);
    while (e2b_ring_pop(dispatcher->ended, &message))
        handle(dispatcher, &message);
    if (e2b_ring_pop(dispatcher->ring, &message))
        handle(dispatcher, &message);
    e2b_uploads_send(&dispatcher->uploads);
}

static void start_batch(struct e2b_dispatcher *dispatcher, struct e2b_batch *batch) {
    static const struct e2b_batch_callbacks callbacks = {on_computed, on_copied, between_launches};
    struct e2b_error error = {0};
    batch->gather = dispatcher->gather;
    int model = batch->served->index, count = batch->count;
    int64_t from_ns = now_of(dispatcher);
    enum e2b_status status = e2b_batch_start(batch, &callbacks, &error);
    int64_t until_ns = now_of(dispatcher);
    batch->enqueue_ns = until_ns - from_ns;
    e2b_trace_enqueue(dispatcher->trace, model, count, from_ns, until_ns);
    if (status == E2B_OK)
        return;
    e2b_inflight_fail_batch(&dispatcher->inflight, batch, &error);
    feed_completed(dispatcher, batch, 0);
}

static void fail_batch(struct e2b_dispatcher *dispatcher, struct e2b_batch *batch) {
    struct e2b_error error = {0};
    e2b_fail(&error, E2B_DEVICE, "model \"%s\": the device failed while it ran a batch of %d",
        batch->served->name, batch->count);
    e2b_inflight_fail_batch(&dispatcher->inflight, batch, &error);
    e2b_batch_finish(batch);
}

static int64_t decided_ns(const struct e2b_batch *batch) {
    return e2b_pool_slot(batch->served->pool, batch->first)->entered_ns[E2B_SLOT_RUNNING];
}

static void trace_batch(const struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch) {
    const struct e2b_trace_batch traced = {batch->served->index,
        batch->served->sizes[batch->size_index].size, batch->size_index, batch->instance,
        batch->first, batch->count, batch->started_ns, batch->ended_ns};
    e2b_trace_batch(dispatcher->trace, &traced);
}

/* Its times are those of the event, which tells the last copy of several. */
static void trace_copy(const struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch) {
    struct e2b_trace_copy copy = {
        batch->served->index, batch->size_index, batch->instance, batch->first, batch->count, {0}};
    if (!dispatcher->trace || !batch->copy)
        return;
    dispatcher->device->ops->event_times(batch->copy, &copy.times);
    e2b_trace_copy(dispatcher->trace, &copy);
}

/* Whichever notification comes first, the instance is free when the batch is computed and the slots
 * are answered when all have come. */
static void batch_computed(
    struct e2b_dispatcher *dispatcher, struct e2b_batch *batch, enum e2b_event_state state) {
    int64_t now_ns = now_of(dispatcher);
    int end = batch->first + batch->span;
    batch->started_ns = decided_ns(batch);
    batch->ended_ns = now_ns;
    for (int slot = batch->first; slot < end; slot = e2b_batch_next(batch, slot + 1))
        e2b_pool_move(batch->served->pool, slot, E2B_SLOT_DRAINING, now_ns);
    e2b_batch_span(batch, &batch->started_ns, &batch->ended_ns);
    int64_t duration_ns = batch->ended_ns - batch->started_ns;
    trace_batch(dispatcher, batch);
    if (state == E2B_EVENT_DONE)
        count_batch(batch, duration_ns);
    if (!batch->gather)
        feed_completed(dispatcher, batch, state == E2B_EVENT_DONE ? duration_ns : 0);
}

static void answer(struct e2b_dispatcher *dispatcher, struct e2b_batch *batch) {
    const struct e2b_served *served = batch->served;
    int64_t ended_ns = e2b_pool_slot(served->pool, batch->first)->entered_ns[E2B_SLOT_DRAINING];
    batch->served->answer_ns = now_of(dispatcher) - ended_ns;
    e2b_inflight_answer(&dispatcher->inflight, batch);
}

static void batch_notified(struct e2b_dispatcher *dispatcher, const struct message *message) {
    struct e2b_batch *batch = message->subject;
    if (message->kind == COMPUTED) {
        batch->computed = true;
        batch_computed(dispatcher, batch, message->state);
    } else {
        batch->copies--;
        if (batch->copies == 0)
            trace_copy(dispatcher, batch);
    }
    if (message->state == E2B_EVENT_FAILED)
        batch->failed = true;
    if (!batch->computed || batch->copies > 0)
        return;
    if (batch->gather)
        feed_completed(
            dispatcher, batch, batch->failed ? 0 : now_of(dispatcher) - decided_ns(batch));
    if (batch->failed)
        fail_batch(dispatcher, batch);
    else
        answer(dispatcher, batch);
}

/* Withdrawals. */

static void withdraw_slot(struct e2b_dispatcher *dispatcher, struct e2b_served *served, int slot) {
    e2b_decisions_feed(&dispatcher->decisions,
        &(struct e2b_sched_event){
            .kind = E2B_SCHED_CANCELLED, .model = served->index, .slot = slot});
    struct e2b_error error = {0};
    e2b_fail(&error, E2B_CANCELLED, "the request was cancelled");
    e2b_inflight_fail(&dispatcher->inflight, served, slot, &error);
}

static void withdraw(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    struct e2b_served *served = request->served;
    atomic_fetch_add(&request->references, 1);
    request->withdrawn = true;
    for (int i = 0; i < request->sample_count && request->unanswered > 0; i++)
        if (request->slots[i] >= 0
            && e2b_pool_slot(served->pool, request->slots[i])->state == E2B_SLOT_READY)
            withdraw_slot(dispatcher, served, request->slots[i]);
    e2b_request_release(request);
}

static void withdraw_all(struct e2b_dispatcher *dispatcher) {
    struct e2b_request *next = NULL;
    for (struct e2b_request *request = dispatcher->inflight.first; request; request = next) {
        next = request->next;
        withdraw(dispatcher, request);
    }
}

static void handle(struct e2b_dispatcher *dispatcher, const struct message *message) {
    switch (message->kind) {
    case SUBMITTED:
        accept(dispatcher, message->subject);
        break;
    case UPLOADED:
        e2b_uploads_ended(&dispatcher->uploads, message->subject, message->state);
        break;
    case COMPUTED:
    case COPIED:
        batch_notified(dispatcher, message);
        break;
    case CANCEL:
        atomic_fetch_sub(&dispatcher->cancel_count, 1);
        if (((struct e2b_request *)message->subject)->unanswered > 0)
            withdraw(dispatcher, message->subject);
        e2b_request_release(message->subject);
        break;
    case CANCEL_ALL:
        withdraw_all(dispatcher);
        break;
    }
}

/* Until a batch has ended, if what follows it can be decided. False: no more are there. */
static bool take_messages(struct e2b_dispatcher *dispatcher, int most) {
    struct message message;
    for (int i = 0; i < most; i++) {
        bool ended = e2b_ring_pop(dispatcher->ended, &message);
        if (!ended && !e2b_ring_pop(dispatcher->ring, &message))
            return false;
        handle(dispatcher, &message);
        if (ended && !dispatcher->decisions.first)
            return true;
    }
    return true;
}

/* Between two batches, too, what has ended is answered. */
int64_t e2b_dispatcher_step(struct e2b_dispatcher *dispatcher) {
    struct e2b_batch *batch;
    bool more;
    do {
        more = take_messages(dispatcher, ROUND_MESSAGES);
        more |= e2b_uploads_send(&dispatcher->uploads);
        e2b_decisions_make(&dispatcher->decisions);
        batch = e2b_decisions_next(&dispatcher->decisions);
        if (batch)
            start_batch(dispatcher, batch);
    } while (batch || more);
    int64_t next_copy_ns = e2b_uploads_next_ns(&dispatcher->uploads);
    return next_copy_ns < dispatcher->decisions.timer_ns ? next_copy_ns
                                                         : dispatcher->decisions.timer_ns;
}

static void *thread_body(void *context) {
    struct e2b_dispatcher *dispatcher = context;
    while (!atomic_load(&dispatcher->stop)) {
        int64_t timer_ns = e2b_dispatcher_step(dispatcher);
        int64_t until_ns =
            timer_ns == INT64_MAX ? INT64_MAX : e2b_clock_ns() + (timer_ns - now_of(dispatcher));
        e2b_ring_wait(dispatcher->ring, until_ns);
    }
    return NULL;
}

/* Life. */

/* A request is submitted and uploaded once, a batch computed and copied once; both hold slots. */
static size_t ring_capacity(const struct e2b_dispatcher *dispatcher) {
    return 5 * (size_t)dispatcher->slot_count + 16;
}

static enum e2b_status build(struct e2b_dispatcher *dispatcher,
    const struct e2b_dispatcher_spec *spec, struct e2b_error *err) {
    for (int i = 0; i < spec->model_count; i++)
        dispatcher->slot_count += spec->models[i]->options.slot_count;
    dispatcher->ring = e2b_ring_create(ring_capacity(dispatcher), sizeof(struct message));
    dispatcher->ended = e2b_ring_create(ring_capacity(dispatcher), sizeof(struct message));
    if (!dispatcher->ring || !dispatcher->ended)
        return e2b_fail_memory(err, "the dispatcher");
    if (e2b_decisions_init(&dispatcher->decisions, spec->policy_values, err) != E2B_OK
        || e2b_uploads_init(&dispatcher->uploads, err) != E2B_OK)
        return err->status;
    if (spec->manual)
        return E2B_OK;
    int failed = e2b_thread_start(
        &dispatcher->thread, "dispatcher", spec->device->pci_address, thread_body, dispatcher);
    if (failed)
        return e2b_fail_code(
            err, E2B_INTERNAL, failed, "cannot start the dispatcher: %s", strerror(failed));
    dispatcher->has_thread = true;
    return E2B_OK;
}

enum e2b_status e2b_dispatcher_create(
    const struct e2b_dispatcher_spec *spec, struct e2b_dispatcher **out, struct e2b_error *err) {
    struct e2b_dispatcher *dispatcher = calloc(1, sizeof *dispatcher);
    if (!dispatcher)
        return e2b_fail_memory(err, "the dispatcher");
    dispatcher->device = spec->device;
    dispatcher->trace = spec->trace;
    dispatcher->gather = spec->gather;
    dispatcher->inflight = (struct e2b_inflight){.device = spec->device, .trace = spec->trace};
    dispatcher->uploads = (struct e2b_uploads){
        .device = spec->device, .trace = spec->trace, .notify = on_uploaded, .arrived = make_ready};
    dispatcher->decisions = (struct e2b_decisions){.device = spec->device,
        .models = spec->models,
        .model_count = spec->model_count,
        .ops = spec->policy,
        .inflight = &dispatcher->inflight,
        .trace = spec->trace};
    if (build(dispatcher, spec, err) != E2B_OK) {
        e2b_dispatcher_destroy(dispatcher);
        return err->status;
    }
    *out = dispatcher;
    return E2B_OK;
}

void e2b_dispatcher_destroy(struct e2b_dispatcher *dispatcher) {
    if (!dispatcher)
        return;
    atomic_store(&dispatcher->stop, true);
    if (dispatcher->has_thread) {
        e2b_ring_wake(dispatcher->ring);
        pthread_join(dispatcher->thread, NULL);
    }
    while (atomic_load(&dispatcher->pushing) > 0)
        sched_yield();
    e2b_uploads_finish(&dispatcher->uploads);
    e2b_decisions_finish(&dispatcher->decisions);
    e2b_ring_destroy(dispatcher->ring);
    e2b_ring_destroy(dispatcher->ended);
    free(dispatcher);
}

bool e2b_dispatcher_accepts(const struct e2b_dispatcher *dispatcher) {
    return dispatcher && !atomic_load(&dispatcher->draining);
}

void e2b_dispatcher_submit(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    atomic_fetch_add(&dispatcher->inflight.count, 1);
    push(dispatcher, SUBMITTED, E2B_EVENT_DONE, request);
}

bool e2b_dispatcher_cancel(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    if (atomic_fetch_add(&dispatcher->cancel_count, 1) >= dispatcher->slot_count) {
        atomic_fetch_sub(&dispatcher->cancel_count, 1);
        return false;
    }
    push(dispatcher, CANCEL, E2B_EVENT_DONE, request);
    return true;
}

int e2b_dispatcher_in_flight(const struct e2b_dispatcher *dispatcher) {
    return atomic_load(&dispatcher->inflight.count);
}

int64_t e2b_dispatcher_drain_ns(const struct e2b_dispatcher *dispatcher) {
    return dispatcher ? e2b_decisions_drain_ns(&dispatcher->decisions) : 0;
}

void e2b_dispatcher_drain(struct e2b_dispatcher *dispatcher, int64_t timeout_ns) {
    atomic_store(&dispatcher->draining, true);
    int64_t until_ns = e2b_clock_ns() + timeout_ns;
    while (dispatcher->has_thread && e2b_dispatcher_in_flight(dispatcher) > 0
        && e2b_clock_ns() < until_ns)
        e2b_clock_sleep_ns(POLL_NS);
    if (!atomic_exchange(&dispatcher->withdrawing, true))
        push(dispatcher, CANCEL_ALL, E2B_EVENT_DONE, NULL);
    while (dispatcher->has_thread && e2b_dispatcher_in_flight(dispatcher) > 0)
        e2b_clock_sleep_ns(POLL_NS);
}
