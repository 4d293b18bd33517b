#include "runtime/model/memory_plan.h"
#include "tests/support.h"

#include <stdbool.h>
#include <string.h>

#define BLOCKS 200
#define STEPS 60

static unsigned next(unsigned *state) {
    *state = *state * 1103515245u + 12345;
    return *state >> 16;
}

static void check_plan(const struct e2b_block *blocks, int count, int64_t align, int64_t arena) {
    int64_t peak = 0;
    for (int i = 0; i < count; i++) {
        const struct e2b_block *a = &blocks[i];
        assert_int_equal(a->offset % align, 0);
        assert_true(a->offset >= 0 && a->offset + a->bytes <= arena);
        for (int k = 0; k < i; k++) {
            const struct e2b_block *b = &blocks[k];
            bool together = a->first <= b->last && b->first <= a->last;
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            assert_true(!together || apart);
        }
    }
    for (int step = 0; step < STEPS; step++) {
        int64_t alive = 0;
        for (int i = 0; i < count; i++)
            if (blocks[i].first <= step && step <= blocks[i].last)
                alive += (blocks[i].bytes + align - 1) / align * align;
        peak = alive > peak ? alive : peak;
    }
    assert_true(arena >= peak && arena <= 2 * peak + align);
}

static void blocks_alive_together_never_overlap(void **state) {
    (void)state;
    static struct e2b_block blocks[BLOCKS];
    for (unsigned seed = 1; seed <= 40; seed++) {
        unsigned random = seed;
        int count = (int)(next(&random) % BLOCKS);
        int64_t align = INT64_C(1) << next(&random) % 9, arena;
        for (int i = 0; i < count; i++) {
            int first = (int)(next(&random) % STEPS), length = (int)(next(&random) % 8);
            int last = first + length < STEPS ? first + length : STEPS - 1;
            blocks[i] = (struct e2b_block){1 + next(&random) % 5000, first, last, -1};
        }
        struct e2b_error err = {0};
        assert_ok(e2b_memory_plan(blocks, count, align, &arena, &err), err);
        check_plan(blocks, count, align, arena);
    }
}

/* A chain of layers needs the two largest neighbours, no more. */
static void chain_needs_two_neighbours(void **state) {
    (void)state;
    struct e2b_block blocks[] = {
        {1000, 0, 1, 0}, {4000, 1, 2, 0}, {3000, 2, 3, 0}, {100, 3, 4, 0}, {50, 4, 5, 0}};
    struct e2b_error err = {0};
    int64_t arena;
    assert_ok(e2b_memory_plan(blocks, 5, 1, &arena, &err), err);
    assert_int_equal(arena, 7000);
}

static void impossible_blocks_are_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    int64_t arena;
    struct e2b_block backwards = {10, 3, 2, 0}, negative = {-1, 0, 1, 0};
    struct e2b_block huge[2] = {{INT64_MAX - 10, 0, 1, 0}, {INT64_MAX - 10, 0, 1, 0}};
    assert_fails(e2b_memory_plan(&backwards, 1, 64, &arena, &err), E2B_INVALID, "block 0", err);
    assert_fails(e2b_memory_plan(&negative, 1, 64, &arena, &err), E2B_INVALID, "block 0", err);
    assert_fails(e2b_memory_plan(huge, 2, 1, &arena, &err), E2B_INVALID, "block 1", err);
    assert_ok(e2b_memory_plan(NULL, 0, 64, &arena, &err), err);
    assert_int_equal(arena, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_alive_together_never_overlap),
        cmocka_unit_test(chain_needs_two_neighbours),
        cmocka_unit_test(impossible_blocks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
