#include "runtime/model/names.h"

#include "runtime/base/text.h"

#include <stdlib.h>
#include <string.h>

static struct e2b_name *slot_of(const struct e2b_names *names, const char *key) {
    size_t mask = (size_t)names->capacity - 1;
    size_t i = e2b_hash(E2B_HASH_START, key, strlen(key)) & mask;
    while (names->slots[i].key && strcmp(names->slots[i].key, key) != 0)
        i = (i + 1) & mask;
    return &names->slots[i];
}

int e2b_names_find(const struct e2b_names *names, const char *key) {
    if (!names->capacity)
        return -1;
    const struct e2b_name *slot = slot_of(names, key);
    return slot->key ? slot->number : -1;
}

static bool grow(struct e2b_names *names) {
    struct e2b_names bigger = {
        .count = names->count, .capacity = names->capacity ? 2 * names->capacity : 256};
    bigger.slots = calloc((size_t)bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (int i = 0; i < names->capacity; i++)
        if (names->slots[i].key)
            *slot_of(&bigger, names->slots[i].key) = names->slots[i];
    free(names->slots);
    *names = bigger;
    return true;
}

enum e2b_status e2b_names_add(
    struct e2b_names *names, const char *key, int number, struct e2b_error *err) {
    if (2 * names->count >= names->capacity && !grow(names))
        return e2b_fail_memory(err, "names");
    *slot_of(names, key) = (struct e2b_name){key, number};
    names->count++;
    return E2B_OK;
}

void e2b_names_finish(struct e2b_names *names) {
    free(names->slots);
    *names = (struct e2b_names){0};
}
