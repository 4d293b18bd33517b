#include "runtime/model/memory_plan.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b) {
    const struct e2b_block *x = *(struct e2b_block *const *)a, *y = *(struct e2b_block *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : 1;
}

static int64_t round_up(int64_t value, int64_t align) {
    return (value + align - 1) / align * align;
}

static bool alive_together(const struct e2b_block *a, const struct e2b_block *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* The smallest hole that holds the block among those placed (sorted by offset) and alive with it.
 */
static int64_t best_fit(
    const struct e2b_block *block, struct e2b_block *const *placed, int count, int64_t align) {
    int64_t end = 0, best = -1, best_hole = INT64_MAX;
    for (int i = 0; i < count; i++) {
        if (!alive_together(block, placed[i]))
            continue;
        int64_t hole = placed[i]->offset - end;
        if (hole >= block->bytes && hole < best_hole) {
            best = end;
            best_hole = hole;
        }
        int64_t stop = round_up(placed[i]->offset + placed[i]->bytes, align);
        end = stop > end ? stop : end;
    }
    return best >= 0 ? best : end;
}

static void insert_by_offset(struct e2b_block **placed, int count, struct e2b_block *block) {
    int i = count;
    for (; i > 0 && placed[i - 1]->offset > block->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = block;
}

static enum e2b_status check(
    const struct e2b_block *blocks, int count, int64_t align, struct e2b_error *err) {
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        int64_t padded;
        if (blocks[i].bytes < 0 || blocks[i].first > blocks[i].last
            || __builtin_add_overflow(blocks[i].bytes, align, &padded)
            || __builtin_add_overflow(total, padded, &total))
            return e2b_fail(err, E2B_INVALID,
                "memory plan: block %d of %" PRId64 " bytes over steps %d..%d is not possible", i,
                blocks[i].bytes, blocks[i].first, blocks[i].last);
    }
    return E2B_OK;
}

enum e2b_status e2b_memory_plan(struct e2b_block *blocks, int count, int64_t align,
    int64_t *arena_bytes, struct e2b_error *err) {
    *arena_bytes = 0;
    if (check(blocks, count, align, err) != E2B_OK)
        return err->status;
    struct e2b_block **sorted = calloc(2 * (size_t)count + 1, sizeof *sorted);
    if (!sorted)
        return e2b_fail_memory(err, "a memory plan");
    struct e2b_block **placed = sorted + count;
    for (int i = 0; i < count; i++)
        sorted[i] = &blocks[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    for (int i = 0; i < count; i++) {
        struct e2b_block *block = sorted[i];
        block->offset = best_fit(block, placed, i, align);
        insert_by_offset(placed, i, block);
        int64_t end = round_up(block->offset + block->bytes, align);
        *arena_bytes = end > *arena_bytes ? end : *arena_bytes;
    }
    free(sorted);
    return E2B_OK;
}
