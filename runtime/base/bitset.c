#include "runtime/base/bitset.h"

#include <assert.h>
#include <stdlib.h>

static int word_count(const struct e2b_bitset *set) {
    return (set->capacity + 63) / 64;
}

static uint64_t bit(int member) {
    return UINT64_C(1) << (member % 64);
}

bool e2b_bitset_init(struct e2b_bitset *set, int capacity) {
    *set = (struct e2b_bitset){0};
    set->words = calloc((size_t)capacity / 64 + 1, sizeof *set->words);
    set->capacity = set->words ? capacity : 0;
    return set->words;
}

void e2b_bitset_finish(struct e2b_bitset *set) {
    free(set->words);
    *set = (struct e2b_bitset){0};
}

bool e2b_bitset_has(const struct e2b_bitset *set, int member) {
    return set->words[member / 64] & bit(member);
}

void e2b_bitset_add(struct e2b_bitset *set, int member) {
    assert(!e2b_bitset_has(set, member));
    set->words[member / 64] |= bit(member);
    set->count++;
}

void e2b_bitset_remove(struct e2b_bitset *set, int member) {
    assert(e2b_bitset_has(set, member));
    set->words[member / 64] &= ~bit(member);
    set->count--;
}

/* First member from `from` on whose membership differs from that of a word of `skip`. */
static int next_unlike(const struct e2b_bitset *set, int from, uint64_t skip) {
    if (from >= set->capacity)
        return set->capacity;
    uint64_t found = (set->words[from / 64] ^ skip) & (~UINT64_C(0) << (from % 64));
    int word = from / 64;
    while (!found) {
        if (++word == word_count(set))
            return set->capacity;
        found = set->words[word] ^ skip;
    }
    int member = word * 64 + __builtin_ctzll(found);
    return member < set->capacity ? member : set->capacity;
}

int e2b_bitset_next(const struct e2b_bitset *set, int from) {
    return next_unlike(set, from, 0);
}

int e2b_bitset_count_in(const struct e2b_bitset *set, int from, int until) {
    int count = 0;
    if (from >= until)
        return 0;
    uint64_t mask = ~UINT64_C(0) << (from % 64);
    for (int i = from / 64; i <= (until - 1) / 64; i++, mask = ~UINT64_C(0)) {
        if (i == (until - 1) / 64)
            mask &= ~UINT64_C(0) >> (63 - (until - 1) % 64);
        count += __builtin_popcountll(set->words[i] & mask);
    }
    return count;
}

/* The members of a word that begin `length` (1..64) neighbouring members; after is the next word.
 * Each round doubles the length that a bit vouches for. */
static uint64_t starts(uint64_t word, uint64_t after, int length) {
    for (int vouched = 1; vouched < length;) {
        int shift = vouched < length - vouched ? vouched : length - vouched;
        word &= word >> shift | after << (64 - shift);
        after &= after >> shift;
        vouched += shift;
    }
    return word;
}

static int next_start(const struct e2b_bitset *set, int from, int until, int length) {
    if (from >= until)
        return set->capacity;
    uint64_t mask = ~UINT64_C(0) << (from % 64);
    for (int i = from / 64; 64 * i < until; i++, mask = ~UINT64_C(0)) {
        uint64_t after = i + 1 < word_count(set) ? set->words[i + 1] : 0;
        uint64_t found = starts(set->words[i], after, length) & mask;
        if (found)
            return i * 64 + __builtin_ctzll(found);
    }
    return set->capacity;
}

int e2b_bitset_next_run(const struct e2b_bitset *set, int from, int until, int length) {
    int part = length < 64 ? length : 64;
    int first = next_start(set, from, until, part);
    while (first + length <= until) {
        int end = next_unlike(set, first, ~UINT64_C(0));
        if (end - first >= length)
            return first;
        first = next_start(set, end, until, part);
    }
    return set->capacity;
}
