/* A set of small numbers with searches for neighbours, as a bitmap. Not thread-safe. */
#ifndef E2B_BASE_BITSET_H
#define E2B_BASE_BITSET_H

#include <stdbool.h>
#include <stdint.h>

struct e2b_bitset {
    uint64_t *words;
    int capacity; /* members are 0 .. capacity - 1 */
    int count;
};

/* Empty. False when out of memory. */
bool e2b_bitset_init(struct e2b_bitset *set, int capacity);
void e2b_bitset_finish(struct e2b_bitset *set);

bool e2b_bitset_has(const struct e2b_bitset *set, int member);
void e2b_bitset_add(struct e2b_bitset *set, int member);    /* not a member yet */
void e2b_bitset_remove(struct e2b_bitset *set, int member); /* a member */

/* First member in from .. capacity - 1, or capacity. from may be capacity. */
int e2b_bitset_next(const struct e2b_bitset *set, int from);

/* Members in from .. until - 1; both lie within 0 .. capacity. */
int e2b_bitset_count_in(const struct e2b_bitset *set, int from, int until);

/* First of `length` (1 or more) neighbouring members in from .. until - 1 (until is capacity at
 * most), or capacity. Looks at 64 numbers at a time. */
int e2b_bitset_next_run(const struct e2b_bitset *set, int from, int until, int length);

#endif
