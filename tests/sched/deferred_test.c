#include "sched/deferred.h"

#include "tests/sched/script.h"
#include "tests/support.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_deferred;

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 16,
    .size_count = 3,
    .sizes = {1, 2, 4},
    .instances = {2, 2, 2},
    .solo_ns = {1000, 1500, 2500},
    .target_ns = 10000,
    .weight = 1};

#define PLAY(options, ...)                                                                         \
    do {                                                                                           \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

static void a_batch_waits_until_it_can_no_longer_grow(void **state) {
    (void)state; /* 10000 - duration of two, then of three */
    PLAY("", {READY(0, 0), "timer@8500"}, {READY(100, 1), "timer@7500"}, {TIMER(7499), ""},
        {TIMER(7500), "run0:0+2/2#0(DEFERRED)"});
}

static void a_third_uses_the_time_of_the_fourth(void **state) {
    (void)state; /* three and four take the same size: 7500 again, which already stands */
    PLAY("", {READY(0, 0), "timer@8500"}, {READY(1, 1), "timer@7500"}, {READY(2, 2), ""},
        {TIMER(7500), "run0:0+3/4#0(DEFERRED)"});
}

static void a_full_batch_runs_at_once(void **state) {
    (void)state;
    PLAY("", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""},
        {READY(0, 3), "run0:0+4/4#0(FULL)"});
}

static void a_busy_accelerator_is_waited_for_and_the_late_are_dropped(void **state) {
    (void)state;
    PLAY("", {READY_BY(0, 0, 1500), "run0:0+1/1#0(DEFERRED)"}, {READY_BY(0, 2, 2200), ""},
        {READY_BY(0, 4, 1900), ""}, {READY_BY(0, 5, 2600), ""},
        {DONE(1000, 0, 0), "drop0:4(HOPELESS) run0:2+1/1#0(DEFERRED)"},
        {DONE(2000, 0, 0), "drop0:5(HOPELESS)"});
}

static void the_batch_is_as_large_as_the_earliest_deadline_allows(void **state) {
    (void)state; /* two meet 1600, three would not */
    PLAY("", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""},
        {READY_BY(0, 9, 1600), "timer@100"}, {READY_BY(100, 8, 1600), "run0:8+2/2#0(DEFERRED)"},
        {TIMER(100), ""}, {DONE(1600, 1, 0), "timer@7500"});
}

static void the_model_whose_moment_came_first_goes_first(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {model, model};
    models[1].target_ns = 4000;
    const struct e2b_script_step steps[] = {
        {READY_BY(0, 0, 1000), "run0:0+1/1#0(DEFERRED)"},
        {READY(10, 1), ""},
        {READY_OF(1, 20, 0), ""},
        {DONE(8800, 0, 0), "drop1:0(HOPELESS) run0:1+1/1#0(DEFERRED)"},
        {READY_OF(1, 9000, 1), ""},
        {READY(9000, 3), ""},
        {DONE(9800, 0, 0), "timer@11500"},
        {TIMER(11500), "run1:1+1/1#0(DEFERRED)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, ""), models, steps);
}

static void nothing_is_deferred_while_durations_are_unknown(void **state) {
    (void)state;
    struct e2b_sched_model unknown = model;
    unknown.solo_ns[0] = unknown.solo_ns[1] = unknown.solo_ns[2] = 0;
    const struct e2b_script_step steps[] = {{READY(0, 0), "run0:0+1/1#0(DEFERRED)"}};
    SCRIPT_RUN(ops, e2b_script_policy(ops, &unknown, 1, ""), &unknown, steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_waits_until_it_can_no_longer_grow),
        cmocka_unit_test(a_third_uses_the_time_of_the_fourth),
        cmocka_unit_test(a_full_batch_runs_at_once),
        cmocka_unit_test(a_busy_accelerator_is_waited_for_and_the_late_are_dropped),
        cmocka_unit_test(the_batch_is_as_large_as_the_earliest_deadline_allows),
        cmocka_unit_test(the_model_whose_moment_came_first_goes_first),
        cmocka_unit_test(nothing_is_deferred_while_durations_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
