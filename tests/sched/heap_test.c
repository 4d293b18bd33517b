#include "sched/heap.h"

#include "tests/support.h"
#include <stdlib.h>

static void keys_compare_from_first_to_last(void **state) {
    (void)state;
    const struct e2b_sched_key ascending[] = {
        {-1, 9, 9}, {0, 1, 9}, {0, 2, 0}, {0, 2, 1}, {INT64_MAX, 0, 0}};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            assert_int_equal(e2b_sched_key_less(&ascending[i], &ascending[j]), i < j);
}

static int naive_least(const struct e2b_sched_key *keys, const bool *in, int count) {
    int least = -1;
    for (int i = 0; i < count; i++)
        if (in[i] && (least < 0 || e2b_sched_key_less(&keys[i], &keys[least])))
            least = i;
    return least;
}

static void least_agrees_with_a_plain_loop(void **state) {
    (void)state;
    enum { COUNT = 50 };
    const unsigned seed = 11;
    print_message("seed %u\n", seed);
    srand(seed);
    struct e2b_sched_heap heap;
    struct e2b_sched_key keys[COUNT];
    bool in[COUNT] = {false};
    assert_true(e2b_sched_heap_init(&heap, COUNT));
    for (int step = 0; step < 50000; step++) {
        int number = rand() % COUNT;
        if (in[number]) {
            e2b_sched_heap_remove(&heap, number);
        } else {
            keys[number] = (struct e2b_sched_key){rand() % 3, rand() % 5, (uint64_t)step};
            e2b_sched_heap_add(&heap, number, &keys[number]);
        }
        in[number] = !in[number];
        assert_int_equal(e2b_sched_heap_least(&heap), naive_least(keys, in, COUNT));
    }
    e2b_sched_heap_finish(&heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_compare_from_first_to_last),
        cmocka_unit_test(least_agrees_with_a_plain_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
