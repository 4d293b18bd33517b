#include "backends/opencl/waiter.h"

#include "backends/opencl/error.h"
#include "runtime/base/thread.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#define NAP_NS 4000

struct pending {
    cl_event event;
    void (*done)(void *context, enum e2b_event_state state);
    void *context;
};

struct e2b_cl_waiter {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pending *arrived; /* under lock */
    int arrived_count, arrived_capacity;
    bool stopping;
    struct pending *watched; /* the thread's own */
    int watched_count, watched_capacity;
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

static bool reserve(struct pending **items, int *capacity, int count) {
    if (count <= *capacity)
        return true;
    int larger = count * 2 + 16;
    struct pending *moved = realloc(*items, (size_t)larger * sizeof *moved);
    if (!moved)
        return false;
    *items = moved;
    *capacity = larger;
    return true;
}

/* Take over what arrived; false when there is nothing left to do and we are told to stop. Without
 * memory to take it over, it waits where it is until something ended. */
static bool take(struct e2b_cl_waiter *waiter) {
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->arrived_count && !waiter->watched_count && !waiter->stopping)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    int together = waiter->watched_count + waiter->arrived_count;
    if (waiter->arrived_count && reserve(&waiter->watched, &waiter->watched_capacity, together)) {
        memcpy(waiter->watched + waiter->watched_count, waiter->arrived,
            (size_t)waiter->arrived_count * sizeof *waiter->arrived);
        waiter->watched_count = together;
        waiter->arrived_count = 0;
    }
    bool more = waiter->arrived_count || waiter->watched_count || !waiter->stopping;
    pthread_mutex_unlock(&waiter->lock);
    return more;
}

static bool sweep(struct e2b_cl_waiter *waiter) {
    int kept = 0;
    for (int i = 0; i < waiter->watched_count; i++) {
        struct pending one = waiter->watched[i];
        cl_int code;
        enum e2b_event_state state = e2b_cl_event_state_of(one.event, &code);
        if (state == E2B_EVENT_PENDING) {
            waiter->watched[kept++] = one;
            continue;
        }
        clReleaseEvent(one.event);
        one.done(one.context, state);
    }
    bool ended = kept < waiter->watched_count;
    waiter->watched_count = kept;
    return ended;
}

static void *watch(void *context) {
    struct e2b_cl_waiter *waiter = context;
    const struct timespec nap = {.tv_nsec = NAP_NS};
    prctl(PR_SET_TIMERSLACK, 1UL);
    while (take(waiter))
        if (!sweep(waiter))
            nanosleep(&nap, NULL);
    return NULL;
}

enum e2b_status e2b_cl_waiter_create(
    const char *pci_address, struct e2b_cl_waiter **out, struct e2b_error *err) {
    *out = NULL;
    struct e2b_cl_waiter *waiter = calloc(1, sizeof *waiter);
    if (!waiter)
        return e2b_fail_memory(err, "the thread that waits for events");
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->changed, NULL);
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
    pthread_mutex_unlock(&waiter->lock);
    pthread_join(waiter->thread, NULL);
    pthread_cond_destroy(&waiter->changed);
    pthread_mutex_destroy(&waiter->lock);
    free(waiter->arrived);
    free(waiter->watched);
    free(waiter);
}

enum e2b_status e2b_cl_waiter_add(struct e2b_cl_waiter *waiter, cl_event event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err) {
    pthread_mutex_lock(&waiter->lock);
    bool room = reserve(&waiter->arrived, &waiter->arrived_capacity, waiter->arrived_count + 1);
    if (room) {
        clRetainEvent(event);
        waiter->arrived[waiter->arrived_count++] = (struct pending){event, done, context};
        pthread_cond_signal(&waiter->changed);
    }
    pthread_mutex_unlock(&waiter->lock);
    return room ? E2B_OK : e2b_fail_memory(err, "a watched event");
}
