#include "runtime/model/arena.h"

#include <stdlib.h>
#include <string.h>

struct e2b_arena_block {
    struct e2b_arena_block *next;
    _Alignas(max_align_t) char data[];
};

void *e2b_arena_alloc(struct e2b_arena *arena, size_t bytes) {
    struct e2b_arena_block *block = calloc(1, sizeof *block + bytes);
    if (!block)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

char *e2b_arena_copy(struct e2b_arena *arena, const char *text) {
    size_t bytes = strlen(text) + 1;
    char *copy = e2b_arena_alloc(arena, bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void e2b_arena_finish(struct e2b_arena *arena) {
    for (struct e2b_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}
