#include "tests/backends/sim/rig.h"

#include "runtime/base/clock.h"
#include <stdatomic.h>
#include <string.h>

static struct e2b_event_times times_of(struct rig *rig, struct e2b_event *event) {
    struct e2b_event_times times;
    rig->ops->event_times(event, &times);
    rig->ops->event_release(event);
    return times;
}

static void flush(struct rig *rig, struct e2b_queue *queue) {
    assert_ok(rig->ops->flush(queue, &rig->err), rig->err);
}

static void a_queue_runs_in_order_and_queues_side_by_side(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    e2b_sim_advance(rig.device, 1000);
    struct e2b_event *first = rig_launch(&rig, rig.a, rig.add);
    struct e2b_event *second = rig_launch(&rig, rig.a, rig.add);
    struct e2b_event *other = rig_launch(&rig, rig.b, rig.add);
    flush(&rig, rig.a);
    flush(&rig, rig.b);
    assert_int_equal(e2b_sim_next_ns(rig.device), 1100);
    e2b_sim_run_until_idle(rig.device);
    assert_int_equal(rig.ops->now_ns(rig.device), 1200);
    struct e2b_event_times times = times_of(&rig, first);
    assert_int_equal(times.queued_ns, 1000);
    assert_int_equal(times.ended_ns, 1100);
    times = times_of(&rig, second);
    assert_int_equal(times.started_ns, 1100);
    assert_int_equal(times.ended_ns, 1200);
    assert_int_equal(times_of(&rig, other).ended_ns, 1100);
    rig_close(&rig);
}

static void copies_take_latency_and_bandwidth(void **state) {
    (void)state;
    struct rig rig;
    char host[64] = {0};
    struct e2b_event *event = NULL;
    rig_open(&rig, 0);
    assert_ok(rig.ops->enqueue_write(rig.a, rig.buffer, 0, host, 64, &event, &rig.err), rig.err);
    assert_ok(rig.ops->event_wait(event, &rig.err), rig.err);
    assert_int_equal(times_of(&rig, event).ended_ns, 10 + 64 / 2);
    rig_close(&rig);
}

static void company_may_slow_a_kernel(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct e2b_event *alone = rig_launch(&rig, rig.a, rig.crowded);
    struct e2b_event *joined = rig_launch(&rig, rig.b, rig.crowded);
    flush(&rig, rig.a);
    flush(&rig, rig.b);
    e2b_sim_run_until_idle(rig.device);
    assert_int_equal(times_of(&rig, alone).ended_ns, 100);
    assert_int_equal(times_of(&rig, joined).ended_ns, 150);
    rig_close(&rig);
}

/* Alone for 40 ns, then both at two thirds of their speed, then the second alone. */
static void kernels_share_the_device(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct e2b_event *first = rig_launch(&rig, rig.a, rig.shared);
    flush(&rig, rig.a);
    e2b_sim_advance(rig.device, 40);
    struct e2b_event *second = rig_launch(&rig, rig.b, rig.shared);
    flush(&rig, rig.b);
    assert_int_equal(e2b_sim_next_ns(rig.device), 40 + 90);
    e2b_sim_run_until_idle(rig.device);
    assert_int_equal(times_of(&rig, first).ended_ns, 130);
    assert_int_equal(times_of(&rig, second).ended_ns, 130 + 40);
    rig_close(&rig);
}

static void enqueueing_may_take_time_in_which_others_end(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct e2b_event *first = rig_launch(&rig, rig.a, rig.add);
    flush(&rig, rig.a);
    e2b_sim_advance(rig.device, 80);
    struct e2b_event *second = rig_launch(&rig, rig.b, rig.slow);
    assert_int_equal(rig.ops->now_ns(rig.device), 120);
    assert_int_equal(rig.ops->event_state(first, &rig.err), E2B_EVENT_DONE);
    flush(&rig, rig.b);
    e2b_sim_run_until_idle(rig.device);
    assert_int_equal(times_of(&rig, first).ended_ns, 100);
    assert_int_equal(times_of(&rig, second).started_ns, 80);
    rig_close(&rig);
}

static void effects_show_at_the_end(void **state) {
    (void)state;
    struct rig rig;
    unsigned char pinned[4] = {1, 1, 1, 1}, seen[4] = {0};
    rig_open(&rig, 0);
    assert_ok(rig.ops->enqueue_write(rig.a, rig.buffer, 0, pinned, 4, NULL, &rig.err), rig.err);
    assert_ok(rig.ops->enqueue_read(rig.a, rig.buffer, 0, seen, 4, NULL, &rig.err), rig.err);
    flush(&rig, rig.a);
    memset(pinned, 9, 4); /* too early: the copy has not ended */
    e2b_sim_advance(rig.device, 23);
    assert_int_equal(seen[0], 0);
    e2b_sim_advance(rig.device, 24);
    assert_int_equal(seen[0], 9);
    rig_close(&rig);
}

static void unflushed_work_does_not_start(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct e2b_event *event = rig_launch(&rig, rig.a, rig.add);
    e2b_sim_advance(rig.device, 5000);
    assert_int_equal(rig.ops->event_state(event, &rig.err), E2B_EVENT_PENDING);
    assert_true(e2b_sim_next_ns(rig.device) == INT64_MAX);
    assert_ok(rig.ops->finish(rig.a, &rig.err), rig.err);
    assert_int_equal(times_of(&rig, event).ended_ns, 5100);
    rig_close(&rig);
}

static void queues_wait_for_events(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct e2b_event *cause = rig_launch(&rig, rig.a, rig.add);
    assert_ok(rig.ops->enqueue_wait(rig.b, &cause, 1, &rig.err), rig.err);
    struct e2b_event *effect = rig_launch(&rig, rig.b, rig.add);
    assert_fails(rig.ops->finish(rig.b, &rig.err), E2B_DEVICE, "not flushed", rig.err);
    flush(&rig, rig.a);
    assert_ok(rig.ops->finish(rig.b, &rig.err), rig.err);
    assert_int_equal(times_of(&rig, cause).ended_ns, 100);
    assert_int_equal(times_of(&rig, effect).started_ns, 100);
    rig_close(&rig);
}

static void work_that_waits_for_ever_fails_with_its_queue(void **state) {
    (void)state;
    struct rig rig;
    struct e2b_queue *queue = NULL;
    rig_open(&rig, 0);
    struct e2b_event *never = rig_launch(&rig, rig.a, rig.add);
    assert_ok(rig.ops->queue_create(rig.device, &queue, &rig.err), rig.err);
    assert_ok(rig.ops->enqueue_wait(queue, &never, 1, &rig.err), rig.err);
    struct e2b_event *event = rig_launch(&rig, queue, rig.add);
    rig.ops->queue_destroy(rig.device, queue);
    assert_int_equal(rig.ops->event_state(event, &rig.err), E2B_EVENT_FAILED);
    rig.ops->event_release(event);
    rig.ops->event_release(never);
    rig_close(&rig);
}

struct notice {
    int count;
    enum e2b_event_state state;
};

static void note(void *context, enum e2b_event_state state) {
    struct notice *notice = context;
    notice->count++;
    notice->state = state;
}

static void notices_come_at_the_end(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    struct notice early = {0}, late = {0};
    e2b_sim_fail_nth(rig.device, E2B_SIM_FAULT_EVENT, 1);
    struct e2b_event *event = rig_launch(&rig, rig.a, rig.add);
    assert_ok(rig.ops->event_notify(event, note, &early, &rig.err), rig.err);
    flush(&rig, rig.a);
    e2b_sim_advance(rig.device, 99);
    assert_int_equal(early.count, 0);
    e2b_sim_advance(rig.device, 100);
    assert_int_equal(early.count, 1);
    assert_int_equal(early.state, E2B_EVENT_FAILED);
    assert_ok(rig.ops->event_notify(event, note, &late, &rig.err), rig.err);
    assert_int_equal(late.count, 1);
    rig.ops->event_release(event);
    rig_close(&rig);
}

static void the_clock_never_goes_back(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 0);
    e2b_sim_advance(rig.device, 700);
    e2b_sim_advance(rig.device, 300);
    assert_int_equal(rig.ops->now_ns(rig.device), 700);
    rig_close(&rig);
}

static void count_up(void *context, enum e2b_event_state state) {
    if (state == E2B_EVENT_DONE)
        atomic_fetch_add((atomic_int *)context, 1);
}

static void real_time_moves_by_itself(void **state) {
    (void)state;
    enum { LAUNCHES = 200 };
    struct rig rig;
    atomic_int count = 0;
    rig_open(&rig, 0.01); /* a launch takes 10 us of real time */
    int64_t start_ns = e2b_clock_ns();
    for (int i = 0; i < LAUNCHES; i++) {
        struct e2b_event *event = rig_launch(&rig, i % 2 ? rig.a : rig.b, rig.add);
        assert_ok(rig.ops->event_notify(event, count_up, &count, &rig.err), rig.err);
        rig.ops->event_release(event);
        flush(&rig, i % 2 ? rig.a : rig.b);
    }
    while (atomic_load(&count) < LAUNCHES && e2b_clock_ns() - start_ns < 20000000000)
        e2b_clock_sleep_ns(10000);
    assert_int_equal(atomic_load(&count), LAUNCHES);
    assert_true(e2b_clock_ns() - start_ns >= 100 * 100 * LAUNCHES / 2);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queue_runs_in_order_and_queues_side_by_side),
        cmocka_unit_test(copies_take_latency_and_bandwidth),
        cmocka_unit_test(company_may_slow_a_kernel),
        cmocka_unit_test(kernels_share_the_device),
        cmocka_unit_test(enqueueing_may_take_time_in_which_others_end),
        cmocka_unit_test(effects_show_at_the_end),
        cmocka_unit_test(unflushed_work_does_not_start),
        cmocka_unit_test(queues_wait_for_events),
        cmocka_unit_test(work_that_waits_for_ever_fails_with_its_queue),
        cmocka_unit_test(notices_come_at_the_end),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(real_time_moves_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
