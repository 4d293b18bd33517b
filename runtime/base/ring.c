#include "runtime/base/ring.h"

#include "runtime/base/clock.h"
#include <linux/futex.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Messages come in bursts, and to wake a sleeper costs who sends some microseconds. */
#define LINGER_NS 20000

/* Each cell carries the position that may use it next: position p may be pushed when its cell says
 * p and popped when it says p + 1; popping leaves p + capacity, the next lap's push. */
struct cell {
    atomic_size_t turn;
    alignas(max_align_t) unsigned char message[];
};

struct e2b_ring {
    size_t mask, message_bytes, stride;
    unsigned char *cells;
    alignas(64) atomic_size_t tail;      /* producers */
    alignas(64) size_t head;             /* the consumer */
    alignas(64) _Atomic uint32_t asleep; /* futex: 1 while the consumer sleeps or is about to */
    atomic_bool woken;
};

static struct cell *cell_at(const struct e2b_ring *ring, size_t position) {
    return (struct cell *)(ring->cells + (position & ring->mask) * ring->stride);
}

struct e2b_ring *e2b_ring_create(size_t capacity, size_t message_bytes) {
    const size_t align = alignof(max_align_t);
    if (capacity > SIZE_MAX / 4 || message_bytes > SIZE_MAX / 4)
        return NULL;
    size_t cells = 2; /* with one cell a full ring would look empty */
    while (cells < capacity)
        cells *= 2;
    struct e2b_ring *ring = aligned_alloc(alignof(struct e2b_ring), sizeof *ring);
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof *ring);
    ring->mask = cells - 1;
    ring->message_bytes = message_bytes;
    ring->stride = (sizeof(struct cell) + message_bytes + align - 1) / align * align;
    ring->cells = calloc(cells, ring->stride);
    if (!ring->cells) {
        e2b_ring_destroy(ring);
        return NULL;
    }
    for (size_t i = 0; i < cells; i++)
        atomic_init(&cell_at(ring, i)->turn, i);
    return ring;
}

void e2b_ring_destroy(struct e2b_ring *ring) {
    if (!ring)
        return;
    free(ring->cells);
    free(ring);
}

/* The caller's last store and this load are sequentially consistent, as are the consumer's store to
 * asleep and its last look at the ring: one of the two sees the other. */
static void notify(struct e2b_ring *ring) {
    if (atomic_load(&ring->asleep) && atomic_exchange(&ring->asleep, 0))
        syscall(SYS_futex, &ring->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool e2b_ring_push(struct e2b_ring *ring, const void *message) {
    size_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        struct cell *cell = cell_at(ring, position);
        size_t turn = atomic_load_explicit(&cell->turn, memory_order_acquire);
        if (turn == position) {
            if (!atomic_compare_exchange_weak_explicit(&ring->tail, &position, position + 1,
                    memory_order_relaxed, memory_order_relaxed))
                continue;
            memcpy(cell->message, message, ring->message_bytes);
            atomic_store(&cell->turn, position + 1);
            notify(ring);
            return true;
        }
        if ((ptrdiff_t)(turn - position) < 0)
            return false;
        position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    }
}

static bool has_message(struct e2b_ring *ring) {
    return atomic_load(&cell_at(ring, ring->head)->turn) == ring->head + 1;
}

bool e2b_ring_pop(struct e2b_ring *ring, void *message) {
    if (!has_message(ring))
        return false;
    struct cell *cell = cell_at(ring, ring->head);
    memcpy(message, cell->message, ring->message_bytes);
    atomic_store_explicit(&cell->turn, ring->head + ring->mask + 1, memory_order_release);
    ring->head++;
    return true;
}

static void sleep_until(struct e2b_ring *ring, int64_t until_ns) {
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    /* The BITSET form takes an absolute time. */
    syscall(SYS_futex, &ring->asleep, FUTEX_WAIT_BITSET_PRIVATE, 1,
        until_ns == INT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* Whether the wait was over soon. */
static bool linger(struct e2b_ring *ring, int64_t until_ns) {
    int64_t now_ns = e2b_clock_ns(), end_ns = now_ns + LINGER_NS;
    for (end_ns = end_ns < until_ns ? end_ns : until_ns; now_ns < end_ns; now_ns = e2b_clock_ns()) {
        if (has_message(ring) || atomic_exchange(&ring->woken, false))
            return true;
        sched_yield();
    }
    return false;
}

void e2b_ring_wait(struct e2b_ring *ring, int64_t until_ns) {
    if (linger(ring, until_ns))
        return;
    for (;;) {
        atomic_store(&ring->asleep, 1);
        bool over = has_message(ring) || atomic_exchange(&ring->woken, false)
            || (until_ns != INT64_MAX && e2b_clock_ns() >= until_ns);
        if (!over)
            sleep_until(ring, until_ns);
        atomic_store(&ring->asleep, 0);
        if (over)
            return;
    }
}

void e2b_ring_wake(struct e2b_ring *ring) {
    atomic_store(&ring->woken, true);
    notify(ring);
}
