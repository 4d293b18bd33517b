#include "backends/sim/sim.h"
#include "runtime/pool/pool.h"
#include "tests/support.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const int64_t input_bytes[] = {100, 8}, output_bytes[] = {12, 64};

static struct e2b_device *make_device(int64_t memory_bytes) {
    const struct e2b_traits traits = {
        .memory_bytes = memory_bytes, .max_buffer_bytes = memory_bytes, .max_group = 256};
    const struct e2b_sim_options options = {
        .traits = &traits, .copy_ns = 10, .copy_bytes_per_ns = 1};
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    assert_ok(e2b_sim_create(&options, &device, &err), err);
    return device;
}

static struct e2b_pool *make_pool(struct e2b_device *device, int slot_count) {
    const struct e2b_pool_spec spec = {slot_count, 2, 2, input_bytes, output_bytes, 64, 0};
    struct e2b_pool *pool = NULL;
    struct e2b_error err = {0};
    assert_ok(e2b_pool_create(device, &spec, &pool, &err), err);
    return pool;
}

static void destroy_all(struct e2b_device *device, struct e2b_pool *pool) {
    e2b_pool_destroy(pool);
    assert_int_equal(e2b_sim_objects(device).buffers, 0);
    device->ops->destroy(device);
}

static void walk(struct e2b_pool *pool, int slot, enum e2b_slot_state to) {
    for (int s = E2B_SLOT_COPYING; s <= (int)to; s++)
        e2b_pool_move(pool, slot, (enum e2b_slot_state)s, s);
}

static void strides_and_addresses_agree(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 4);
    assert_int_equal(e2b_pool_align(&(struct e2b_traits){.base_align_bytes = 256}), 256);
    assert_int_equal(e2b_pool_align(&(struct e2b_traits){.base_align_bytes = 4}), 64);
    assert_int_equal(e2b_pool_stride(100, 64), 128);
    assert_int_equal(e2b_pool_stride(64, 64), 64);
    assert_int_equal(e2b_pool_input_stride(pool, 0), 128);
    assert_int_equal(e2b_pool_input_stride(pool, 1), 64);
    assert_int_equal(e2b_pool_output_stride(pool, 0), 64);
    assert_int_equal(e2b_pool_device_bytes(pool), 4 * (128 + 64 + 64 + 64));
    assert_int_equal(e2b_sim_objects(device).device_bytes, e2b_pool_device_bytes(pool));
    assert_int_equal(e2b_pool_slot_count(pool), 4);
    char *first = e2b_pool_input_host(pool, 0, 0);
    assert_ptr_equal(e2b_pool_input_host(pool, 3, 0), first + 3 * 128);
    assert_ptr_not_equal(e2b_pool_input_buffer(pool, 0), e2b_pool_input_buffer(pool, 1));
    destroy_all(device, pool);
}

static void a_slot_lives_through_its_states(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 2);
    struct e2b_error err = {0};
    int slot, owner;
    assert_ok(e2b_pool_reserve(pool, 1, 5, &owner, &slot, &err), err);
    const struct e2b_slot *record = e2b_pool_slot(pool, slot);
    assert_ptr_equal(record->owner, &owner);
    assert_int_equal(record->entered_ns[E2B_SLOT_FILLING], 5);
    for (int s = E2B_SLOT_COPYING; s <= E2B_SLOT_DONE; s++) {
        e2b_pool_move(pool, slot, (enum e2b_slot_state)s, 10 * s);
        assert_int_equal(record->state, s);
        assert_int_equal(record->entered_ns[s], 10 * s);
    }
    assert_int_equal(e2b_pool_free_count(pool), 1);
    e2b_pool_move(pool, slot, E2B_SLOT_FREE, 99);
    assert_int_equal(e2b_pool_free_count(pool), 2);
    assert_null(record->owner);
    destroy_all(device, pool);
}

static void reserve(struct e2b_pool *pool, int count, int *slots) {
    struct e2b_error err = {0};
    assert_ok(e2b_pool_reserve(pool, count, 0, pool, slots, &err), err);
}

static void reservations_follow_the_ring(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 8);
    struct e2b_error err = {0};
    int a[8], b[8], c[8];
    reserve(pool, 3, a);
    reserve(pool, 3, b);
    assert_int_equal(a[0], 0);
    assert_int_equal(b[0], 3);
    assert_int_equal(b[2], 5);
    for (int i = 0; i < 3; i++)
        e2b_pool_move(pool, a[i], E2B_SLOT_FREE, 0);
    reserve(pool, 3, c); /* 6, 7 are too few neighbours: it goes on at the start */
    assert_int_equal(c[0], 0);
    assert_int_equal(c[2], 2);
    reserve(pool, 1, a); /* past the busy ones */
    assert_int_equal(a[0], 6);
    for (int i = 0; i < 3; i += 2)
        e2b_pool_move(pool, c[i], E2B_SLOT_FREE, 0);
    reserve(pool, 3, a); /* 0, 2, 7: not neighbours any more */
    assert_int_equal(a[0], 0);
    assert_int_equal(a[1], 2);
    assert_int_equal(a[2], 7);
    assert_fails(
        e2b_pool_reserve(pool, 1, 0, NULL, a, &err), E2B_BUSY, "all 8 slots are in use", err);
    assert_fails(e2b_pool_reserve(pool, 9, 0, NULL, a, &err), E2B_INVALID, "1..8", err);
    assert_fails(e2b_pool_reserve(pool, 0, 0, NULL, a, &err), E2B_INVALID, "1..8", err);
    for (int i = 0; i < 8; i++)
        e2b_pool_move(pool, i, E2B_SLOT_FREE, 0);
    destroy_all(device, pool);
}

/* What is refused on arrival leaves no gap among those that wait, nor does one that ran. */
static void a_slot_given_back_before_it_ran_is_taken_next(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 64);
    int slots[6], next;
    for (int i = 0; i < 6; i++)
        reserve(pool, 1, &slots[i]);
    walk(pool, slots[0], E2B_SLOT_DONE);
    e2b_pool_move(pool, slots[0], E2B_SLOT_FREE, 0);
    e2b_pool_move(pool, slots[4], E2B_SLOT_FREE, 0);
    reserve(pool, 1, &next);
    assert_int_equal(next, slots[4]);
    uint64_t gaps = e2b_pool_gap_count(pool);
    reserve(pool, 1, &next);
    assert_int_equal(next, slots[5] + 1);
    assert_int_equal(e2b_pool_gap_count(pool), gaps + 1);
    for (int i = 1; i < 7; i++)
        e2b_pool_move(pool, i, E2B_SLOT_FREE, 0);
    destroy_all(device, pool);
}

static void too_few_free_slots_take_none(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 4);
    struct e2b_error err = {0};
    int slots[4], none[4] = {-1, -1, -1, -1};
    reserve(pool, 3, slots);
    assert_int_equal(e2b_pool_reserve(pool, 2, 0, NULL, none, &err), E2B_BUSY);
    assert_int_equal(none[0], -1);
    assert_int_equal(e2b_pool_free_count(pool), 1);
    for (int i = 0; i < 3; i++)
        e2b_pool_move(pool, slots[i], E2B_SLOT_FREE, 0);
    destroy_all(device, pool);
}

static void copies_carry_every_input_and_output(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    const struct e2b_device_ops *ops = device->ops;
    struct e2b_pool *pool = make_pool(device, 4);
    struct e2b_queue *queue = NULL;
    struct e2b_error err = {0};
    struct e2b_event *event = NULL;
    assert_ok(ops->queue_create(device, &queue, &err), err);
    unsigned char read[128];
    for (int slot = 1; slot < 4; slot++)
        for (int i = 0; i < 2; i++)
            memset(e2b_pool_input_host(pool, slot, i), 10 * slot + i, (size_t)input_bytes[i]);
    for (int slot = 1; slot < 4; slot += 2) { /* one, and two together */
        assert_ok(e2b_pool_upload(pool, slot, slot == 1 ? 2 : 1, queue, &event, &err), err);
        assert_ok(ops->event_wait(event, &err), err);
        ops->event_release(event);
    }
    for (int slot = 1; slot < 4; slot++)
        for (int i = 0; i < 2; i++) {
            size_t at = (size_t)(slot * e2b_pool_input_stride(pool, i));
            assert_ok(ops->enqueue_read(queue, e2b_pool_input_buffer(pool, i), at, read,
                          (size_t)input_bytes[i], NULL, &err),
                err);
            assert_ok(ops->finish(queue, &err), err);
            for (int b = 0; b < input_bytes[i]; b++)
                assert_int_equal(read[b], 10 * slot + i);
        }
    for (int i = 0; i < 2; i++)
        assert_ok(ops->enqueue_fill(queue, e2b_pool_output_buffer(pool, i), 0,
                      (size_t)(4 * e2b_pool_output_stride(pool, i)), (unsigned char)(70 + i), &err),
            err);
    assert_ok(e2b_pool_download(pool, 1, 3, queue, &event, &err), err);
    assert_ok(ops->event_wait(event, &err), err);
    ops->event_release(event);
    for (int slot = 1; slot < 4; slot++)
        for (int i = 0; i < 2; i++)
            for (int b = 0; b < output_bytes[i]; b++)
                assert_int_equal(((unsigned char *)e2b_pool_output_host(pool, slot, i))[b], 70 + i);
    assert_int_equal(((unsigned char *)e2b_pool_output_host(pool, 0, 0))[0], 0xCD);
    ops->queue_destroy(device, queue);
    destroy_all(device, pool);
}

/* Staged: what is written after the gathering does not travel, and only the run does. */
static void a_run_is_gathered_from_the_host(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 4);
    struct e2b_queue *queue = NULL;
    struct e2b_error err = {0};
    char seen[4] = {0};
    assert_ok(device->ops->queue_create(device, &queue, &err), err);
    assert_ok(e2b_pool_stage(pool, &err), err);
    assert_ok(e2b_pool_stage(pool, &err), err);
    for (int slot = 0; slot < 4; slot++)
        *(char *)e2b_pool_input_host(pool, slot, 0) = (char)('a' + slot);
    assert_ok(e2b_pool_gather(pool, 1, 2, queue, &err), err);
    *(char *)e2b_pool_input_host(pool, 1, 0) = 'z';
    for (int slot = 0; slot < 4; slot++)
        assert_ok(device->ops->enqueue_read(queue, e2b_pool_input_buffer(pool, 0),
                      (size_t)(slot * e2b_pool_input_stride(pool, 0)), &seen[slot], 1, NULL, &err),
            err);
    assert_ok(device->ops->finish(queue, &err), err);
    assert_int_equal(seen[1], 'b');
    assert_int_equal(seen[2], 'c');
    assert_int_not_equal(seen[0], 'a');
    assert_int_not_equal(seen[3], 'd');
    device->ops->queue_destroy(device, queue);
    destroy_all(device, pool);
}

static void device_failures_name_the_copy(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 4);
    struct e2b_queue *queue = NULL;
    struct e2b_error err = {0};
    struct e2b_event *event = NULL;
    assert_ok(device->ops->queue_create(device, &queue, &err), err);
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_ENQUEUE, 2);
    assert_fails(
        e2b_pool_upload(pool, 2, 2, queue, &event, &err), E2B_DEVICE, "input 1 of slots 2..3", err);
    e2b_sim_fail_nth(device, E2B_SIM_FAULT_ENQUEUE, 1);
    assert_fails(e2b_pool_download(pool, 1, 2, queue, &event, &err), E2B_DEVICE,
        "output 0 of slots 1..2", err);
    device->ops->queue_destroy(device, queue);
    destroy_all(device, pool);
}

static void creation_fails_cleanly_wherever_memory_ends(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    const struct e2b_pool_spec spec = {4, 2, 2, input_bytes, output_bytes, 64, 0};
    struct e2b_pool *pool = NULL;
    struct e2b_error err = {0};
    int failures = 0;
    for (int nth = 1; !pool; nth++) {
        e2b_sim_fail_nth(device, E2B_SIM_FAULT_ALLOCATION, nth);
        if (e2b_pool_create(device, &spec, &pool, &err) == E2B_OK)
            break;
        assert_int_equal(err.status, E2B_NO_MEMORY);
        assert_int_equal(e2b_sim_objects(device).buffers, 0);
        memset(&err, 0, sizeof err);
        failures++;
    }
    assert_int_equal(failures, 8); /* a device and a pinned buffer for each input and output */
    destroy_all(device, pool);
}

static void bad_specs_are_refused(void **state) {
    (void)state;
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = NULL;
    struct e2b_error err = {0};
    struct e2b_pool_spec spec = {0, 2, 2, input_bytes, output_bytes, 64, 0};
    assert_fails(e2b_pool_create(device, &spec, &pool, &err), E2B_INVALID, "slots: 0", err);
    spec = (struct e2b_pool_spec){4, 0, 2, input_bytes, output_bytes, 64, 0};
    assert_fails(e2b_pool_create(device, &spec, &pool, &err), E2B_INVALID, "inputs", err);
    spec = (struct e2b_pool_spec){4, 2, 2, input_bytes, output_bytes, 0, 0};
    assert_fails(e2b_pool_create(device, &spec, &pool, &err), E2B_INVALID, "alignment", err);
    const int64_t empty[] = {0}, huge[] = {INT64_MAX / 2};
    spec = (struct e2b_pool_spec){4, 1, 1, empty, output_bytes, 64, 0};
    assert_fails(e2b_pool_create(device, &spec, &pool, &err), E2B_INVALID, "0 bytes", err);
    spec = (struct e2b_pool_spec){4, 1, 1, huge, output_bytes, 64, 0};
    assert_fails(e2b_pool_create(device, &spec, &pool, &err), E2B_INVALID, "input 0", err);
    spec = (struct e2b_pool_spec){1 << 20, 1, 1, input_bytes, output_bytes, 64, 0};
    assert_fails(
        e2b_pool_create(device, &spec, &pool, &err), E2B_TOO_LARGE, "at most 8192 slots", err);
    spec.padding = 31;
    assert_fails(
        e2b_pool_create(device, &spec, &pool, &err), E2B_TOO_LARGE, "at most 8161 slots", err);
    spec.padding = 8192;
    assert_fails(
        e2b_pool_create(device, &spec, &pool, &err), E2B_TOO_LARGE, "smaller batch sizes", err);
    e2b_pool_destroy(NULL);
    device->ops->destroy(device);
}

/* Every pair of states, in a child since an illegal move asserts. */
static bool move_is_accepted(enum e2b_slot_state from, enum e2b_slot_state to) {
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, 1);
    int slot = 0;
    if (from != E2B_SLOT_FREE) {
        reserve(pool, 1, &slot);
        walk(pool, slot, from);
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        signal(SIGABRT, SIG_DFL);
        e2b_pool_move(pool, slot, to, 1);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (from != E2B_SLOT_FREE)
        e2b_pool_move(pool, slot, E2B_SLOT_FREE, 1);
    destroy_all(device, pool);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void only_legal_moves_are_accepted(void **state) {
    (void)state;
    /* Rows: from; columns: to FREE FILLING COPYING READY RUNNING DRAINING DONE. */
    static const char legal[E2B_SLOT_STATE_COUNT][E2B_SLOT_STATE_COUNT + 1] = {
        ".......", /* FREE: only reserve takes it */
        "+.+....", /* FILLING */
        "+..+...", /* COPYING */
        "+...+..", /* READY */
        "+....+.", /* RUNNING */
        "+.....+", /* DRAINING */
        "+......", /* DONE */
    };
#ifdef NDEBUG
    e2b_skip("assertions are compiled out");
#endif
    for (int from = 0; from < E2B_SLOT_STATE_COUNT; from++)
        for (int to = 0; to < E2B_SLOT_STATE_COUNT; to++)
            if (move_is_accepted((enum e2b_slot_state)from, (enum e2b_slot_state)to)
                != (legal[from][to] == '+'))
                fail_msg("%s -> %s", e2b_slot_state_name((enum e2b_slot_state)from),
                    e2b_slot_state_name((enum e2b_slot_state)to));
}

/* All sequences of small pools: reserve 1..n or release any held slot, to a depth. */
static void explore(struct e2b_device *device, struct e2b_pool *pool, int n, int depth, int *held) {
    int count = 0;
    for (int i = 0; i < n; i++)
        count += held[i];
    assert_int_equal(e2b_pool_free_count(pool), n - count);
    if (!depth)
        return;
    for (int want = 1; want <= n; want++) {
        struct e2b_error err = {0};
        int slots[4];
        enum e2b_status status = e2b_pool_reserve(pool, want, depth, device, slots, &err);
        assert_int_equal(status, want <= n - count ? E2B_OK : E2B_BUSY);
        if (status != E2B_OK)
            continue;
        for (int i = 0; i < want; i++) {
            assert_false(held[slots[i]]);
            held[slots[i]] = 1;
        }
        explore(device, pool, n, depth - 1, held);
        for (int i = 0; i < want; i++) {
            e2b_pool_move(pool, slots[i], E2B_SLOT_FREE, 0);
            held[slots[i]] = 0;
        }
    }
    for (int slot = 0; slot < n; slot++) {
        struct e2b_error err = {0};
        int again[4], taken = 0;
        if (!held[slot])
            continue;
        e2b_pool_move(pool, slot, E2B_SLOT_FREE, 0);
        held[slot] = 0;
        explore(device, pool, n, depth - 1, held);
        assert_int_equal(e2b_pool_free_count(pool), n - count + 1);
        do /* take that very slot back */
            assert_ok(e2b_pool_reserve(pool, 1, 0, device, &again[taken], &err), err);
        while (again[taken++] != slot);
        for (int i = 0; i < taken - 1; i++)
            e2b_pool_move(pool, again[i], E2B_SLOT_FREE, 0);
        held[slot] = 1;
    }
}

static void every_short_history_of_a_small_pool_is_sound(void **state) {
    (void)state;
    for (int n = 1; n <= 4; n++) {
        struct e2b_device *device = make_device(1 << 20);
        struct e2b_pool *pool = make_pool(device, n);
        int held[4] = {0};
        explore(device, pool, n, 6, held);
        destroy_all(device, pool);
    }
}

static void random_lives_keep_the_invariants(void **state) {
    (void)state;
    enum { SLOTS = 37, STEPS = 200000 };
    const unsigned seed = 7;
    print_message("seed %u\n", seed);
    srand(seed);
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, SLOTS);
    enum e2b_slot_state expected[SLOTS] = {E2B_SLOT_FREE};
    int used = 0, busy = 0;
    for (int step = 0; step < STEPS; step++) {
        struct e2b_error err = {0};
        int slots[SLOTS], count = rand() % 8 + 1, slot = rand() % SLOTS;
        if (rand() % 3 == 0) {
            enum e2b_status status = e2b_pool_reserve(pool, count, step, device, slots, &err);
            assert_int_equal(status, used + count <= SLOTS ? E2B_OK : E2B_BUSY);
            busy += status == E2B_BUSY;
            for (int i = 0; status == E2B_OK && i < count; i++) {
                assert_int_equal(expected[slots[i]], E2B_SLOT_FREE);
                expected[slots[i]] = E2B_SLOT_FILLING;
                used++;
            }
        } else if (expected[slot] != E2B_SLOT_FREE) {
            enum e2b_slot_state to =
                expected[slot] == E2B_SLOT_DONE ? E2B_SLOT_FREE : expected[slot] + 1;
            if (rand() % 8 == 0)
                to = E2B_SLOT_FREE;
            e2b_pool_move(pool, slot, to, step);
            expected[slot] = to;
            used -= to == E2B_SLOT_FREE;
        }
        assert_int_equal(e2b_pool_free_count(pool), SLOTS - used);
        assert_int_equal(e2b_pool_slot(pool, slot)->state, expected[slot]);
    }
    assert_true(busy > 100);
    for (int i = 0; i < SLOTS; i++)
        if (expected[i] != E2B_SLOT_FREE)
            e2b_pool_move(pool, i, E2B_SLOT_FREE, 0);
    destroy_all(device, pool);
}

struct crowd {
    struct e2b_pool *pool;
    atomic_int *holders; /* one a slot */
    int seed;
};

static void *reserve_and_release(void *context) {
    const struct crowd *crowd = context;
    unsigned random = (unsigned)crowd->seed;
    for (int step = 0; step < 20000; step++) {
        struct e2b_error err = {0};
        int slots[4], count = rand_r(&random) % 4 + 1;
        if (e2b_pool_reserve(crowd->pool, count, step, context, slots, &err) != E2B_OK)
            continue;
        for (int i = 0; i < count; i++) {
            if (atomic_fetch_add(&crowd->holders[slots[i]], 1) != 0)
                return "two threads hold one slot";
            *(int *)e2b_pool_input_host(crowd->pool, slots[i], 0) = step;
        }
        for (int i = 0; i < count; i++) {
            if (e2b_pool_slot(crowd->pool, slots[i])->owner != context)
                return "a slot has another owner";
            atomic_fetch_sub(&crowd->holders[slots[i]], 1);
            e2b_pool_move(crowd->pool, slots[i], E2B_SLOT_FREE, step);
        }
    }
    return NULL;
}

static void threads_never_share_a_slot(void **state) {
    (void)state;
    enum { THREADS = 4, SLOTS = 9 };
    struct e2b_device *device = make_device(1 << 20);
    struct e2b_pool *pool = make_pool(device, SLOTS);
    atomic_int holders[SLOTS] = {0};
    pthread_t threads[THREADS];
    struct crowd crowds[THREADS];
    for (int i = 0; i < THREADS; i++) {
        crowds[i] = (struct crowd){pool, holders, i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, reserve_and_release, &crowds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *complaint = NULL;
        pthread_join(threads[i], &complaint);
        if (complaint)
            fail_msg("%s", (const char *)complaint);
    }
    assert_int_equal(e2b_pool_free_count(pool), SLOTS);
    destroy_all(device, pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strides_and_addresses_agree),
        cmocka_unit_test(a_slot_lives_through_its_states),
        cmocka_unit_test(reservations_follow_the_ring),
        cmocka_unit_test(a_slot_given_back_before_it_ran_is_taken_next),
        cmocka_unit_test(too_few_free_slots_take_none),
        cmocka_unit_test(copies_carry_every_input_and_output),
        cmocka_unit_test(a_run_is_gathered_from_the_host),
        cmocka_unit_test(device_failures_name_the_copy),
        cmocka_unit_test(creation_fails_cleanly_wherever_memory_ends),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(only_legal_moves_are_accepted),
        cmocka_unit_test(every_short_history_of_a_small_pool_is_sound),
        cmocka_unit_test(random_lives_keep_the_invariants),
        cmocka_unit_test(threads_never_share_a_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
