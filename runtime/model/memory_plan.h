/* Places blocks that live for known spans into one arena so that blocks alive at the same time
 * never overlap: greedy by size, best fit (as in TensorFlow Lite's arena planner). */
#ifndef E2B_MODEL_MEMORY_PLAN_H
#define E2B_MODEL_MEMORY_PLAN_H

#include "runtime/base/status.h"
#include <stdint.h>

struct e2b_block {
    int64_t bytes;
    int first, last; /* alive from step first to step last, inclusive */
    int64_t offset;  /* out, a multiple of align */
};

/* Returns the arena's size through arena_bytes. */
enum e2b_status e2b_memory_plan(struct e2b_block *blocks, int count, int64_t align,
    int64_t *arena_bytes, struct e2b_error *err);

#endif
