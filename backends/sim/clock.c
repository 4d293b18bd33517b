#include "runtime/base/clock.h"
#include "backends/sim/state.h"
#include "runtime/base/thread.h"
#include <stdlib.h>
#include <string.h>

/* Everything here runs under sim->lock, but for notifications, which are called without it. */

static int64_t scaled_clock(const struct sim *sim) {
    double elapsed = (double)(e2b_clock_ns() - sim->origin_ns);
    return sim->origin_ns + (int64_t)(elapsed * sim->options.real_time_speed);
}

static struct e2b_sim_args args_of(const struct sim *sim, const struct command *command) {
    return (struct e2b_sim_args){
        command->global, command->local, command->arg_count, command->args, sim->running_kernels};
}

static int64_t kernel_cost(const struct sim *sim, const struct command *command) {
    const struct e2b_sim_args args = args_of(sim, command);
    return command->row.cost ? command->row.cost(command->row.context, &args)
                             : command->row.cost_ns;
}

static double slowdown(const struct sim *sim) {
    return sim->running_kernels > 1 && sim->demand > 1 ? sim->demand : 1;
}

static bool is_sharing(const struct e2b_queue *queue) {
    return queue->first && queue->first->started && queue->first->demand > 0;
}

/* What each of those that share the device has left, now. */
static void settle(struct sim *sim) {
    double done_ns = (double)(sim->now_ns - sim->shared_ns) / slowdown(sim);
    for (struct e2b_queue *queue = sim->queues; queue; queue = queue->next)
        if (is_sharing(queue))
            queue->first->left_ns -= done_ns;
    sim->shared_ns = sim->now_ns;
}

/* Who shares has changed: when does each end? Settled. */
static void reckon(struct sim *sim) {
    double slow = slowdown(sim);
    for (struct e2b_queue *queue = sim->queues; queue; queue = queue->next)
        if (is_sharing(queue)) {
            double left_ns = queue->first->left_ns > 0 ? queue->first->left_ns : 0;
            queue->first->ends_ns = sim->now_ns + (int64_t)(left_ns * slow + 0.5);
        }
}

static void join_in(struct sim *sim, struct command *command) {
    const struct e2b_sim_args args = args_of(sim, command);
    settle(sim);
    command->left_ns = (double)(command->ends_ns - sim->now_ns);
    command->demand = command->row.demand ? command->row.demand(command->row.context, &args) : 0;
    sim->demand += command->demand;
    sim->running_kernels++;
    reckon(sim);
}

static void leave(struct sim *sim, struct command *command) {
    settle(sim);
    sim->demand = --sim->running_kernels > 0 ? sim->demand - command->demand : 0;
    command->demand = 0;
    reckon(sim);
}

static int64_t copy_cost(const struct sim *sim, const struct command *command) {
    double rate = sim->options.copy_bytes_per_ns;
    return sim->options.copy_ns + (rate > 0 ? (int64_t)((double)command->bytes / rate) : 0);
}

static int64_t cost(const struct sim *sim, const struct command *command) {
    switch (command->kind) {
    case COMMAND_KERNEL:
        return kernel_cost(sim, command);
    case COMMAND_COPY:
    case COMMAND_FILL:
        return copy_cost(sim, command);
    case COMMAND_WAIT:
        return 0;
    }
    return 0;
}

static bool waits(const struct command *command) {
    for (int i = 0; i < command->wait_count; i++)
        if (command->waits[i]->state == E2B_EVENT_PENDING)
            return true;
    return false;
}

static void start_ready(struct sim *sim) {
    for (struct e2b_queue *queue = sim->queues; queue; queue = queue->next) {
        struct command *command = queue->first;
        if (!command || !command->flushed || command->started || waits(command))
            continue;
        command->started = true;
        command->event->times.started_ns = sim->now_ns;
        command->ends_ns = sim->now_ns + cost(sim, command);
        if (command->kind == COMMAND_KERNEL)
            join_in(sim, command);
        pthread_cond_broadcast(&sim->changed);
    }
}

static struct e2b_queue *next_to_end(const struct sim *sim) {
    struct e2b_queue *best = NULL;
    for (struct e2b_queue *queue = sim->queues; queue; queue = queue->next) {
        const struct command *command = queue->first;
        if (!command || !command->started)
            continue;
        if (!best || command->ends_ns < best->first->ends_ns
            || (command->ends_ns == best->first->ends_ns
                && command->sequence < best->first->sequence))
            best = queue;
    }
    return best;
}

static void do_effect(const struct command *command) {
    const struct e2b_sim_args args = {
        command->global, command->local, command->arg_count, command->args, 0};
    if (command->fails)
        return;
    if (command->kind == COMMAND_COPY)
        memmove(command->to, command->from, command->bytes);
    else if (command->kind == COMMAND_FILL)
        memset(command->to, command->value, command->bytes);
    else if (command->kind == COMMAND_KERNEL && command->row.run)
        command->row.run(command->row.context, &args);
}

static void notify_all(struct sim *sim, struct e2b_event *event) {
    struct notification *list = event->notifications;
    enum e2b_event_state state = event->state;
    event->notifications = NULL;
    if (!list)
        return;
    pthread_mutex_unlock(&sim->lock);
    while (list) {
        struct notification *next = list->next;
        list->done(list->context, state);
        free(list);
        list = next;
    }
    pthread_mutex_lock(&sim->lock);
}

static void end_first(struct sim *sim, struct e2b_queue *queue) {
    struct command *command = queue->first;
    struct e2b_event *event = command->event;
    if (sim->now_ns < command->ends_ns)
        sim->now_ns = command->ends_ns;
    do_effect(command);
    if (command->kind == COMMAND_KERNEL)
        leave(sim, command);
    queue->first = command->next;
    if (!queue->first)
        queue->last = NULL;
    event->state = command->fails ? E2B_EVENT_FAILED : E2B_EVENT_DONE;
    event->queue = NULL;
    event->times.ended_ns = command->ends_ns;
    start_ready(sim);
    pthread_cond_broadcast(&sim->changed);
    notify_all(sim, event);
    e2b_sim_command_destroy(command);
}

/* End the next command if it ends by until_ns. */
static bool step(struct sim *sim, int64_t until_ns) {
    struct e2b_queue *queue = next_to_end(sim);
    if (!queue || queue->first->ends_ns > until_ns)
        return false;
    end_first(sim, queue);
    return true;
}

void e2b_sim_abandon(struct e2b_queue *queue) {
    while (queue->first) {
        struct command *command = queue->first;
        queue->first = command->next;
        command->event->state = E2B_EVENT_FAILED;
        command->event->queue = NULL;
        notify_all(queue->sim, command->event);
        e2b_sim_command_destroy(command);
    }
}

static void flush_queue(struct e2b_queue *queue) {
    for (struct command *command = queue->first; command; command = command->next)
        command->flushed = true;
    if (queue->sim->threaded)
        queue->sim->now_ns = scaled_clock(queue->sim);
    start_ready(queue->sim);
}

int64_t e2b_sim_now_ns(struct e2b_device *device) {
    struct sim *sim = sim_of(device);
    if (sim->options.real_time_speed > 0)
        return scaled_clock(sim);
    pthread_mutex_lock(&sim->lock);
    int64_t now_ns = sim->now_ns;
    pthread_mutex_unlock(&sim->lock);
    return now_ns;
}

int64_t e2b_sim_next_ns(struct e2b_device *device) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    const struct e2b_queue *queue = next_to_end(sim);
    int64_t next_ns = queue ? queue->first->ends_ns : INT64_MAX;
    pthread_mutex_unlock(&sim->lock);
    return next_ns;
}

void e2b_sim_advance(struct e2b_device *device, int64_t until_ns) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    while (step(sim, until_ns))
        ;
    if (sim->now_ns < until_ns)
        sim->now_ns = until_ns;
    pthread_mutex_unlock(&sim->lock);
}

void e2b_sim_run_until_idle(struct e2b_device *device) {
    struct sim *sim = sim_of(device);
    pthread_mutex_lock(&sim->lock);
    while (step(sim, INT64_MAX))
        ;
    pthread_mutex_unlock(&sim->lock);
}

enum e2b_status e2b_sim_flush(struct e2b_queue *queue, struct e2b_error *err) {
    (void)err;
    pthread_mutex_lock(&queue->sim->lock);
    flush_queue(queue);
    pthread_mutex_unlock(&queue->sim->lock);
    return E2B_OK;
}

/* Let time pass until something ends; false if nothing will (in real time others may still flush).
 */
static bool make_progress(struct sim *sim) {
    if (!sim->threaded)
        return step(sim, INT64_MAX);
    pthread_cond_wait(&sim->changed, &sim->lock);
    return true;
}

static enum e2b_status stuck(struct e2b_error *err) {
    return e2b_fail(err, E2B_DEVICE, "the work waits for an event whose queue was not flushed");
}

enum e2b_status e2b_sim_finish(struct e2b_queue *queue, struct e2b_error *err) {
    struct sim *sim = queue->sim;
    enum e2b_status status = E2B_OK;
    pthread_mutex_lock(&sim->lock);
    flush_queue(queue);
    while (queue->first && status == E2B_OK)
        if (!make_progress(sim))
            status = stuck(err);
    pthread_mutex_unlock(&sim->lock);
    return status;
}

enum e2b_event_state e2b_sim_event_state(struct e2b_event *event, struct e2b_error *err) {
    pthread_mutex_lock(&event->sim->lock);
    enum e2b_event_state state = event->state;
    pthread_mutex_unlock(&event->sim->lock);
    if (state == E2B_EVENT_FAILED)
        e2b_fail(err, E2B_DEVICE, "the work fails, as asked");
    return state;
}

enum e2b_status e2b_sim_event_wait(struct e2b_event *event, struct e2b_error *err) {
    struct sim *sim = event->sim;
    enum e2b_status status = E2B_OK;
    pthread_mutex_lock(&sim->lock);
    if (event->queue)
        flush_queue(event->queue);
    while (event->state == E2B_EVENT_PENDING && status == E2B_OK)
        if (!make_progress(sim))
            status = stuck(err);
    pthread_mutex_unlock(&sim->lock);
    if (status != E2B_OK)
        return status;
    return e2b_sim_event_state(event, err) == E2B_EVENT_DONE ? E2B_OK : err->status;
}

void e2b_sim_event_times(struct e2b_event *event, struct e2b_event_times *out) {
    pthread_mutex_lock(&event->sim->lock);
    *out = event->times;
    pthread_mutex_unlock(&event->sim->lock);
}

enum e2b_status e2b_sim_event_notify(struct e2b_event *event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err) {
    struct sim *sim = event->sim;
    struct notification *notification = malloc(sizeof *notification);
    if (!notification)
        return e2b_fail_memory(err, "a notification");
    *notification = (struct notification){done, context, NULL};
    pthread_mutex_lock(&sim->lock);
    if (event->queue)
        flush_queue(event->queue);
    notification->next = event->notifications;
    event->notifications = notification;
    if (event->state != E2B_EVENT_PENDING)
        notify_all(sim, event);
    pthread_mutex_unlock(&sim->lock);
    return E2B_OK;
}

void e2b_sim_event_release(struct e2b_event *event) {
    if (!event)
        return;
    struct sim *sim = event->sim;
    pthread_mutex_lock(&sim->lock);
    e2b_sim_event_unref(event);
    pthread_mutex_unlock(&sim->lock);
}

static void sleep_until(struct sim *sim, int64_t virtual_ns) {
    double ahead = (double)(virtual_ns - scaled_clock(sim)) / sim->options.real_time_speed;
    int64_t at = e2b_clock_ns() + (int64_t)ahead + 1;
    const struct timespec until = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000};
    pthread_cond_timedwait(&sim->changed, &sim->lock, &until);
}

static void *keep_time(void *context) {
    struct sim *sim = context;
    pthread_mutex_lock(&sim->lock);
    while (!sim->stopping) {
        if (step(sim, scaled_clock(sim)))
            continue;
        const struct e2b_queue *queue = next_to_end(sim);
        if (queue)
            sleep_until(sim, queue->first->ends_ns);
        else
            pthread_cond_wait(&sim->changed, &sim->lock);
    }
    pthread_mutex_unlock(&sim->lock);
    return NULL;
}

enum e2b_status e2b_sim_start_thread(struct sim *sim, struct e2b_error *err) {
    int code = e2b_thread_start(&sim->thread, "sim", "", keep_time, sim);
    if (code)
        return e2b_fail_code(err, E2B_INTERNAL, code, "no thread for a simulated device");
    sim->threaded = true;
    return E2B_OK;
}

void e2b_sim_stop_thread(struct sim *sim) {
    if (!sim->threaded)
        return;
    pthread_mutex_lock(&sim->lock);
    sim->stopping = true;
    pthread_cond_broadcast(&sim->changed);
    pthread_mutex_unlock(&sim->lock);
    pthread_join(sim->thread, NULL);
    sim->threaded = false;
}
