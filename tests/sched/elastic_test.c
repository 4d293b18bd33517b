#include "sched/elastic.h"

#include "runtime/base/clock.h"
#include "tests/sched/script.h"
#include "tests/support.h"
#include <stdlib.h>

static const struct e2b_policy_ops *const ops = &e2b_policy_elastic;

static struct e2b_sched_model model_of(int slot_count) {
    return (struct e2b_sched_model){.name = "m",
        .slot_count = slot_count,
        .size_count = 3,
        .sizes = {1, 2, 4},
        .instances = {1, 1, 1},
        .weight = 1};
}

#define PLAY(slot_count, options, ...)                                                             \
    do {                                                                                           \
        const struct e2b_sched_model model = model_of(slot_count);                                 \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

/* A completion that teaches nothing. */
#define FAILED(t, size)                                                                            \
    { .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size }

static void seven_ready_slots_run_as_four_two_and_one(void **state) {
    (void)state;
    PLAY(8, "", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""}, {MORE(0, 3), ""},
        {MORE(0, 4), ""}, {MORE(0, 5), ""}, {MORE(0, 6), ""},
        {TIMER(0), "run0:0+4/4#0(FULL) run0:4+2/2#0(COMPOSED) run0:6+1/1#0(COMPOSED)"});
}

static void a_lone_slot_runs_at_once(void **state) {
    (void)state;
    PLAY(8, "", {READY(0, 5), "run0:5+1/1#0(COMPOSED)"});
}

static void what_fits_no_free_size_waits_for_one(void **state) {
    (void)state;
    PLAY(8, "", {READY(0, 0), "run0:0+1/1#0(COMPOSED)"}, {READY(1, 1), ""},
        {READY(2, 2), "run0:1+2/2#0(COMPOSED)"}, {READY(3, 3), ""}, {READY(4, 4), ""},
        {FAILED(5, 0), "run0:3+1/1#0(COMPOSED)"}, {READY(6, 5), ""}, {READY(7, 6), ""},
        {READY(8, 7), "run0:4+4/4#0(FULL)"});
}

static void a_run_does_not_wrap(void **state) {
    (void)state;
    PLAY(8, "", {MORE(0, 6), ""}, {MORE(0, 7), ""}, {MORE(0, 0), ""}, {MORE(0, 1), ""},
        {TIMER(0), "run0:6+2/2#0(COMPOSED) run0:0+1/1#0(COMPOSED)"});
}

static void gaps_split_what_is_ready(void **state) {
    (void)state;
    PLAY(8, "", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 3), ""}, {MORE(0, 4), ""},
        {TIMER(0), "run0:0+2/2#0(COMPOSED) run0:3+1/1#0(COMPOSED)"},
        {FAILED(1, 0), "run0:4+1/1#0(COMPOSED)"});
}

static void the_oldest_takes_neighbours_on_both_sides(void **state) {
    (void)state;
    PLAY(8, "", {MORE(0, 3), ""}, {MORE(1, 2), ""}, {MORE(2, 4), ""}, {MORE(3, 1), ""},
        {TIMER(4), "run0:1+4/4#0(FULL)"});
}

static void a_blocked_head_lets_a_larger_batch_pass(void **state) {
    (void)state;
    PLAY(8, "", {READY(0, 7), "run0:7+1/1#0(COMPOSED)"}, {READY(1, 0), ""}, {MORE(2, 3), ""},
        {READY(2, 4), "run0:3+2/2#0(COMPOSED)"}, {FAILED(3, 0), "run0:0+1/1#0(COMPOSED)"});
}

static void priority_goes_first(void **state) {
    (void)state;
    PLAY(8, "max_in_flight=1", {READY(0, 7), "run0:7+1/1#0(COMPOSED)"},
        {READY_PRIORITY(1, 0, 1), ""}, {READY_PRIORITY(2, 2, 0), ""},
        {READY_PRIORITY(3, 4, -1), ""}, {DONE(4, 0, 0), "run0:4+1/1#0(COMPOSED)"},
        {DONE(5, 0, 0), "run0:2+1/1#0(COMPOSED)"}, {DONE(6, 0, 0), "run0:0+1/1#0(COMPOSED)"});
}

static void earlier_deadlines_go_first(void **state) {
    (void)state;
    PLAY(8, "max_in_flight=1", {READY(0, 7), "run0:7+1/1#0(COMPOSED)"}, {READY(1, 0), ""},
        {READY_BY(2, 2, 9000), "timer@9001"}, {READY_BY(3, 4, 8000), "timer@8001"},
        {DONE(4, 0, 0), "run0:4+1/1#0(COMPOSED)"}, {DONE(5, 0, 0), "run0:2+1/1#0(COMPOSED)"},
        {DONE(6, 0, 0), "run0:0+1/1#0(COMPOSED)"});
}

static void patience_bounds_the_wait_of_those_without_deadline(void **state) {
    (void)state;
    PLAY(8, "max_in_flight=1 patience_us=5", {READY(0, 7), "run0:7+1/1#0(COMPOSED)"},
        {READY(1, 0), ""}, {READY_BY(2, 2, 9000), "timer@9001"},
        {DONE(4, 0, 0), "run0:0+1/1#0(COMPOSED) timer@8001"});
}

static void max_in_flight_limits_batches_on_the_device(void **state) {
    (void)state;
    PLAY(8, "max_in_flight=2", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""},
        {MORE(0, 3), ""}, {MORE(0, 4), ""}, {MORE(0, 5), ""}, {MORE(0, 6), ""},
        {TIMER(0), "run0:0+4/4#0(FULL) run0:4+2/2#0(COMPOSED)"},
        {FAILED(9, 2), "run0:6+1/1#0(COMPOSED)"});
}

static void a_withdrawn_slot_does_not_run(void **state) {
    (void)state;
    PLAY(8, "max_in_flight=1", {READY(0, 0), "run0:0+1/1#0(COMPOSED)"}, {READY(1, 1), ""},
        {READY(2, 2), ""}, {GONE(3, 1), ""}, {DONE(4, 0, 0), "run0:2+1/1#0(COMPOSED)"},
        {DONE(5, 0, 0), ""});
}

static void hopeless_slots_are_dropped_in_time(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(8);
    model.solo_ns[0] = 1000;
    model.solo_ns[1] = 1500;
    const struct e2b_script_step steps[] = {
        {READY_BY(0, 0, 999), "drop0:0(OVERLOAD)"},
        {READY_BY(0, 1, 1000), "run0:1+1/1#0(COMPOSED)"},
        {READY_BY(100, 3, 5000), "timer@4001"},
        {READY_BY(200, 5, 2500), "drop0:5(OVERLOAD)"},
        {TIMER(4000), ""},
        {DONE(4001, 0, 0), "drop0:3(HOPELESS)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);
}

/* Durations are known; one batch takes `demand` of the device. */
static struct e2b_sched_model known_model(double demand) {
    struct e2b_sched_model model = model_of(16);
    const int64_t solo_ns[] = {1000, 1200, 1600};
    for (int i = 0; i < 3; i++) {
        model.solo_ns[i] = solo_ns[i];
        model.demand[i] = demand;
    }
    return model;
}

#define TOOK(t, size, duration)                                                                    \
    { .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size, .duration_ns = duration }

static void a_device_that_gains_nothing_from_company_runs_one_at_a_time(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(1);
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
        {READY(100, 1), ""},
        {READY(200, 2), ""},
        {READY(300, 3), ""},
        {TOOK(1000, 0, 1000), "run0:1+3/4#0(PADDED)"}, /* most samples for its time */
        {READY(1500, 4), ""},
        {READY(1600, 5), ""},
        {TOOK(2600, 2, 1600), "run0:4+2/2#0(COMPOSED)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);
}

/* A pair would have room beside what runs, but four together take less of the device each. */
static void much_that_waits_does_so_for_the_batch_that_gives_most(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.demand[0] = 0.4;
    model.demand[1] = 0.6;
    model.solo_ns[1] = 1500;
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
        {MORE(100, 1), ""},
        {MORE(100, 2), ""},
        {MORE(100, 3), ""},
        {READY(100, 4), ""},
        {TOOK(1000, 0, 1000), "run0:1+4/4#0(FULL)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);
}

static void a_device_with_room_starts_each_at_once(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(0.2);
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
        {MORE(100, 1), ""},
        {READY(100, 2), "run0:1+2/2#0(COMPOSED)"},
        {MORE(200, 3), ""},
        {MORE(200, 4), ""},
        {MORE(200, 5), ""},
        {READY(200, 6), "run0:3+4/4#0(FULL)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);
}

static void a_batch_is_held_when_the_next_request_is_near(void **state) {
    (void)state; /* one every 100 ns, and two take hardly longer than one */
    struct e2b_sched_model model = known_model(1);
    model.solo_ns[1] = 1010;
    model.solo_ns[2] = 1030;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "patience_us=1");
    struct e2b_sched_actions actions = {0};
    int64_t now_ns = 0;
    for (int i = 0; i < 200; i++) { /* all withdrawn: only their rate is noted */
        now_ns += 100;
        struct e2b_sched_event event = MORE(now_ns, 0), gone = GONE(now_ns, 0);
        gone.more = true;
        ops->on_event(policy, &event, &actions);
        ops->on_event(policy, &gone, &actions);
    }
    struct e2b_sched_event first = READY(now_ns + 100, 1), second = READY(now_ns + 200, 2);
    struct e2b_sched_event timer = TIMER(0);
    ops->on_event(policy, &first, &actions);
    assert_int_equal(actions.count, 1);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_SET_TIMER);
    assert_int_equal(actions.list[0].reason, E2B_SCHED_GROWING_REASON);
    timer.now_ns = actions.list[0].timer_ns;
    assert_true(timer.now_ns <= first.now_ns + model.solo_ns[2] / 2);
    actions.count = 0;
    ops->on_event(policy, &second, &actions);
    ops->on_event(policy, &timer, &actions);
    assert_int_equal(actions.list[0].kind, E2B_SCHED_RUN);
    assert_int_equal(actions.list[0].count, 2);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

static void predictions_are_counted(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(1);
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "");
    struct e2b_sched_actions actions = {0};
    struct e2b_sched_prediction got;
    const struct e2b_sched_event events[] = {
        READY(0, 0), TOOK(1000, 0, 1000), READY(5000, 1), TOOK(6500, 0, 1500)};
    for (int i = 0; i < 4; i++)
        ops->on_event(policy, &events[i], &actions);
    ops->prediction(policy, 0, &got);
    assert_int_equal(got.count, 2);
    assert_int_equal(got.under, 1);
    assert_true(got.mean_error > 0.249 && got.mean_error < 0.251);
    assert_true(got.p99_error >= 0.5 && got.p99_error < 0.6);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* What runs, and what waits at the best throughput: full batches of four. */
static void the_drain_of_what_waits_and_runs_is_predicted(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(1);
    const double sample_ns = (double)model.solo_ns[2] / 4;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "max_in_flight=1");
    struct e2b_sched_actions actions = {0};
    assert_int_equal(ops->drain_ns(policy), 0);
    for (int slot = 0; slot < 8; slot++)
        ops->on_event(policy, &(struct e2b_sched_event)READY(0, slot), &actions);
    assert_int_equal(actions.list[0].count, 1);
    assert_int_equal(ops->drain_ns(policy), model.solo_ns[0] + (int64_t)(7 * sample_ns));
    ops->on_event(policy, &(struct e2b_sched_event)TIMER(400), &actions);
    assert_int_equal(ops->drain_ns(policy), model.solo_ns[0] + (int64_t)(7 * sample_ns) - 400);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* Requests that have long after they are due are not refused for the sake of one another, in
 * whatever order they come and however long the queue is. */
static void a_far_deadline_refuses_nobody(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.slot_count = 1000;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "patience_us=2");
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < 1000; i++) {
        struct e2b_sched_event event = READY_BY(10000 + i / 10, i, 10000000);
        event.arrival_ns -= i % 7 * 300;
        ops->on_event(policy, &event, &actions);
    }
    for (int i = 0; i < actions.count; i++)
        assert_int_not_equal(actions.list[i].kind, E2B_SCHED_REJECT);
    assert_int_equal(ops->waiting(policy, 0), 999);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* What has no target does not keep one that has from being served when that is urgent, nor is it
 * refused for its sake. */
static void a_far_deadline_gives_way_to_a_near_one(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    models[1].target_ns = 4000;
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_READY, .now_ns = 1, .slot = 2, .arrival_ns = 1, .deadline_ns = 1000000},
            "timer@999001"},
        {{.kind = E2B_SCHED_READY, .now_ns = 2, .slot = 4, .arrival_ns = 2, .deadline_ns = 1000000},
            ""},
        {READY_OF(1, 3, 0), "timer@3004"},
        {{.kind = E2B_SCHED_READY, .now_ns = 4, .slot = 6, .arrival_ns = 4, .deadline_ns = 1000000},
            ""},
        {TOOK(1000, 0, 1000), "run1:0+1/1#0(COMPOSED)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, "patience_us=1"), models, steps);
}

/* Model 1's target is shorter than a full batch of model 0 and its own: it does not wait for that,
 * and yet runs one batch after another itself. */
static void a_model_that_cannot_wait_for_another_runs_beside_it(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    for (int i = 0; i < 3; i++)
        models[0].solo_ns[i] *= 5;
    models[1].target_ns = 9000;
    const struct e2b_script_step steps[] = {
        {MORE(0, 0), ""},
        {MORE(0, 1), ""},
        {MORE(0, 2), ""},
        {READY(0, 3), "run0:0+4/4#0(FULL)"},
        {{.kind = E2B_SCHED_READY,
             .now_ns = 100,
             .more = true,
             .model = 1,
             .slot = 1,
             .arrival_ns = 100,
             .deadline_ns = INT64_MAX},
            ""},
        {{.kind = E2B_SCHED_READY,
             .now_ns = 100,
             .more = true,
             .model = 1,
             .slot = 2,
             .arrival_ns = 100,
             .deadline_ns = INT64_MAX},
            ""},
        {READY_OF(1, 100, 3), "run1:1+3/4#0(PADDED)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, "admission=0"), models, steps);
}

/* A refusal says for how long others like it are refused: one that comes a little before that is,
 * one that comes after it is not. */
static enum e2b_sched_action_kind kind_after_refusal(int64_t wait_ns, bool before) {
    struct e2b_sched_model model = known_model(1);
    model.target_ns = 4000;
    struct e2b_policy *policy = e2b_script_policy(ops, &model, 1, "");
    struct e2b_sched_actions actions = {0};
    int slot = 0;
    do {
        assert_true(slot < 16);
        actions.count = 0;
        ops->on_event(policy, &(struct e2b_sched_event)READY(0, slot++), &actions);
    } while (actions.count == 0 || actions.list[0].kind != E2B_SCHED_REJECT);
    int64_t retry_ns = actions.list[0].retry_ns;
    assert_true(retry_ns > wait_ns);
    actions.count = 0;
    int64_t at_ns = before ? retry_ns - wait_ns : retry_ns + wait_ns;
    ops->on_event(policy, &(struct e2b_sched_event)READY(at_ns, slot), &actions);
    enum e2b_sched_action_kind kind = E2B_SCHED_SET_TIMER;
    for (int i = 0; i < actions.count; i++)
        if (actions.list[i].kind == E2B_SCHED_REJECT)
            kind = E2B_SCHED_REJECT;
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
    return kind;
}

static void a_refusal_tells_how_long_it_lasts(void **state) {
    (void)state;
    assert_int_equal(kind_after_refusal(50, true), E2B_SCHED_REJECT);
    assert_int_not_equal(kind_after_refusal(50, false), E2B_SCHED_REJECT);
}

static void models_take_turns_by_device_time_over_weight_unless_one_is_urgent(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1), known_model(1)};
    models[1].weight = 4;
    models[2].target_ns = 4000;
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(COMPOSED)"},
        {READY_OF(0, 1, 2), ""},
        {READY_OF(0, 1, 4), ""},
        {READY_OF(1, 2, 2), ""},
        {READY_OF(1, 2, 4), ""},
        {READY_OF(2, 3, 2), "timer@3004"},
        {TOOK(1000, 0, 1000), "run2:2+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 2000, .model = 2, .duration_ns = 1000},
            "run1:2+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 3000, .model = 1, .duration_ns = 1000},
            "run1:4+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 4000, .model = 1, .duration_ns = 1000},
            "run0:2+1/1#0(COMPOSED)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 3, ""), models, steps);
}

static int compare_times(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All instances are taken, 10,000 slots wait, `stride` apart. */
static struct e2b_policy *crowded(
    const struct e2b_sched_model *model, int stride, struct e2b_sched_actions *actions) {
    struct e2b_policy *policy = e2b_script_policy(ops, model, 1, "");
    const int taken[] = {0, 2, 3, 5, 6, 7, 8};
    struct e2b_sched_event timer = TIMER(0);
    for (int i = 0; i < 7; i++) {
        struct e2b_sched_event event = MORE(0, taken[i]);
        ops->on_event(policy, &event, actions);
    }
    ops->on_event(policy, &timer, actions);
    assert_int_equal(actions->count, 3);
    for (int i = 0; i < 10000; i++) {
        struct e2b_sched_event event = READY(i, 100 + i * stride);
        ops->on_event(policy, &event, actions);
    }
    assert_int_equal(actions->count, 3);
    return policy;
}

/* Numbers to read, not to assert: the machine may be busy. An instance of size `size_index` ends
 * again and again; the slots that it takes then become ready anew. */
static void time_decisions(const char *what, int stride, int size_index) {
    enum { ROUNDS = 20000 };
    static int64_t spent_ns[ROUNDS];
    const struct e2b_sched_model model = model_of(32768);
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = crowded(&model, stride, &actions);
    bool busy = true;
    for (int i = 0; i < ROUNDS; i++) {
        struct e2b_sched_event event = TIMER(i);
        if (busy)
            event = (struct e2b_sched_event)DONE(i, size_index, 0);
        actions.count = 0;
        int64_t before_ns = e2b_clock_ns();
        ops->on_event(policy, &event, &actions);
        spent_ns[i] = e2b_clock_ns() - before_ns;
        busy = actions.count > 0;
        for (int j = 0; busy && j < actions.list[0].count; j++) {
            struct e2b_sched_event again = READY(20000 + i, actions.list[0].first + j);
            ops->on_event(policy, &again, &actions);
        }
    }
    assert_int_equal(ops->waiting(policy, 0), 10000);
    qsort(spent_ns, ROUNDS, sizeof *spent_ns, compare_times);
    print_message("decision with 10000 waiting, %s: median %lld ns, 99th percentile %lld ns\n",
        what, (long long)spent_ns[ROUNDS / 2], (long long)spent_ns[ROUNDS * 99 / 100]);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

static void decisions_are_quick_with_ten_thousand_waiting(void **state) {
    (void)state;
    time_decisions("one by one", 1, 0);
    time_decisions("fours", 1, 2);
    time_decisions("gaps, size 1 free", 3, 0);
    time_decisions("gaps, size 1 busy", 3, 1);
}

static void bad_models_are_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_policy *policy = NULL;
    struct e2b_sched_model model = model_of(8);
    int64_t values[16];
    e2b_script_values(ops, "", values);
    model.sizes[0] = 2;
    assert_int_equal(ops->create(&model, 1, values, &policy, &err), E2B_INVALID);
    assert_null(policy);
    ops->destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seven_ready_slots_run_as_four_two_and_one),
        cmocka_unit_test(a_lone_slot_runs_at_once),
        cmocka_unit_test(what_fits_no_free_size_waits_for_one),
        cmocka_unit_test(a_run_does_not_wrap),
        cmocka_unit_test(gaps_split_what_is_ready),
        cmocka_unit_test(the_oldest_takes_neighbours_on_both_sides),
        cmocka_unit_test(a_blocked_head_lets_a_larger_batch_pass),
        cmocka_unit_test(priority_goes_first),
        cmocka_unit_test(earlier_deadlines_go_first),
        cmocka_unit_test(patience_bounds_the_wait_of_those_without_deadline),
        cmocka_unit_test(max_in_flight_limits_batches_on_the_device),
        cmocka_unit_test(a_withdrawn_slot_does_not_run),
        cmocka_unit_test(hopeless_slots_are_dropped_in_time),
        cmocka_unit_test(a_device_that_gains_nothing_from_company_runs_one_at_a_time),
        cmocka_unit_test(much_that_waits_does_so_for_the_batch_that_gives_most),
        cmocka_unit_test(a_device_with_room_starts_each_at_once),
        cmocka_unit_test(a_batch_is_held_when_the_next_request_is_near),
        cmocka_unit_test(predictions_are_counted),
        cmocka_unit_test(a_far_deadline_refuses_nobody),
        cmocka_unit_test(a_far_deadline_gives_way_to_a_near_one),
        cmocka_unit_test(a_refusal_tells_how_long_it_lasts),
        cmocka_unit_test(the_drain_of_what_waits_and_runs_is_predicted),
        cmocka_unit_test(a_model_that_cannot_wait_for_another_runs_beside_it),
        cmocka_unit_test(models_take_turns_by_device_time_over_weight_unless_one_is_urgent),
        cmocka_unit_test(decisions_are_quick_with_ten_thousand_waiting),
        cmocka_unit_test(bad_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
