#include "sched/tfserving.h"

#include "runtime/base/bitset.h"
#include "sched/instances.h"
#include <stdlib.h>
#include <string.h>

enum option {
    MAX_BATCH_SIZE,
    BATCH_TIMEOUT_MICROS,
    MAX_ENQUEUED_BATCHES,
    NUM_BATCH_THREADS,
    POLL_MICROS
};

static const struct e2b_policy_option options[] = {
    [MAX_BATCH_SIZE] = {"max_batch_size", "slots of a batch, 0: the model's largest size", 0, 0,
        1 << 20},
    [BATCH_TIMEOUT_MICROS] = {"batch_timeout_micros", "longest wait for a batch to fill", 1000, 0,
        INT64_C(3600000000)},
    [MAX_ENQUEUED_BATCHES] = {"max_enqueued_batches", "batches of a queue, the open one included",
        10, 1, 1 << 20},
    [NUM_BATCH_THREADS] = {"num_batch_threads", "batches processed at once", 4, 1, 1 << 10},
    [POLL_MICROS] = {"poll_micros", "how late a timeout may be noticed, 0: on time", 1000, 0,
        1000000},
    {0},
};

struct batch {
    int count;
    int64_t opened_ns; /* when its first slot came */
    int *slots;        /* room for max_batch; in a thread: what has not been run, ascending */
};

/* What an instance runs: for the slots that it writes and the thread it works for. */
struct flight {
    int thread, first, end;
};

struct model {
    struct e2b_sched_instances instances;
    struct flight (*flights)[E2B_SCHED_MAX_INSTANCES]; /* by size index */
    int max_batch, padding;                            /* padding: slots behind the last */
    struct batch *queue; /* a ring: front .. front + length - 1, the last one is open */
    int capacity, front, length;
    struct e2b_bitset enqueued; /* slots that wait, in the queue or in a thread, or are refused */
    struct e2b_bitset refused;  /* slots to reject */
    struct e2b_bitset written;  /* slots that a running batch writes, padding included */
};

/* A batch thread works on a batch until all parts of it have ended. */
struct thread {
    int model;   /* -1: idle */
    int running; /* parts on the device */
    int next;    /* thread that took its batch after this one, -1 if none */
    enum e2b_sched_reason reason;
    struct batch batch;
};

struct e2b_policy {
    int64_t timeout_ns, poll_ns, timer_ns;
    int model_count, thread_count;
    int turn;        /* the model that threads look at first */
    int first, last; /* threads that work, in the order in which they took their batches; -1 */
    struct model *models;
    struct thread *threads;
};

static void model_finish(struct model *model) {
    for (int i = 0; model->queue && i < model->capacity; i++)
        free(model->queue[i].slots);
    free(model->queue);
    free(model->flights);
    e2b_bitset_finish(&model->enqueued);
    e2b_bitset_finish(&model->refused);
    e2b_bitset_finish(&model->written);
}

static void destroy(struct e2b_policy *policy) {
    if (!policy)
        return;
    for (int i = 0; i < policy->model_count; i++)
        model_finish(&policy->models[i]);
    for (int i = 0; policy->threads && i < policy->thread_count; i++)
        free(policy->threads[i].batch.slots);
    free(policy->models);
    free(policy->threads);
    free(policy);
}

static bool batch_init(struct batch *batch, int max_batch) {
    *batch = (struct batch){.slots = malloc((size_t)max_batch * sizeof *batch->slots)};
    return batch->slots;
}

static bool model_init(
    struct model *model, const struct e2b_sched_model *from, const int64_t *values) {
    int largest = from->sizes[from->size_count - 1];
    e2b_sched_instances_init(&model->instances, from);
    model->max_batch = values[MAX_BATCH_SIZE] ? (int)values[MAX_BATCH_SIZE] : largest;
    /* Every batch but the open one holds a slot. */
    model->capacity = values[MAX_ENQUEUED_BATCHES] <= from->slot_count
        ? (int)values[MAX_ENQUEUED_BATCHES]
        : from->slot_count + 1;
    model->queue = calloc((size_t)model->capacity, sizeof *model->queue);
    model->flights = calloc((size_t)from->size_count, sizeof *model->flights);
    bool made = model->queue && model->flights
        && e2b_bitset_init(&model->enqueued, from->slot_count)
        && e2b_bitset_init(&model->refused, from->slot_count)
        && e2b_bitset_init(&model->written, from->slot_count);
    for (int i = 0; made && i < model->capacity; i++)
        made = batch_init(&model->queue[i], model->max_batch);
    model->length = 1;
    model->padding = from->padding;
    return made;
}

static enum e2b_status check(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_error *err) {
    if (e2b_sched_models_check(models, model_count, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < model_count; i++) {
        int largest = models[i].sizes[models[i].size_count - 1];
        if (values[MAX_BATCH_SIZE] > largest)
            return e2b_fail(err, E2B_INVALID,
                "max_batch_size: %lld is above %d, the largest batch size of model \"%s\"",
                (long long)values[MAX_BATCH_SIZE], largest, models[i].name);
    }
    return E2B_OK;
}

static bool build(struct e2b_policy *policy, const struct e2b_sched_model *models, int model_count,
    const int64_t *values) {
    int widest = 1;
    policy->models = calloc((size_t)model_count, sizeof *policy->models);
    policy->thread_count = (int)values[NUM_BATCH_THREADS];
    policy->threads = calloc((size_t)policy->thread_count, sizeof *policy->threads);
    if (!policy->models || !policy->threads)
        return false;
    for (int i = 0; i < model_count; i++) {
        policy->model_count++;
        if (!model_init(&policy->models[i], &models[i], values))
            return false;
        if (policy->models[i].max_batch > widest)
            widest = policy->models[i].max_batch;
    }
    for (int i = 0; i < policy->thread_count; i++) {
        policy->threads[i].model = -1;
        if (!batch_init(&policy->threads[i].batch, widest))
            return false;
    }
    return true;
}

static enum e2b_status create(const struct e2b_sched_model *models, int model_count,
    const int64_t *values, struct e2b_policy **out, struct e2b_error *err) {
    if (check(models, model_count, values, err) != E2B_OK)
        return err->status;
    struct e2b_policy *policy = calloc(1, sizeof *policy);
    if (!policy)
        return e2b_fail_memory(err, "a policy");
    policy->timeout_ns = 1000 * values[BATCH_TIMEOUT_MICROS];
    policy->poll_ns = 1000 * values[POLL_MICROS];
    policy->timer_ns = INT64_MAX;
    policy->first = policy->last = -1;
    if (!build(policy, models, model_count, values)) {
        destroy(policy);
        return e2b_fail_memory(err, "a policy");
    }
    *out = policy;
    return E2B_OK;
}

static struct batch *batch_at(const struct model *model, int index) {
    return &model->queue[(model->front + index) % model->capacity];
}

static struct batch *open_batch(const struct model *model) {
    return batch_at(model, model->length - 1);
}

static void enqueue(struct model *model, const struct e2b_sched_event *event) {
    struct batch *batch = open_batch(model);
    e2b_bitset_add(&model->enqueued, event->slot);
    if (batch->count == model->max_batch && model->length == model->capacity) {
        e2b_bitset_add(&model->refused, event->slot);
        return;
    }
    if (batch->count == model->max_batch) {
        model->length++;
        batch = open_batch(model);
    }
    if (batch->count == 0)
        batch->opened_ns = event->now_ns;
    batch->slots[batch->count++] = event->slot;
}

static void reject_refused(
    struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct model *model = &policy->models[index];
    for (int slot = 0; model->refused.count > 0;) {
        struct e2b_sched_action *action = e2b_sched_actions_add(actions);
        if (!action)
            return;
        slot = e2b_bitset_next(&model->refused, slot);
        *action = (struct e2b_sched_action){.kind = E2B_SCHED_REJECT,
            .reason = E2B_SCHED_QUEUE_FULL_REASON,
            .model = index,
            .first = slot,
            .count = 1};
        e2b_bitset_remove(&model->refused, slot);
        e2b_bitset_remove(&model->enqueued, slot);
    }
}

static void line_up(struct e2b_policy *policy, int index) {
    policy->threads[index].next = -1;
    if (policy->last < 0)
        policy->first = index;
    else
        policy->threads[policy->last].next = index;
    policy->last = index;
}

/* Its batch is done. */
static void rest(struct e2b_policy *policy, int index) {
    int before = -1;
    for (int at = policy->first; at != index; at = policy->threads[at].next)
        before = at;
    int next = policy->threads[index].next;
    if (before < 0)
        policy->first = next;
    else
        policy->threads[before].next = next;
    if (policy->last == index)
        policy->last = before;
    policy->threads[index].model = -1;
}

static bool withdraw_from(struct batch *batch, int slot) {
    for (int i = 0; i < batch->count; i++)
        if (batch->slots[i] == slot) {
            batch->count--;
            memmove(&batch->slots[i], &batch->slots[i + 1],
                (size_t)(batch->count - i) * sizeof *batch->slots);
            return true;
        }
    return false;
}

/* A closed batch that has become empty leaves the queue; its array goes behind the open one. */
static void drop_batch(struct model *model, int index) {
    const struct batch dropped = *batch_at(model, index);
    for (int i = index; i < model->length - 1; i++)
        *batch_at(model, i) = *batch_at(model, i + 1);
    *batch_at(model, --model->length) = dropped;
}

static void withdraw(struct e2b_policy *policy, int index, int slot) {
    struct model *model = &policy->models[index];
    e2b_bitset_remove(&model->enqueued, slot);
    if (e2b_bitset_has(&model->refused, slot)) {
        e2b_bitset_remove(&model->refused, slot);
        return;
    }
    for (int i = 0; i < model->length; i++)
        if (withdraw_from(batch_at(model, i), slot)) {
            if (batch_at(model, i)->count == 0 && i < model->length - 1)
                drop_batch(model, i);
            return;
        }
    for (int i = 0; i < policy->thread_count; i++) {
        struct thread *thread = &policy->threads[i];
        if (thread->model != index || !withdraw_from(&thread->batch, slot))
            continue;
        if (thread->batch.count == 0 && thread->running == 0)
            rest(policy, i);
        return;
    }
}

static void completed(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    struct model *model = &policy->models[event->model];
    const struct flight *flight = &model->flights[event->size_index][event->instance];
    struct thread *thread = &policy->threads[flight->thread];
    e2b_sched_instances_give(&model->instances, event->size_index, event->instance);
    for (int slot = flight->first; slot < flight->end; slot++)
        e2b_bitset_remove(&model->written, slot);
    if (--thread->running == 0 && thread->batch.count == 0)
        rest(policy, flight->thread);
}

static bool may_take(const struct e2b_policy *policy, const struct model *model, int64_t now_ns) {
    const struct batch *front = batch_at(model, 0);
    return model->length > 1 || front->count == model->max_batch
        || (front->count > 0 && now_ns - front->opened_ns >= policy->timeout_ns);
}

static int compare_slots(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static void take_batch(struct model *model, struct thread *thread) {
    struct batch *front = batch_at(model, 0), idle = thread->batch;
    bool full = model->length > 1 || front->count == model->max_batch;
    thread->reason = full ? E2B_SCHED_FULL_REASON : E2B_SCHED_TIMEOUT_REASON;
    memcpy(idle.slots, front->slots, (size_t)front->count * sizeof *idle.slots);
    idle.count = front->count;
    thread->batch = idle;
    qsort(idle.slots, (size_t)idle.count, sizeof *idle.slots, compare_slots);
    front->count = 0;
    if (model->length > 1) {
        model->front = (model->front + 1) % model->capacity;
        model->length--;
    }
}

static void take_batches(struct e2b_policy *policy, int64_t now_ns) {
    for (int i = 0; i < policy->thread_count; i++) {
        struct thread *thread = &policy->threads[i];
        for (int j = 0; j < policy->model_count && thread->model < 0; j++) {
            int index = (policy->turn + j) % policy->model_count;
            if (!may_take(policy, &policy->models[index], now_ns))
                continue;
            take_batch(&policy->models[index], thread);
            thread->model = index;
            line_up(policy, i);
            policy->turn = (index + 1) % policy->model_count;
        }
    }
}

/* Neighbours at the front of what the thread still has to run, of which no running batch writes. */
static int front_run(const struct model *model, const struct batch *batch) {
    int count = 0;
    while (count < batch->count && batch->slots[count] == batch->slots[0] + count
        && !e2b_bitset_has(&model->written, batch->slots[count]))
        count++;
    return count;
}

static bool can_pad(const struct model *model, int from, int to) {
    int last = to < model->enqueued.capacity ? to : model->enqueued.capacity;
    return to - last <= model->padding && e2b_bitset_next(&model->enqueued, from) >= last
        && e2b_bitset_next(&model->written, from) >= last;
}

/* The smallest free size that holds count and can be padded; if none can be padded even when free,
 * the largest free one that count fills. -1: wait. */
static int choose_size(const struct model *model, int first, int count) {
    const struct e2b_sched_instances *instances = &model->instances;
    bool holds = false;
    int filled = -1;
    for (int i = 0; i < instances->size_count; i++) {
        int size = instances->sizes[i];
        bool exists = e2b_sched_instances_free(instances, i);
        if (size <= count && exists)
            filled = i;
        if (size < count || !can_pad(model, first + count, first + size))
            continue;
        if (exists)
            return i;
        holds = true;
    }
    return holds ? -1 : filled;
}

static bool run_part(struct e2b_policy *policy, int index, struct e2b_sched_actions *actions) {
    struct thread *thread = &policy->threads[index];
    struct model *model = &policy->models[thread->model];
    int count = front_run(model, &thread->batch), first = thread->batch.slots[0];
    int size_index = count ? choose_size(model, first, count) : -1;
    struct e2b_sched_action *action = size_index < 0 ? NULL : e2b_sched_actions_add(actions);
    if (!action)
        return false;
    int size = model->instances.sizes[size_index];
    if (count > size)
        count = size;
    int instance = e2b_sched_instances_take(&model->instances, size_index);
    *action = (struct e2b_sched_action){.kind = E2B_SCHED_RUN,
        .reason = thread->reason,
        .model = thread->model,
        .first = first,
        .count = count,
        .span = count,
        .size_index = size_index,
        .instance = instance};
    int end = first + size < model->written.capacity ? first + size : model->written.capacity;
    model->flights[size_index][instance] = (struct flight){index, first, end};
    for (int i = 0; i < count; i++)
        e2b_bitset_remove(&model->enqueued, first + i);
    for (int slot = first; slot < end; slot++)
        e2b_bitset_add(&model->written, slot);
    thread->batch.count -= count;
    memmove(thread->batch.slots, thread->batch.slots + count,
        (size_t)thread->batch.count * sizeof *thread->batch.slots);
    thread->running++;
    return true;
}

static void run_parts(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    for (int i = policy->first; i >= 0; i = policy->threads[i].next)
        while (policy->threads[i].batch.count > 0 && run_part(policy, i, actions))
            ;
}

static bool has_idle_thread(const struct e2b_policy *policy) {
    for (int i = 0; i < policy->thread_count; i++)
        if (policy->threads[i].model < 0)
            return true;
    return false;
}

static void set_timer(struct e2b_policy *policy, struct e2b_sched_actions *actions) {
    int64_t next_ns = INT64_MAX;
    for (int i = 0; i < policy->model_count; i++) {
        const struct batch *open = open_batch(&policy->models[i]);
        if (open->count > 0 && open->opened_ns + policy->timeout_ns < next_ns)
            next_ns = open->opened_ns + policy->timeout_ns;
    }
    if (next_ns == INT64_MAX || !has_idle_thread(policy))
        return;
    if (policy->poll_ns > 0)
        next_ns = (next_ns + policy->poll_ns - 1) / policy->poll_ns * policy->poll_ns;
    if (next_ns >= policy->timer_ns)
        return;
    struct e2b_sched_action *action = e2b_sched_actions_add(actions);
    if (!action)
        return;
    *action = (struct e2b_sched_action){.kind = E2B_SCHED_SET_TIMER, .timer_ns = next_ns};
    policy->timer_ns = next_ns;
}

static void take_note(struct e2b_policy *policy, const struct e2b_sched_event *event) {
    switch (event->kind) {
    case E2B_SCHED_READY:
        enqueue(&policy->models[event->model], event);
        break;
    case E2B_SCHED_COMPLETED:
        completed(policy, event);
        break;
    case E2B_SCHED_CANCELLED:
        withdraw(policy, event->model, event->slot);
        break;
    case E2B_SCHED_TIMER:
        if (event->now_ns >= policy->timer_ns)
            policy->timer_ns = INT64_MAX;
        break;
    }
}

static void on_event(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    take_note(policy, event);
    if (event->more)
        return;
    for (int i = 0; i < policy->model_count; i++)
        reject_refused(policy, i, actions);
    take_batches(policy, event->now_ns);
    run_parts(policy, actions);
    set_timer(policy, actions);
}

static int waiting(const struct e2b_policy *policy, int model) {
    return policy->models[model].enqueued.count;
}

const struct e2b_policy_ops e2b_policy_tfserving = {
    .name = "tfserving",
    .help = "fixed batches with a timeout, as TensorFlow Serving",
    .options = options,
    .create = create,
    .destroy = destroy,
    .on_event = on_event,
    .waiting = waiting,
};
