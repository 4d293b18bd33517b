#include "runtime/model/arena.h"
#include "tests/support.h"

#include <string.h>

static void gives_zeroed_aligned_memory(void **state) {
    (void)state;
    struct e2b_arena arena = {0};
    for (size_t bytes = 0; bytes < 100; bytes += 7) {
        unsigned char *memory = e2b_arena_alloc(&arena, bytes);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 1, bytes);
    }
    assert_string_equal(e2b_arena_copy(&arena, "name"), "name");
    e2b_arena_finish(&arena);
    e2b_arena_finish(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_zeroed_aligned_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
