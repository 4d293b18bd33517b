#include "backends/sim/state.h"
#include <stdlib.h>
#include <string.h>

void e2b_sim_event_unref(struct e2b_event *event) {
    if (--event->references)
        return;
    while (event->notifications) {
        struct notification *next = event->notifications->next;
        free(event->notifications);
        event->notifications = next;
    }
    event->sim->objects.events--;
    free(event);
}

void e2b_sim_command_destroy(struct command *command) {
    for (int i = 0; i < command->wait_count; i++)
        e2b_sim_event_unref(command->waits[i]);
    e2b_sim_event_unref(command->event);
    free(command->waits);
    free(command->args);
    free(command);
}

static struct command *make_command(enum command_kind kind, struct e2b_error *err) {
    struct command *command = calloc(1, sizeof *command);
    struct e2b_event *event = calloc(1, sizeof *event);
    if (!command || !event) {
        free(command);
        free(event);
        e2b_fail_memory(err, "a command");
        return NULL;
    }
    command->kind = kind;
    command->event = event;
    return command;
}

/* For a command that was never queued. */
static enum e2b_status give_up(struct command *command, enum e2b_status status) {
    free(command->event);
    free(command->waits);
    free(command->args);
    free(command);
    return status;
}

/* Takes command, also on failure. */
static enum e2b_status enqueue(struct e2b_queue *queue, struct command *command,
    struct e2b_event **event, struct e2b_error *err) {
    struct sim *sim = queue->sim;
    int64_t now_ns = e2b_sim_now_ns(&sim->device);
    pthread_mutex_lock(&sim->lock);
    if (e2b_sim_strikes(sim, E2B_SIM_FAULT_ENQUEUE)) {
        pthread_mutex_unlock(&sim->lock);
        return give_up(command, e2b_fail(err, E2B_DEVICE, "the queue takes no work, as asked"));
    }
    *command->event = (struct e2b_event){
        .sim = sim, .queue = queue, .references = event ? 2 : 1, .times.queued_ns = now_ns};
    sim->objects.events++;
    for (int i = 0; i < command->wait_count; i++)
        command->waits[i]->references++;
    command->sequence = sim->sequence++;
    command->fails = command->kind != COMMAND_WAIT && e2b_sim_strikes(sim, E2B_SIM_FAULT_EVENT);
    if (queue->last)
        queue->last->next = command;
    else
        queue->first = command;
    queue->last = command;
    if (event)
        *event = command->event;
    pthread_mutex_unlock(&sim->lock);
    return E2B_OK;
}

/* What was enqueued runs already. A kernel may stand for many launches: the first ones run while
 * the others are enqueued. */
static enum e2b_status pass_host_time(
    struct e2b_queue *queue, int64_t cost_ns, struct e2b_error *err) {
    struct sim *sim = queue->sim;
    if (cost_ns <= 0 || sim->threaded || e2b_sim_flush(queue, err) != E2B_OK)
        return err->status;
    e2b_sim_advance(&sim->device, e2b_sim_now_ns(&sim->device) + cost_ns);
    return E2B_OK;
}

static enum e2b_status check_kernel(const struct sim *sim, const struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_error *err) {
    int count = kernel->row.arg_count ? kernel->row.arg_count : kernel->arg_count;
    for (int i = 0; i < count; i++)
        if (!kernel->is_set[i])
            return e2b_fail(err, E2B_INVALID, "kernel argument %d was not set", i);
    for (int i = 0; i < 3; i++)
        if (global[i] < 1 || (local[i] && global[i] % local[i]))
            return e2b_fail(err, E2B_INVALID,
                "global size %zu of dimension %d is not a multiple of local size %zu", global[i], i,
                local[i]);
    size_t group = local[0] * local[1] * local[2];
    if (group > (size_t)sim->device.traits.max_group)
        return e2b_fail(err, E2B_INVALID, "a group of %zu work-items is outside 1..%lld", group,
            (long long)sim->device.traits.max_group);
    return E2B_OK;
}

enum e2b_status e2b_sim_enqueue_kernel(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_event **event,
    struct e2b_error *err) {
    if (check_kernel(queue->sim, kernel, global, local, err) != E2B_OK)
        return err->status;
    struct command *command = make_command(COMMAND_KERNEL, err);
    if (!command)
        return err->status;
    size_t bytes = (size_t)kernel->arg_count * sizeof *command->args;
    command->args = malloc(bytes + 1);
    if (!command->args)
        return give_up(command, e2b_fail_memory(err, "a command"));
    memcpy(command->args, kernel->args, bytes);
    command->arg_count = kernel->arg_count;
    command->row = kernel->row;
    memcpy(command->global, global, sizeof command->global);
    memcpy(command->local, local, sizeof command->local);
    const struct e2b_sim_args args = {global, local, command->arg_count, command->args, 0};
    e2b_sim_cost_fn *cost = command->row.enqueue_cost;
    int64_t cost_ns = cost ? cost(command->row.context, &args) : 0;
    return enqueue(queue, command, event, err) == E2B_OK ? pass_host_time(queue, cost_ns, err)
                                                         : err->status;
}

static enum e2b_status check_range(
    const struct e2b_buffer *buffer, size_t offset, size_t bytes, struct e2b_error *err) {
    if (bytes < 1 || offset > buffer->bytes || bytes > buffer->bytes - offset)
        return e2b_fail(err, E2B_INVALID, "%zu bytes at %zu are outside the buffer's %zu", bytes,
            offset, buffer->bytes);
    return E2B_OK;
}

static enum e2b_status enqueue_copy(struct e2b_queue *queue, unsigned char *to,
    const unsigned char *from, size_t bytes, struct e2b_event **event, struct e2b_error *err) {
    struct command *command = make_command(COMMAND_COPY, err);
    if (!command)
        return err->status;
    command->to = to;
    command->from = from;
    command->bytes = bytes;
    return enqueue(queue, command, event, err) == E2B_OK
        ? pass_host_time(queue, queue->sim->options.copy_enqueue_ns, err)
        : err->status;
}

enum e2b_status e2b_sim_enqueue_write(struct e2b_queue *queue, struct e2b_buffer *to,
    size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
    struct e2b_error *err) {
    if (check_range(to, to_offset, bytes, err) != E2B_OK)
        return err->status;
    return enqueue_copy(queue, to->data + to_offset, from, bytes, event, err);
}

enum e2b_status e2b_sim_enqueue_read(struct e2b_queue *queue, struct e2b_buffer *from,
    size_t from_offset, void *to, size_t bytes, struct e2b_event **event, struct e2b_error *err) {
    if (check_range(from, from_offset, bytes, err) != E2B_OK)
        return err->status;
    return enqueue_copy(queue, to, from->data + from_offset, bytes, event, err);
}

enum e2b_status e2b_sim_enqueue_fill(struct e2b_queue *queue, struct e2b_buffer *buffer,
    size_t offset, size_t bytes, unsigned char value, struct e2b_error *err) {
    if (check_range(buffer, offset, bytes, err) != E2B_OK)
        return err->status;
    struct command *command = make_command(COMMAND_FILL, err);
    if (!command)
        return err->status;
    command->to = buffer->data + offset;
    command->bytes = bytes;
    command->value = value;
    return enqueue(queue, command, NULL, err);
}

enum e2b_status e2b_sim_enqueue_wait(
    struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err) {
    struct command *command = make_command(COMMAND_WAIT, err);
    if (!command)
        return err->status;
    command->waits = calloc((size_t)count + 1, sizeof(*command->waits));
    if (!command->waits)
        return give_up(command, e2b_fail_memory(err, "a command"));
    for (int i = 0; i < count; i++)
        command->waits[i] = events[i];
    command->wait_count = count;
    return enqueue(queue, command, NULL, err);
}
