#include "runtime/engine/dispatcher.h"

#include "runtime/base/clock.h"
#include "runtime/base/ring.h"
#include "runtime/base/thread.h"
#include "runtime/engine/batch.h"
#include "runtime/engine/request.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUND_MESSAGES 64 /* taken before a decision */
#define POLL_NS 20000000  /* how often a draining thread looks again */

enum message_kind { SUBMITTED, UPLOADED, COMPUTED, COPIED, CANCEL, CANCEL_ALL };

struct message {
    enum message_kind kind;
    enum e2b_event_state state; /* UPLOADED, COMPUTED, COPIED */
    void *subject;              /* request; batch of COMPUTED and COPIED; NULL of CANCEL_ALL */
};

struct e2b_dispatcher {
    struct e2b_device *device;
    struct e2b_served *const *models;
    int model_count;
    const struct e2b_policy_ops *ops;
    struct e2b_policy *policy;
    struct e2b_sched_actions actions;
    struct e2b_trace *trace;
    struct e2b_ring *ring;
    struct e2b_queue *uploads;
    int64_t timer_ns;
    int slot_count;               /* of all models */
    bool gather;                  /* see struct e2b_engine_options */
    bool carrying_out, undecided; /* events were fed since the last TIMER */
    struct e2b_request *requests; /* submitted and not answered, a list */
    atomic_int in_flight;         /* its length, with those whose message is under way */
    atomic_bool draining, withdrawing, stop;
    atomic_int cancel_count;        /* CANCEL messages under way */
    atomic_int_fast64_t drained_ns; /* when what was there at the last decision will have ended */
    bool has_thread;
    pthread_t thread;
};

static int64_t now_of(const struct e2b_dispatcher *dispatcher) {
    return dispatcher->device->ops->now_ns(dispatcher->device);
}

/* The ring has room for all that can be under way, see ring_capacity. */
static void push(
    struct e2b_dispatcher *dispatcher, enum message_kind kind, int state, void *subject) {
    struct message message = {kind, (enum e2b_event_state)state, subject};
    bool pushed = e2b_ring_push(dispatcher->ring, &message);
    assert(pushed);
    (void)pushed;
}

static void on_uploaded(void *context, enum e2b_event_state state) {
    struct e2b_request *request = context;
    push(request->served->dispatcher, UPLOADED, (int)state, request);
}

static void on_computed(void *context, enum e2b_event_state state) {
    struct e2b_batch *batch = context;
    push(batch->served->dispatcher, COMPUTED, (int)state, batch);
}

static void on_copied(void *context, enum e2b_event_state state) {
    struct e2b_batch *batch = context;
    push(batch->served->dispatcher, COPIED, (int)state, batch);
}

/* Answers. */

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

static void link_request(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    request->next = dispatcher->requests;
    request->link = &dispatcher->requests;
    if (request->next)
        request->next->link = &request->next;
    dispatcher->requests = request;
}

static void unlink_request(struct e2b_request *request) {
    *request->link = request->next;
    if (request->next)
        request->next->link = request->link;
}

static void answer_sample(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    if (--request->unanswered > 0)
        return;
    unlink_request(request);
    count_answer(request);
    request->done(request->context, request, &request->error);
    atomic_fetch_sub(&dispatcher->in_flight, 1);
}

static void trace_slot(const struct e2b_dispatcher *dispatcher, const struct e2b_served *served,
    int slot, enum e2b_status status) {
    if (dispatcher->trace)
        e2b_trace_slot(dispatcher->trace, served->index, slot, e2b_pool_slot(served->pool, slot),
            now_of(dispatcher), status);
}

/* The device does not use the slot. */
static void fail_slot(struct e2b_dispatcher *dispatcher, struct e2b_served *served, int slot,
    const struct e2b_error *error) {
    struct e2b_request *request = e2b_pool_slot(served->pool, slot)->owner;
    if (request->error.status == E2B_OK)
        request->error = *error;
    trace_slot(dispatcher, served, slot, error->status);
    e2b_request_give_back(request, slot, now_of(dispatcher));
    answer_sample(dispatcher, request);
}

static void fail_request(
    struct e2b_dispatcher *dispatcher, struct e2b_request *request, const struct e2b_error *error) {
    atomic_fetch_add(&request->references, 1);
    for (int i = 0; i < request->sample_count; i++)
        fail_slot(dispatcher, request->served, request->slots[i], error);
    e2b_request_release(request);
}

/* Batches. */

static void carry_out(struct e2b_dispatcher *dispatcher, const struct e2b_sched_action *action);

static void fail_batch(struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch,
    const struct e2b_error *error) {
    for (int slot = batch->first; slot < batch->first + batch->count; slot++)
        fail_slot(dispatcher, batch->served, slot, error);
}

static void note_drain(struct e2b_dispatcher *dispatcher, int64_t now_ns) {
    if (dispatcher->ops->drain_ns)
        atomic_store_explicit(&dispatcher->drained_ns,
            now_ns + dispatcher->ops->drain_ns(dispatcher->policy), memory_order_relaxed);
}

/* Carrying an action out may feed a further event: a batch that fails to start frees its instance.
 * Its actions are appended to the list at hand. */
static void feed(struct e2b_dispatcher *dispatcher, struct e2b_sched_event *event) {
    event->now_ns = now_of(dispatcher);
    event->more = dispatcher->undecided = event->kind != E2B_SCHED_TIMER;
    dispatcher->ops->on_event(dispatcher->policy, event, &dispatcher->actions);
    if (!event->more)
        note_drain(dispatcher, event->now_ns);
    if (dispatcher->carrying_out)
        return;
    dispatcher->carrying_out = true;
    for (int i = 0; i < dispatcher->actions.count; i++) {
        const struct e2b_sched_action action = dispatcher->actions.list[i];
        carry_out(dispatcher, &action);
    }
    dispatcher->actions.count = 0;
    dispatcher->carrying_out = false;
}

static void note_prediction(struct e2b_dispatcher *dispatcher, struct e2b_served *served) {
    struct e2b_sched_prediction prediction;
    if (!dispatcher->ops->prediction)
        return;
    dispatcher->ops->prediction(dispatcher->policy, served->index, &prediction);
    pthread_mutex_lock(&served->stats_lock);
    served->stats.prediction = prediction;
    pthread_mutex_unlock(&served->stats_lock);
}

static void feed_completed(
    struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch, int64_t duration_ns) {
    feed(dispatcher,
        &(struct e2b_sched_event){.kind = E2B_SCHED_COMPLETED,
            .model = batch->served->index,
            .size_index = batch->size_index,
            .instance = batch->instance,
            .duration_ns = duration_ns});
    note_prediction(dispatcher, batch->served);
}

static void run_batch(struct e2b_dispatcher *dispatcher, const struct e2b_sched_action *action) {
    struct e2b_served *served = dispatcher->models[action->model];
    struct e2b_batch *batch = &served->batches[action->first];
    *batch = (struct e2b_batch){.served = served,
        .first = action->first,
        .count = action->count,
        .size_index = action->size_index,
        .instance = action->instance,
        .gather = dispatcher->gather};
    int64_t now_ns = now_of(dispatcher);
    for (int slot = action->first; slot < action->first + action->count; slot++)
        e2b_pool_move(served->pool, slot, E2B_SLOT_RUNNING, now_ns);
    static const struct e2b_batch_callbacks callbacks = {on_computed, on_copied};
    struct e2b_error error = {0};
    if (e2b_batch_start(batch, &callbacks, &error) == E2B_OK)
        return;
    fail_batch(dispatcher, batch, &error);
    feed_completed(dispatcher, batch, 0);
}

static void reject(struct e2b_dispatcher *dispatcher, const struct e2b_sched_action *action) {
    struct e2b_served *served = dispatcher->models[action->model];
    bool full = action->reason == E2B_SCHED_QUEUE_FULL_REASON;
    struct e2b_error error = {0};
    e2b_fail(&error, full ? E2B_BUSY : E2B_DEADLINE, "model \"%s\": request refused: %s",
        served->name, e2b_sched_reason_text(action->reason));
    pthread_mutex_lock(&served->stats_lock);
    served->stats.refused[action->reason]++;
    pthread_mutex_unlock(&served->stats_lock);
    fail_slot(dispatcher, served, action->first, &error);
}

static void carry_out(struct e2b_dispatcher *dispatcher, const struct e2b_sched_action *action) {
    if (dispatcher->trace)
        e2b_trace_decision(dispatcher->trace, now_of(dispatcher), action);
    switch (action->kind) {
    case E2B_SCHED_RUN:
        run_batch(dispatcher, action);
        break;
    case E2B_SCHED_REJECT:
        reject(dispatcher, action);
        break;
    case E2B_SCHED_SET_TIMER:
        dispatcher->timer_ns = action->timer_ns;
        break;
    }
}

/* Messages. */

static void make_ready(
    struct e2b_dispatcher *dispatcher, struct e2b_request *request, enum e2b_event_state state) {
    struct e2b_error error = {0};
    if (state == E2B_EVENT_FAILED)
        e2b_fail(&error, E2B_DEVICE, "model \"%s\": the device failed to take a request's input",
            request->served->name);
    else if (request->withdrawn)
        e2b_fail(&error, E2B_CANCELLED, "the request was cancelled");
    if (error.status != E2B_OK) {
        fail_request(dispatcher, request, &error);
        return;
    }
    int64_t now_ns = now_of(dispatcher);
    const struct e2b_request_options *options = &request->options;
    for (int i = 0; i < request->sample_count; i++) {
        e2b_pool_move(request->served->pool, request->slots[i], E2B_SLOT_READY, now_ns);
        feed(dispatcher,
            &(struct e2b_sched_event){.kind = E2B_SCHED_READY,
                .model = request->served->index,
                .slot = request->slots[i],
                .arrival_ns = options->arrival_ns,
                .deadline_ns = options->deadline_ns ? options->deadline_ns : INT64_MAX,
                .priority = options->priority});
    }
}

static void start_upload(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    const struct e2b_device_ops *ops = dispatcher->device->ops;
    struct e2b_pool *pool = request->served->pool;
    struct e2b_error error = {0};
    struct e2b_event *event = NULL;
    int64_t now_ns = now_of(dispatcher);
    request->unanswered = request->sample_count;
    link_request(dispatcher, request);
    for (int i = 0; i < request->sample_count; i++)
        e2b_pool_move(pool, request->slots[i], E2B_SLOT_COPYING, now_ns);
    if (dispatcher->gather) {
        make_ready(dispatcher, request, E2B_EVENT_DONE);
        return;
    }
    for (int i = 0; i < request->sample_count && error.status == E2B_OK; i++) {
        bool last = i == request->sample_count - 1;
        e2b_pool_upload(pool, request->slots[i], dispatcher->uploads, last ? &event : NULL, &error);
    }
    if (error.status == E2B_OK && ops->flush(dispatcher->uploads, &error) == E2B_OK)
        ops->event_notify(event, on_uploaded, request, &error);
    ops->event_release(event);
    if (error.status == E2B_OK)
        return;
    struct e2b_error ignored = {0};
    ops->finish(dispatcher->uploads, &ignored);
    fail_request(dispatcher, request, &error);
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

static int64_t between(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void take_times(struct e2b_request *request, const struct e2b_batch *batch, int slot) {
    const int64_t *at = e2b_pool_slot(request->served->pool, slot)->entered_ns;
    int64_t started_ns = at[E2B_SLOT_RUNNING], ended_ns = at[E2B_SLOT_DRAINING];
    e2b_batch_span(batch, &started_ns, &ended_ns);
    /* The device's clock is not quite the host's: the stages must still follow one another. */
    started_ns = between(started_ns, at[E2B_SLOT_RUNNING], at[E2B_SLOT_DONE]);
    ended_ns = between(ended_ns, started_ns, at[E2B_SLOT_DONE]);
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

static void answer_batch(
    struct e2b_dispatcher *dispatcher, struct e2b_batch *batch, enum e2b_event_state state) {
    struct e2b_served *served = batch->served;
    struct e2b_error error = {0};
    if (state == E2B_EVENT_FAILED) {
        e2b_fail(&error, E2B_DEVICE, "model \"%s\": the device failed while it ran a batch of %d",
            served->name, batch->count);
        fail_batch(dispatcher, batch, &error);
        e2b_batch_finish(batch);
        return;
    }
    int64_t now_ns = now_of(dispatcher);
    struct e2b_batch ended = *batch; /* an answered slot may begin another batch */
    for (int slot = ended.first; slot < ended.first + ended.count; slot++) {
        struct e2b_request *request = e2b_pool_slot(served->pool, slot)->owner;
        e2b_pool_move(served->pool, slot, E2B_SLOT_DONE, now_ns);
        take_times(request, &ended, slot);
        trace_slot(dispatcher, served, slot, E2B_OK);
        answer_sample(dispatcher, request);
    }
    e2b_batch_finish(&ended);
}

static void trace_batch(const struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch,
    int64_t started_ns, int64_t ended_ns) {
    const struct e2b_trace_batch traced = {batch->served->index,
        batch->served->sizes[batch->size_index].size, batch->size_index, batch->instance,
        batch->first, batch->count, started_ns, ended_ns};
    e2b_trace_batch(dispatcher->trace, &traced);
}

/* Whichever notification comes first, the instance is free when the batch is computed and the slots
 * are answered when both have come. */
static void batch_computed(
    struct e2b_dispatcher *dispatcher, struct e2b_batch *batch, enum e2b_event_state state) {
    int64_t now_ns = now_of(dispatcher), ended_ns = now_ns;
    int64_t started_ns =
        e2b_pool_slot(batch->served->pool, batch->first)->entered_ns[E2B_SLOT_RUNNING];
    for (int slot = batch->first; slot < batch->first + batch->count; slot++)
        e2b_pool_move(batch->served->pool, slot, E2B_SLOT_DRAINING, now_ns);
    e2b_batch_span(batch, &started_ns, &ended_ns);
    trace_batch(dispatcher, batch, started_ns, ended_ns);
    if (state == E2B_EVENT_DONE)
        count_batch(batch, ended_ns - started_ns);
    if (!batch->gather)
        feed_completed(dispatcher, batch, state == E2B_EVENT_DONE ? ended_ns - started_ns : 0);
}

static void free_instance(struct e2b_dispatcher *dispatcher, const struct e2b_batch *batch) {
    int64_t started_ns =
        e2b_pool_slot(batch->served->pool, batch->first)->entered_ns[E2B_SLOT_RUNNING];
    feed_completed(dispatcher, batch, batch->failed ? 0 : now_of(dispatcher) - started_ns);
}

static void batch_notified(struct e2b_dispatcher *dispatcher, const struct message *message) {
    struct e2b_batch *batch = message->subject;
    if (message->kind == COMPUTED) {
        batch->computed = true;
        batch_computed(dispatcher, batch, message->state);
    } else {
        batch->copied = true;
    }
    if (message->state == E2B_EVENT_FAILED)
        batch->failed = true;
    if (!batch->computed || !batch->copied)
        return;
    if (batch->gather)
        free_instance(dispatcher, batch);
    answer_batch(dispatcher, batch, batch->failed ? E2B_EVENT_FAILED : E2B_EVENT_DONE);
}

static void withdraw_slot(struct e2b_dispatcher *dispatcher, struct e2b_served *served, int slot) {
    feed(dispatcher,
        &(struct e2b_sched_event){
            .kind = E2B_SCHED_CANCELLED, .model = served->index, .slot = slot});
    struct e2b_error error = {0};
    e2b_fail(&error, E2B_CANCELLED, "the request was cancelled");
    fail_slot(dispatcher, served, slot, &error);
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
    for (struct e2b_request *request = dispatcher->requests; request; request = next) {
        next = request->next;
        withdraw(dispatcher, request);
    }
}

static void handle(struct e2b_dispatcher *dispatcher, const struct message *message) {
    switch (message->kind) {
    case SUBMITTED:
        start_upload(dispatcher, message->subject);
        break;
    case UPLOADED:
        make_ready(dispatcher, message->subject, message->state);
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

static void trace_queues(const struct e2b_dispatcher *dispatcher) {
    for (int i = 0; dispatcher->trace && i < dispatcher->model_count; i++)
        e2b_trace_queue(dispatcher->trace, now_of(dispatcher), i,
            dispatcher->ops->waiting(dispatcher->policy, i));
}

int64_t e2b_dispatcher_step(struct e2b_dispatcher *dispatcher) {
    struct message message;
    for (int i = 0; i < ROUND_MESSAGES && e2b_ring_pop(dispatcher->ring, &message); i++)
        handle(dispatcher, &message);
    if (now_of(dispatcher) >= dispatcher->timer_ns) {
        dispatcher->timer_ns = INT64_MAX;
        dispatcher->undecided = true;
    }
    while (dispatcher->undecided) {
        trace_queues(dispatcher);
        feed(dispatcher, &(struct e2b_sched_event){.kind = E2B_SCHED_TIMER});
        trace_queues(dispatcher);
    }
    return dispatcher->timer_ns;
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

static enum e2b_status make_policy(struct e2b_dispatcher *dispatcher,
    const struct e2b_dispatcher_spec *spec, struct e2b_error *err) {
    struct e2b_sched_model *models = calloc((size_t)spec->model_count + 1, sizeof *models);
    if (!models)
        return e2b_fail_memory(err, "the scheduler");
    for (int i = 0; i < spec->model_count; i++)
        e2b_served_describe(spec->models[i], &models[i]);
    for (int i = 0; i < spec->model_count; i++)
        e2b_trace_model(spec->trace, i, &models[i]);
    spec->policy->create(models, spec->model_count, spec->policy_values, &dispatcher->policy, err);
    free(models);
    return err->status;
}

static enum e2b_status build(struct e2b_dispatcher *dispatcher,
    const struct e2b_dispatcher_spec *spec, struct e2b_error *err) {
    const struct e2b_device_ops *ops = spec->device->ops;
    for (int i = 0; i < spec->model_count; i++)
        dispatcher->slot_count += spec->models[i]->options.slot_count;
    dispatcher->ring = e2b_ring_create(ring_capacity(dispatcher), sizeof(struct message));
    if (!dispatcher->ring)
        return e2b_fail_memory(err, "the dispatcher");
    if (make_policy(dispatcher, spec, err) != E2B_OK
        || ops->queue_create(spec->device, &dispatcher->uploads, err) != E2B_OK)
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
    dispatcher->models = spec->models;
    dispatcher->model_count = spec->model_count;
    dispatcher->ops = spec->policy;
    dispatcher->trace = spec->trace;
    dispatcher->gather = spec->gather;
    dispatcher->timer_ns = INT64_MAX;
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
    const struct e2b_device_ops *ops = dispatcher->device->ops;
    atomic_store(&dispatcher->stop, true);
    if (dispatcher->has_thread) {
        e2b_ring_wake(dispatcher->ring);
        pthread_join(dispatcher->thread, NULL);
    }
    if (dispatcher->uploads)
        ops->queue_destroy(dispatcher->device, dispatcher->uploads);
    if (dispatcher->policy)
        dispatcher->ops->destroy(dispatcher->policy);
    e2b_sched_actions_finish(&dispatcher->actions);
    e2b_ring_destroy(dispatcher->ring);
    free(dispatcher);
}

bool e2b_dispatcher_accepts(const struct e2b_dispatcher *dispatcher) {
    return dispatcher && !atomic_load(&dispatcher->draining);
}

void e2b_dispatcher_submit(struct e2b_dispatcher *dispatcher, struct e2b_request *request) {
    atomic_fetch_add(&dispatcher->in_flight, 1);
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
    return atomic_load(&dispatcher->in_flight);
}

int64_t e2b_dispatcher_drain_ns(const struct e2b_dispatcher *dispatcher) {
    if (!dispatcher || !dispatcher->ops->drain_ns)
        return 0;
    int64_t left_ns =
        atomic_load_explicit(&dispatcher->drained_ns, memory_order_relaxed) - now_of(dispatcher);
    return left_ns > 0 ? left_ns : 0;
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
