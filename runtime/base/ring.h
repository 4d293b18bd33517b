/* Bounded queue, many producers, one consumer, fixed-size messages copied in and out. A push never
 * blocks; the consumer may sleep until something arrives. */
#ifndef E2B_BASE_RING_H
#define E2B_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct e2b_ring;

/* capacity is rounded up to a power of two. NULL when out of memory. */
struct e2b_ring *e2b_ring_create(size_t capacity, size_t message_bytes);
void e2b_ring_destroy(struct e2b_ring *ring);

/* Any thread. False if full; nothing was queued then. Wakes a sleeping consumer. */
bool e2b_ring_push(struct e2b_ring *ring, const void *message);

/* Consumer only. False if empty. */
bool e2b_ring_pop(struct e2b_ring *ring, void *message);

/* Consumer only. Sleep until there is a message, e2b_ring_wake is called, or the clock passes
 * until_ns (INT64_MAX: no limit). */
void e2b_ring_wait(struct e2b_ring *ring, int64_t until_ns);
void e2b_ring_wake(struct e2b_ring *ring);

#endif
