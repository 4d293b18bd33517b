/* A growable string, and small text helpers. */
#ifndef E2B_BASE_TEXT_H
#define E2B_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is empty. data is NUL-terminated once anything was added; it is NULL after a failure to
 * grow, which `failed` records and later calls respect, so that one check at the end suffices. */
struct e2b_text {
    char *data;
    size_t len, capacity;
    bool failed;
};

void e2b_text_add(struct e2b_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void e2b_text_add_bytes(struct e2b_text *text, const void *bytes, size_t len);
void e2b_text_finish(struct e2b_text *text); /* frees and zeroes */

/* The candidate nearest to word by edit distance, or NULL if none is near (more than a third of the
 * letters differ). candidates ends with NULL. */
const char *e2b_text_nearest(const char *word, const char *const *candidates);

/* 64-bit FNV-1a, chained: start from E2B_HASH_START. */
#define E2B_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t e2b_hash(uint64_t hash, const void *bytes, size_t len);

#endif
