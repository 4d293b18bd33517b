/* A set of slot numbers with searches for neighbours, as a bitmap. Not thread-safe. */
#ifndef E2B_POOL_SLOT_SET_H
#define E2B_POOL_SLOT_SET_H

#include <stdbool.h>
#include <stdint.h>

struct e2b_slot_set {
    uint64_t *words;
    int capacity; /* members are 0 .. capacity - 1 */
    int count;
};

/* Empty. False when out of memory. */
bool e2b_slot_set_init(struct e2b_slot_set *set, int capacity);
void e2b_slot_set_finish(struct e2b_slot_set *set);

bool e2b_slot_set_has(const struct e2b_slot_set *set, int slot);
void e2b_slot_set_add(struct e2b_slot_set *set, int slot);    /* not a member yet */
void e2b_slot_set_remove(struct e2b_slot_set *set, int slot); /* a member */

/* First member in from .. capacity - 1, or capacity. from may be capacity. */
int e2b_slot_set_next(const struct e2b_slot_set *set, int from);

/* First of `length` neighbouring members in from .. capacity - 1, or capacity. */
int e2b_slot_set_next_run(const struct e2b_slot_set *set, int from, int length);

#endif
