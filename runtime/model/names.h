/* From names to numbers: which value a name of the file means. */
#ifndef E2B_MODEL_NAMES_H
#define E2B_MODEL_NAMES_H

#include "runtime/base/status.h"

/* Zeroed is empty. Keys are not copied. */
struct e2b_names {
    struct e2b_name {
        const char *key; /* NULL: free */
        int number;
    } * slots;
    int count, capacity; /* capacity is a power of two or 0 */
};

/* -1 if unknown. */
int e2b_names_find(const struct e2b_names *names, const char *key);
/* The key must be new. */
enum e2b_status e2b_names_add(
    struct e2b_names *names, const char *key, int number, struct e2b_error *err);
void e2b_names_finish(struct e2b_names *names);

#endif
