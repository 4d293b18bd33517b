#include "runtime/base/ring.h"

#include "runtime/base/clock.h"
#include "tests/support.h"
#include <pthread.h>
#include <sched.h>
#include <string.h>

static void messages_come_out_in_order(void **state) {
    (void)state;
    struct e2b_ring *ring = e2b_ring_create(4, sizeof(int));
    int out;
    assert_non_null(ring);
    assert_false(e2b_ring_pop(ring, &out));
    for (int lap = 0; lap < 10; lap++) {
        for (int i = 0; i < 3; i++)
            assert_true(e2b_ring_push(ring, &(int){lap * 3 + i}));
        for (int i = 0; i < 3; i++) {
            assert_true(e2b_ring_pop(ring, &out));
            assert_int_equal(out, lap * 3 + i);
        }
        assert_false(e2b_ring_pop(ring, &out));
    }
    e2b_ring_destroy(ring);
    e2b_ring_destroy(NULL);
}

static void full_ring_refuses_and_keeps(void **state) {
    (void)state;
    static const size_t asked[] = {0, 1, 2, 3, 5, 64}, given[] = {2, 2, 2, 4, 8, 64};
    for (size_t c = 0; c < sizeof asked / sizeof *asked; c++) {
        struct e2b_ring *ring = e2b_ring_create(asked[c], sizeof(size_t));
        size_t out;
        for (size_t i = 0; i < given[c]; i++)
            assert_true(e2b_ring_push(ring, &i));
        assert_false(e2b_ring_push(ring, &(size_t){99}));
        for (size_t i = 0; i < given[c]; i++) {
            assert_true(e2b_ring_pop(ring, &out));
            assert_int_equal(out, i);
        }
        assert_false(e2b_ring_pop(ring, &out));
        e2b_ring_destroy(ring);
    }
}

static void odd_sizes_are_copied_whole(void **state) {
    (void)state;
    unsigned char in[37], out[37];
    for (size_t bytes = 1; bytes <= sizeof in; bytes++) {
        struct e2b_ring *ring = e2b_ring_create(2, bytes);
        memset(in, (int)bytes, sizeof in);
        assert_true(e2b_ring_push(ring, in));
        assert_true(e2b_ring_pop(ring, out));
        assert_memory_equal(in, out, bytes);
        e2b_ring_destroy(ring);
    }
}

static void absurd_capacity_is_no_memory(void **state) {
    (void)state;
    assert_null(e2b_ring_create(SIZE_MAX, 8));
    assert_null(e2b_ring_create(2, SIZE_MAX));
}

static void wait_ends_with_the_clock(void **state) {
    (void)state;
    struct e2b_ring *ring = e2b_ring_create(2, 1);
    int64_t start = e2b_clock_ns();
    e2b_ring_wait(ring, start + 5000000);
    assert_true(e2b_clock_ns() >= start + 5000000);
    e2b_ring_wait(ring, start); /* long past */
    e2b_ring_destroy(ring);
}

static void wake_before_wait_is_not_lost(void **state) {
    (void)state;
    struct e2b_ring *ring = e2b_ring_create(2, 1);
    e2b_ring_wake(ring);
    e2b_ring_wait(ring, INT64_MAX);
    assert_true(e2b_ring_push(ring, "x"));
    e2b_ring_wait(ring, INT64_MAX);
    e2b_ring_destroy(ring);
}

static void *wake_later(void *ring) {
    e2b_clock_sleep_ns(5000000);
    e2b_ring_wake(ring);
    return NULL;
}

static void wake_ends_a_sleep(void **state) {
    (void)state;
    struct e2b_ring *ring = e2b_ring_create(2, 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, ring), 0);
    e2b_ring_wait(ring, INT64_MAX);
    pthread_join(thread, NULL);
    e2b_ring_destroy(ring);
}

enum { PRODUCERS = 4, MESSAGES = 20000 };

struct message {
    int producer, number;
    uint64_t check;
};

struct producer {
    struct e2b_ring *ring;
    int index;
};

static uint64_t check_of(int producer, int number) {
    return (uint64_t)producer * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)number;
}

static void *produce(void *context) {
    const struct producer *self = context;
    for (int i = 0; i < MESSAGES; i++) {
        struct message message = {self->index, i, check_of(self->index, i)};
        while (!e2b_ring_push(self->ring, &message))
            sched_yield();
    }
    return NULL;
}

/* The consumer sleeps whenever the ring is empty: a lost wake-up would hang it. */
static void producers_share_a_ring(void **state) {
    (void)state;
    struct e2b_ring *ring = e2b_ring_create(16, sizeof(struct message));
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){ring, i};
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    int next[PRODUCERS] = {0};
    for (int received = 0; received < PRODUCERS * MESSAGES;) {
        struct message message;
        if (!e2b_ring_pop(ring, &message)) {
            e2b_ring_wait(ring, INT64_MAX);
            continue;
        }
        assert_in_range(message.producer, 0, PRODUCERS - 1);
        assert_int_equal(message.number, next[message.producer]++);
        assert_true(message.check == check_of(message.producer, message.number));
        received++;
    }
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_false(e2b_ring_pop(ring, &(struct message){0}));
    e2b_ring_destroy(ring);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_in_order),
        cmocka_unit_test(full_ring_refuses_and_keeps),
        cmocka_unit_test(odd_sizes_are_copied_whole),
        cmocka_unit_test(absurd_capacity_is_no_memory),
        cmocka_unit_test(wait_ends_with_the_clock),
        cmocka_unit_test(wake_before_wait_is_not_lost),
        cmocka_unit_test(wake_ends_a_sleep),
        cmocka_unit_test(producers_share_a_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
