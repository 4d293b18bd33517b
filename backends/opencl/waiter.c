#include "backends/opencl/waiter.h"

#include "backends/opencl/error.h"
#include "runtime/base/clock.h"
#include "runtime/base/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define POLL_NS 4000        /* between two looks when nobody else tells */
#define LOOK_NS 20000000    /* between two looks for failures */
#define LAST_LOOK_NS 200000 /* the same once the device is being closed */
#define AGAIN_NS 25000      /* from one look of who enqueues to the next, */
#define ALONE_NS 60000      /* and for how long nobody else looks */
#define QUEUES 32 /* looked at in one sweep; the events of more may be asked for in vain */

/* Whoever sets told calls done. A callback may come late, so a notice is freed only when it came,
 * or with the waiter. */
struct notice {
    cl_event event;
    cl_command_queue queue;
    void (*done)(void *context, enum e2b_event_state state);
    void *context;
    atomic_bool told;
    struct notice *next; /* in the list of failed ones */
};

struct list {
    struct notice **items;
    int count, capacity;
};

struct e2b_cl_waiter {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something arrived for an idle thread, or it must stop */
    pthread_cond_t stop;    /* a resting thread must stop */
    bool polls;
    bool stopping;       /* under lock */
    struct list arrived; /* under lock */
    atomic_int pending;  /* notices that arrived or are watched */
    pthread_mutex_t sweeping;
    struct list watched;       /* under sweeping */
    struct notice *failed;     /* under sweeping */
    atomic_llong looked_at_ns; /* by e2b_cl_waiter_look */
};

enum e2b_event_state e2b_cl_event_state_of(cl_event event, cl_int *code) {
    cl_int status = CL_QUEUED;
    cl_int query =
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, NULL);
    *code = query != CL_SUCCESS ? query : status < 0 ? status : CL_SUCCESS;
    if (*code != CL_SUCCESS)
        return E2B_EVENT_FAILED;
    return status == CL_COMPLETE ? E2B_EVENT_DONE : E2B_EVENT_PENDING;
}

static bool reserve(struct list *list, int more) {
    int wanted = list->count + more;
    if (wanted <= list->capacity)
        return true;
    struct notice **moved = realloc(list->items, (size_t)(wanted * 2 + 16) * sizeof *moved);
    if (!moved)
        return false;
    list->items = moved;
    list->capacity = wanted * 2 + 16;
    return true;
}

/* False when nothing is left to do and we are told to stop. */
static bool await(struct e2b_cl_waiter *waiter, bool *stopping) {
    pthread_mutex_lock(&waiter->lock);
    while (!atomic_load(&waiter->pending) && !waiter->stopping)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    *stopping = waiter->stopping;
    bool more = atomic_load(&waiter->pending) || !waiter->stopping;
    pthread_mutex_unlock(&waiter->lock);
    return more;
}

/* Without memory for what arrived, it stays where it is until something ended. */
static void take(struct e2b_cl_waiter *waiter) {
    struct list *from = &waiter->arrived, *to = &waiter->watched;
    pthread_mutex_lock(&waiter->lock);
    if (from->count && reserve(to, from->count)) {
        memcpy(to->items + to->count, from->items, (size_t)from->count * sizeof *to->items);
        to->count += from->count;
        from->count = 0;
    }
    pthread_mutex_unlock(&waiter->lock);
}

static void tell(struct notice *notice, enum e2b_event_state state) {
    void (*done)(void *, enum e2b_event_state) = notice->done;
    void *context = notice->context;
    if (!atomic_exchange(&notice->told, true))
        done(context, state);
}

static void CL_CALLBACK called_back(cl_event event, cl_int status, void *context) {
    (void)event;
    tell(context, status == CL_COMPLETE ? E2B_EVENT_DONE : E2B_EVENT_FAILED);
}

/* True when the notice was told and is out of our hands. */
static bool settle(struct e2b_cl_waiter *waiter, struct notice *notice) {
    cl_int code;
    bool told = atomic_load(&notice->told);
    enum e2b_event_state state =
        told ? E2B_EVENT_DONE : e2b_cl_event_state_of(notice->event, &code);
    bool ours = waiter->polls ? state != E2B_EVENT_PENDING : state == E2B_EVENT_FAILED;
    if (!told && !ours)
        return false;
    clReleaseEvent(notice->event);
    atomic_fetch_sub(&waiter->pending, 1);
    tell(notice, state);
    if (told || waiter->polls) {
        free(notice);
    } else {
        notice->next = waiter->failed;
        waiter->failed = notice;
    }
    return true;
}

/* Queues whose first event has not ended: nor have their others. */
struct queues {
    cl_command_queue list[QUEUES];
    int count;
};

static bool is_among(const struct queues *queues, cl_command_queue queue) {
    for (int i = 0; i < queues->count; i++)
        if (queues->list[i] == queue)
            return true;
    return false;
}

static void note_pending(struct queues *queues, cl_command_queue queue) {
    if (queue && queues->count < QUEUES)
        queues->list[queues->count++] = queue;
}

/* Whether something ended. The caller holds `sweeping`. */
static bool sweep(struct e2b_cl_waiter *waiter) {
    struct list *watched = &waiter->watched;
    struct queues unended = {.count = 0};
    take(waiter);
    int kept = 0, before = watched->count;
    for (int i = 0; i < before; i++) {
        struct notice *notice = watched->items[i];
        bool waits = waiter->polls && is_among(&unended, notice->queue);
        if (!waits && settle(waiter, notice))
            continue;
        if (!waits)
            note_pending(&unended, notice->queue);
        watched->items[kept++] = notice;
    }
    watched->count = kept;
    return kept < before;
}

void e2b_cl_waiter_look(struct e2b_cl_waiter *waiter) {
    int64_t now_ns = e2b_clock_ns();
    if (!waiter->polls || now_ns - atomic_load(&waiter->looked_at_ns) < AGAIN_NS)
        return;
    atomic_store(&waiter->looked_at_ns, now_ns);
    if (pthread_mutex_trylock(&waiter->sweeping))
        return;
    sweep(waiter);
    pthread_mutex_unlock(&waiter->sweeping);
}

/* The thread's turn, unless another one looks. Whether something ended. */
static bool look(struct e2b_cl_waiter *waiter) {
    if (e2b_clock_ns() - atomic_load(&waiter->looked_at_ns) < ALONE_NS)
        return false;
    pthread_mutex_lock(&waiter->sweeping);
    bool any = sweep(waiter);
    pthread_mutex_unlock(&waiter->sweeping);
    return any;
}

static void rest(struct e2b_cl_waiter *waiter, bool stopping) {
    if (waiter->polls || stopping) {
        nanosleep(&(struct timespec){.tv_nsec = waiter->polls ? POLL_NS : LAST_LOOK_NS}, NULL);
        return;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&waiter->lock);
    if (!waiter->stopping)
        pthread_cond_timedwait(&waiter->stop, &waiter->lock, &until);
    pthread_mutex_unlock(&waiter->lock);
}

static void *watch(void *context) {
    struct e2b_cl_waiter *waiter = context;
    bool stopping;
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (await(waiter, &stopping))
        if (!look(waiter) || !waiter->polls)
            rest(waiter, stopping);
    return NULL;
}

enum e2b_status e2b_cl_waiter_create(
    const char *pci_address, bool polls, struct e2b_cl_waiter **out, struct e2b_error *err) {
    *out = NULL;
    struct e2b_cl_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter)
        return e2b_fail_memory(err, "the thread that waits for events");
    waiter->polls = polls;
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_mutex_init(&waiter->sweeping, NULL);
    atomic_store(&waiter->looked_at_ns, INT64_MIN / 2);
    pthread_cond_init(&waiter->changed, NULL);
    pthread_cond_init(&waiter->stop, NULL);
    int code = e2b_thread_start(&waiter->thread, "e2b-events", pci_address, watch, waiter);
    if (code) {
        free(waiter);
        return e2b_fail_code(
            err, E2B_NO_MEMORY, code, "no thread to wait for events: see the limit on processes");
    }
    *out = waiter;
    return E2B_OK;
}

void e2b_cl_waiter_destroy(struct e2b_cl_waiter *waiter) {
    if (!waiter)
        return;
    pthread_mutex_lock(&waiter->lock);
    waiter->stopping = true;
    pthread_cond_signal(&waiter->changed);
    pthread_cond_signal(&waiter->stop);
    pthread_mutex_unlock(&waiter->lock);
    pthread_join(waiter->thread, NULL);
    pthread_cond_destroy(&waiter->changed);
    pthread_cond_destroy(&waiter->stop);
    pthread_mutex_destroy(&waiter->lock);
    pthread_mutex_destroy(&waiter->sweeping);
    while (waiter->failed) {
        struct notice *notice = waiter->failed;
        waiter->failed = notice->next;
        free(notice);
    }
    free(waiter->arrived.items);
    free(waiter->watched.items);
    free(waiter);
}

static enum e2b_status hand_over(
    struct e2b_cl_waiter *waiter, struct notice *notice, struct e2b_error *err) {
    pthread_mutex_lock(&waiter->lock);
    bool room = reserve(&waiter->arrived, 1);
    if (room) {
        waiter->arrived.items[waiter->arrived.count++] = notice;
        atomic_fetch_add(&waiter->pending, 1);
        pthread_cond_signal(&waiter->changed);
    }
    pthread_mutex_unlock(&waiter->lock);
    return room ? E2B_OK : e2b_fail_memory(err, "the notice of an event");
}

enum e2b_status e2b_cl_waiter_add(struct e2b_cl_waiter *waiter, cl_event event,
    cl_command_queue queue, void (*done)(void *context, enum e2b_event_state state), void *context,
    struct e2b_error *err) {
    struct notice *notice = calloc(1, sizeof *notice);
    if (!notice)
        return e2b_fail_memory(err, "the notice of an event");
    notice->event = event;
    notice->queue = queue;
    notice->done = done;
    notice->context = context;
    clRetainEvent(event);
    if (hand_over(waiter, notice, err) != E2B_OK) {
        clReleaseEvent(event);
        free(notice);
        return err->status;
    }
    if (waiter->polls)
        return E2B_OK;
    cl_int code = clSetEventCallback(event, CL_COMPLETE, called_back, notice);
    if (code == CL_SUCCESS || atomic_exchange(&notice->told, true))
        return E2B_OK;
    return e2b_cl_fail(err, code, "notice of an event");
}
