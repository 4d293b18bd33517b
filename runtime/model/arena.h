/* Allocations that are freed together. */
#ifndef E2B_MODEL_ARENA_H
#define E2B_MODEL_ARENA_H

#include <stddef.h>

/* Zeroed is empty. */
struct e2b_arena {
    struct e2b_arena_block *blocks;
};

/* Zeroed memory, aligned for any type; NULL when there is none. */
void *e2b_arena_alloc(struct e2b_arena *arena, size_t bytes);
char *e2b_arena_copy(struct e2b_arena *arena, const char *text);
void e2b_arena_finish(struct e2b_arena *arena);

#endif
