/* The ready slots of one model that wait for a batch: which is due first, which is dead first, and
 * which are neighbours. Adding and removing take O(log n). */
#ifndef E2B_SCHED_WAITING_H
#define E2B_SCHED_WAITING_H

#include "runtime/base/bitset.h"
#include "sched/heap.h"

struct e2b_sched_waiting {
    struct e2b_bitset slots;
    struct e2b_sched_heap by_due;      /* (priority, due) */
    struct e2b_sched_heap by_deadline; /* those that have one */
    uint64_t sequence;
};

/* False when out of memory. */
bool e2b_sched_waiting_init(struct e2b_sched_waiting *waiting, int slot_count);
void e2b_sched_waiting_finish(struct e2b_sched_waiting *waiting);

/* Slots are served by priority (smaller first), then by due time, then as they came. deadline_ns is
 * INT64_MAX if none. */
void e2b_sched_waiting_add(
    struct e2b_sched_waiting *waiting, int slot, int priority, int64_t due_ns, int64_t deadline_ns);
void e2b_sched_waiting_remove(struct e2b_sched_waiting *waiting, int slot);
void e2b_sched_waiting_remove_run(struct e2b_sched_waiting *waiting, int first, int count);

/* The slot to serve first, -1 if none waits; its key may be compared between models. */
int e2b_sched_waiting_head(const struct e2b_sched_waiting *waiting);
const struct e2b_sched_key *e2b_sched_waiting_key(
    const struct e2b_sched_waiting *waiting, int slot);

/* Earliest deadline, INT64_MAX if there is none, and its slot (-1). */
int64_t e2b_sched_waiting_deadline(const struct e2b_sched_waiting *waiting, int *slot);

/* At most `most` waiting neighbours among which is slot: as many as there are, beginning at slot if
 * that many follow it, else as little before it as needed. Returns the first; count is out. */
int e2b_sched_waiting_run(const struct e2b_sched_waiting *waiting, int slot, int most, int *count);

/* First of `length` waiting neighbours, searched in ring order from slot `from`, in as many slots
 * as a decision has time for; -1 if none. */
#define E2B_WAITING_REACH 4096
int e2b_sched_waiting_find(const struct e2b_sched_waiting *waiting, int from, int length);

#endif
