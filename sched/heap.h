/* Numbers 0 .. capacity - 1 in a binary heap by key, smallest first, any of which can be removed.
 */
#ifndef E2B_SCHED_HEAP_H
#define E2B_SCHED_HEAP_H

#include <stdbool.h>
#include <stdint.h>

/* Compared from first to last; a sequence number makes the order complete. */
struct e2b_sched_key {
    int64_t first, second;
    uint64_t sequence;
};

struct e2b_sched_heap_node {
    struct e2b_sched_key key;
    int number;
};

struct e2b_sched_heap {
    struct e2b_sched_heap_node *nodes;
    int *place; /* by number: index in nodes, -1 if not in the heap */
    int count;
};

bool e2b_sched_key_less(const struct e2b_sched_key *a, const struct e2b_sched_key *b);

/* False when out of memory. */
bool e2b_sched_heap_init(struct e2b_sched_heap *heap, int capacity);
void e2b_sched_heap_finish(struct e2b_sched_heap *heap);
void e2b_sched_heap_add(struct e2b_sched_heap *heap, int number, const struct e2b_sched_key *key);
void e2b_sched_heap_remove(struct e2b_sched_heap *heap, int number); /* that is in it */
int e2b_sched_heap_least(const struct e2b_sched_heap *heap);         /* -1 if empty */
/* Of a number that is in it, until it changes. */
const struct e2b_sched_key *e2b_sched_heap_key(const struct e2b_sched_heap *heap, int number);

#endif
