#include "runtime/base/bitset.h"
#include "tests/support.h"
#include <stdlib.h>

#define CAPACITY 200

static int naive_run(const bool *in, int capacity, int from, int length) {
    for (int first = from; first + length <= capacity; first++) {
        int i = 0;
        while (i < length && in[first + i])
            i++;
        if (i == length)
            return first;
    }
    return capacity;
}

static void check_searches(const struct e2b_bitset *set, const bool *in) {
    for (int from = 0; from <= set->capacity; from++) {
        assert_int_equal(e2b_bitset_next(set, from), naive_run(in, set->capacity, from, 1));
        for (int until = from, count = 0; until <= set->capacity; until++) {
            count += until > from && in[until - 1];
            assert_int_equal(e2b_bitset_count_in(set, from, until), count);
        }
        for (int length = 1; length <= 70; length += 3)
            for (int until = from; until <= set->capacity;
                 until += 1 + (set->capacity - until) / 2) {
                int found = naive_run(in, until, from, length);
                assert_int_equal(e2b_bitset_next_run(set, from, until, length),
                    found < until ? found : set->capacity);
            }
    }
}

static void searches_agree_with_a_plain_loop(void **state) {
    (void)state;
    const unsigned seed = 20261123;
    print_message("seed %u\n", seed);
    srand(seed);
    const int capacities[] = {1, 63, 64, 65, 128, CAPACITY};
    for (size_t c = 0; c < sizeof capacities / sizeof *capacities; c++) {
        for (int density = 0; density <= 4; density++) {
            struct e2b_bitset set;
            bool in[CAPACITY] = {false};
            assert_true(e2b_bitset_init(&set, capacities[c]));
            int count = 0;
            for (int i = 0; i < set.capacity; i++) {
                in[i] = rand() % 4 < density;
                if (in[i])
                    e2b_bitset_add(&set, i);
                count += in[i];
            }
            assert_int_equal(set.count, count);
            check_searches(&set, in);
            e2b_bitset_finish(&set);
        }
    }
}

static void members_come_and_go(void **state) {
    (void)state;
    struct e2b_bitset set;
    assert_true(e2b_bitset_init(&set, 65));
    assert_int_equal(e2b_bitset_next(&set, 0), 65);
    e2b_bitset_add(&set, 64);
    assert_true(e2b_bitset_has(&set, 64));
    assert_false(e2b_bitset_has(&set, 63));
    assert_int_equal(e2b_bitset_next(&set, 0), 64);
    e2b_bitset_remove(&set, 64);
    assert_int_equal(set.count, 0);
    assert_int_equal(e2b_bitset_next(&set, 0), 65);
    e2b_bitset_finish(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_agree_with_a_plain_loop),
        cmocka_unit_test(members_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
