#include "runtime/pool/slot_set.h"

#include <assert.h>
#include <stdlib.h>

static int word_count(const struct e2b_slot_set *set) {
    return (set->capacity + 63) / 64;
}

static uint64_t bit(int slot) {
    return UINT64_C(1) << (slot % 64);
}

bool e2b_slot_set_init(struct e2b_slot_set *set, int capacity) {
    *set = (struct e2b_slot_set){0};
    set->words = calloc((size_t)capacity / 64 + 1, sizeof *set->words);
    set->capacity = set->words ? capacity : 0;
    return set->words;
}

void e2b_slot_set_finish(struct e2b_slot_set *set) {
    free(set->words);
    *set = (struct e2b_slot_set){0};
}

bool e2b_slot_set_has(const struct e2b_slot_set *set, int slot) {
    return set->words[slot / 64] & bit(slot);
}

void e2b_slot_set_add(struct e2b_slot_set *set, int slot) {
    assert(!e2b_slot_set_has(set, slot));
    set->words[slot / 64] |= bit(slot);
    set->count++;
}

void e2b_slot_set_remove(struct e2b_slot_set *set, int slot) {
    assert(e2b_slot_set_has(set, slot));
    set->words[slot / 64] &= ~bit(slot);
    set->count--;
}

/* First slot from `from` on whose membership differs from that of a word of `skip`. */
static int next_unlike(const struct e2b_slot_set *set, int from, uint64_t skip) {
    if (from >= set->capacity)
        return set->capacity;
    uint64_t found = (set->words[from / 64] ^ skip) & (~UINT64_C(0) << (from % 64));
    int word = from / 64;
    while (!found) {
        if (++word == word_count(set))
            return set->capacity;
        found = set->words[word] ^ skip;
    }
    int slot = word * 64 + __builtin_ctzll(found);
    return slot < set->capacity ? slot : set->capacity;
}

int e2b_slot_set_next(const struct e2b_slot_set *set, int from) {
    return next_unlike(set, from, 0);
}

int e2b_slot_set_next_run(const struct e2b_slot_set *set, int from, int length) {
    int first = next_unlike(set, from, 0);
    while (first + length <= set->capacity) {
        int end = next_unlike(set, first, ~UINT64_C(0));
        if (end - first >= length)
            return first;
        first = next_unlike(set, end, 0);
    }
    return set->capacity;
}
