#include "sched/elastic.h"

#include "runtime/base/clock.h"
#include "tests/sched/elastic/fixture.h"
#include "tests/support.h"
#include <stdlib.h>

static const struct e2b_policy_ops *const ops = &e2b_policy_elastic;

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

/* Model 1's target is shorter than a full batch of model 0 and its own: it does not wait for that,
 * and yet runs one batch after another itself, of a size that it has time for beside the other. */
static void a_model_that_cannot_wait_for_another_runs_beside_it(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    for (int i = 0; i < 3; i++)
        models[0].solo_ns[i] *= 5;
    models[0].target_ns = 40000;
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
    for (int i = 0; i < 10000; i++) {
        struct e2b_sched_event event = READY(i, 100 + i * stride);
        ops->on_event(policy, &event, actions);
    }
    return policy;
}

static int64_t time_event(
    struct e2b_policy *policy, struct e2b_sched_event event, struct e2b_sched_actions *actions) {
    int64_t before_ns = e2b_clock_ns();
    ops->on_event(policy, &event, actions);
    return e2b_clock_ns() - before_ns;
}

static void print_times(const char *what, const char *event, int64_t *spent_ns, int count) {
    qsort(spent_ns, (size_t)count, sizeof *spent_ns, compare_times);
    print_message("decision with 10000 waiting, %s, %s: median %lld ns, 99th percentile %lld ns\n",
        what, event, (long long)spent_ns[count / 2], (long long)spent_ns[count * 99 / 100]);
}

enum { ROUNDS = 20000, PLAYS = 5 };

static void keep_least(int64_t *kept_ns, int64_t ns, int play) {
    if (play == 0 || ns < *kept_ns)
        *kept_ns = ns;
}

/* A batch ends again and again; the slots that are taken then become ready anew. */
static void play_decisions(const struct e2b_sched_model *model, int stride, int play,
    int64_t *ends_ns, int64_t *arrivals_ns) {
    struct e2b_sched_actions actions = {0};
    struct e2b_policy *policy = crowded(model, stride, &actions);
    int at_ns = 10000, waiting = ops->waiting(policy, 0), running = 0;
    struct e2b_sched_action runs[3];
    for (int i = 0; i < actions.count; i++)
        if (actions.list[i].kind == E2B_SCHED_RUN)
            runs[running++] = actions.list[i];
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(running > 0);
        struct e2b_sched_event end = DONE(++at_ns, runs[0].size_index, 0);
        runs[0] = runs[--running];
        actions.count = 0;
        keep_least(&ends_ns[i], time_event(policy, end, &actions), play);
        int started = actions.count;
        for (int j = 0; j < started; j++) {
            if (actions.list[j].kind != E2B_SCHED_RUN)
                continue;
            runs[running++] = actions.list[j];
            for (int slot = 0; slot < actions.list[j].span; slot += stride) {
                at_ns++;
                struct e2b_sched_event ready = READY(at_ns, actions.list[j].first + slot);
                int64_t spent_ns = time_event(policy, ready, &actions);
                if (slot == 0)
                    keep_least(&arrivals_ns[i], spent_ns, play);
            }
        }
    }
    assert_true(abs(ops->waiting(policy, 0) - waiting) < 4);
    ops->destroy(policy);
    e2b_sched_actions_finish(&actions);
}

/* Numbers to read, not to assert: the machine may be busy. Of each decision the least of several
 * plays, which are alike: what remains is the policy's. */
static void time_decisions(const char *what, const struct e2b_sched_model *model, int stride) {
    static int64_t ends_ns[ROUNDS], arrivals_ns[ROUNDS];
    for (int play = 0; play < PLAYS; play++)
        play_decisions(model, stride, play, ends_ns, arrivals_ns);
    print_times(what, "an end", ends_ns, ROUNDS);
    print_times(what, "an arrival", arrivals_ns, ROUNDS);
}

static void decisions_are_quick_with_ten_thousand_waiting(void **state) {
    (void)state;
    struct e2b_sched_model unknown = model_of(32768), known = known_model(1), shared;
    known.slot_count = 32768;
    known.target_ns = 100000000;
    shared = known;
    for (int i = 0; i < 3; i++)
        shared.demand[i] = 0.2;
    time_decisions("neighbours", &unknown, 1);
    time_decisions("gaps", &unknown, 3);
    time_decisions("neighbours, one batch at a time", &known, 1);
    time_decisions("gaps, one batch at a time", &known, 3);
    time_decisions("neighbours, side by side", &shared, 1);
    time_decisions("gaps, side by side", &shared, 3);
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
        cmocka_unit_test(patience_bounds_the_wait_of_those_without_deadline),
        cmocka_unit_test(max_in_flight_limits_batches_on_the_device),
        cmocka_unit_test(a_withdrawn_slot_does_not_run),
        cmocka_unit_test(predictions_are_counted),
        cmocka_unit_test(the_drain_of_what_waits_and_runs_is_predicted),
        cmocka_unit_test(a_model_that_cannot_wait_for_another_runs_beside_it),
        cmocka_unit_test(decisions_are_quick_with_ten_thousand_waiting),
        cmocka_unit_test(bad_models_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
