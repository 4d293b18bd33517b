#include "runtime/engine/decisions.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#define SLOTS 8

/* Decisions about one request of several samples, whose batches nobody starts. */
struct setting {
    struct fixture fixture;
    struct e2b_inflight inflight;
    struct e2b_decisions decisions;
    struct e2b_request *request;
    struct fixture_answer answer;
};

static void open_setting(struct setting *setting, int samples) {
    struct e2b_error err = {0};
    *setting = (struct setting){.fixture = fixture_open(fixture_sim(), true, SLOTS)};
    const struct e2b_policy_ops *ops = e2b_policy_find("elastic");
    int64_t values[8];
    for (int i = 0; ops->options[i].name; i++)
        values[i] = ops->options[i].fallback;
    setting->inflight.device = setting->fixture.device;
    setting->decisions = (struct e2b_decisions){.device = setting->fixture.device,
        .models = &setting->fixture.served,
        .model_count = 1,
        .ops = ops,
        .inflight = &setting->inflight};
    assert_ok(e2b_decisions_init(&setting->decisions, values, &err), err);
    assert_ok(e2b_request_open(setting->fixture.served, samples, &setting->request, &err), err);
    setting->request->done = fixture_note;
    setting->request->context = &setting->answer;
    atomic_fetch_add(&setting->inflight.count, 1);
    e2b_inflight_add(&setting->inflight, setting->request);
}

static void ready(struct setting *setting, int sample, int64_t deadline_ns) {
    struct e2b_pool *pool = setting->fixture.served->pool;
    int slot = setting->request->slots[sample];
    e2b_pool_move(pool, slot, E2B_SLOT_COPYING, 0);
    e2b_pool_move(pool, slot, E2B_SLOT_READY, 0);
    e2b_decisions_feed(&setting->decisions,
        &(struct e2b_sched_event){
            .kind = E2B_SCHED_READY, .slot = slot, .deadline_ns = deadline_ns});
}

static void close_setting(struct setting *setting) {
    struct e2b_error error = {0};
    e2b_fail(&error, E2B_CANCELLED, "the test ends");
    for (int i = 0; i < setting->request->sample_count; i++)
        if (setting->request->slots[i] >= 0)
            e2b_inflight_fail(
                &setting->inflight, setting->fixture.served, setting->request->slots[i], &error);
    assert_int_equal(setting->answer.count, 1);
    e2b_request_close(setting->request);
    e2b_decisions_finish(&setting->decisions);
    fixture_close(&setting->fixture);
}

static void batches_come_one_at_a_time_with_their_slots_taken(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, 8);
    for (int i = 0; i < 7; i++)
        ready(&setting, i, INT64_MAX);
    assert_null(e2b_decisions_next(&setting.decisions));
    e2b_decisions_make(&setting.decisions);
    const int sizes[] = {4, 2, 1};
    for (int i = 0; i < 7; i++)
        assert_int_equal(e2b_pool_slot(setting.fixture.served->pool, i)->state, E2B_SLOT_RUNNING);
    for (int i = 0; i < 3; i++)
        assert_int_equal(e2b_decisions_next(&setting.decisions)->count, sizes[i]);
    assert_null(e2b_decisions_next(&setting.decisions));
    assert_true(e2b_decisions_drain_ns(&setting.decisions) > 0);
    close_setting(&setting);
}

static void nothing_is_decided_before_what_was_decided_is_started(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, 8);
    ready(&setting, 0, INT64_MAX);
    e2b_decisions_make(&setting.decisions);
    ready(&setting, 1, INT64_MAX);
    ready(&setting, 2, INT64_MAX);
    e2b_decisions_make(&setting.decisions);
    assert_int_equal(e2b_decisions_next(&setting.decisions)->first, 0);
    assert_null(e2b_decisions_next(&setting.decisions));
    e2b_decisions_make(&setting.decisions);
    const struct e2b_batch *batch = e2b_decisions_next(&setting.decisions);
    assert_int_equal(batch->first, 1);
    assert_int_equal(batch->count, 2);
    close_setting(&setting);
}

/* Slots 0 to 2 and 4 to 6 are ready, 3 is not: one side runs as three at most, though six wait;
 * then nothing is behind the other side. */
static void batches_that_end_at_a_gap_are_counted(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_served_stats stats;
    open_setting(&setting, 7);
    for (int i = 0; i < 7; i++)
        if (i != 3)
            ready(&setting, i, INT64_MAX);
    e2b_decisions_make(&setting.decisions);
    int samples = 0;
    for (const struct e2b_batch *batch; (batch = e2b_decisions_next(&setting.decisions));) {
        assert_true(batch->count < 4);
        samples += batch->count;
    }
    e2b_served_stats_get(setting.fixture.served, &stats);
    assert_int_equal(samples, 6);
    assert_int_equal(stats.splits, 1);
    close_setting(&setting);
}

/* A policy that refuses everything, has room for seven more, and what it was told of those turned
 * away. */
static int told;

static void refuse_all(struct e2b_policy *policy, const struct e2b_sched_event *event,
    struct e2b_sched_actions *actions) {
    (void)policy;
    if (event->kind != E2B_SCHED_READY)
        return;
    told += event->turned_away;
    *e2b_sched_actions_add(actions) = (struct e2b_sched_action){.kind = E2B_SCHED_REJECT,
        .reason = E2B_SCHED_OVERLOAD_REASON,
        .first = event->slot,
        .count = 1};
}

static int room_for_seven(const struct e2b_policy *policy, int model) {
    (void)policy;
    (void)model;
    return 7;
}

static void room_is_noted_and_the_policy_is_told_of_those_turned_away(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, 1);
    struct e2b_policy_ops ops = *setting.decisions.ops;
    ops.on_event = refuse_all;
    ops.room = room_for_seven;
    setting.decisions.ops = &ops;
    struct e2b_served *served = setting.fixture.served;
    atomic_store(&served->turned_away, 5);
    ready(&setting, 0, INT64_MAX);
    assert_int_equal(told, 5);
    assert_int_equal(atomic_load(&served->turned_away), 0);
    e2b_decisions_make(&setting.decisions);
    assert_int_equal(atomic_load(&served->room), 7);
    close_setting(&setting);
}

static void refusals_are_answered_at_once(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, 1);
    ready(&setting, 0, 1);
    assert_int_equal(setting.answer.count, 0);
    e2b_decisions_make(&setting.decisions);
    assert_int_equal(setting.answer.count, 1);
    assert_int_equal(setting.answer.status, E2B_DEADLINE);
    assert_null(e2b_decisions_next(&setting.decisions));
    assert_int_equal(e2b_decisions_drain_ns(&setting.decisions), 0);
    close_setting(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_one_at_a_time_with_their_slots_taken),
        cmocka_unit_test(nothing_is_decided_before_what_was_decided_is_started),
        cmocka_unit_test(batches_that_end_at_a_gap_are_counted),
        cmocka_unit_test(room_is_noted_and_the_policy_is_told_of_those_turned_away),
        cmocka_unit_test(refusals_are_answered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
