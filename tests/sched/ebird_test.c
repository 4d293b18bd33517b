#include "sched/ebird.h"

#include "tests/sched/script.h"
#include "tests/support.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_ebird;

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 16,
    .size_count = 4,
    .sizes = {1, 2, 4, 8},
    .instances = {1, 1, 1, 1},
    .weight = 1};

#define PLAY(options, ...)                                                                         \
    do {                                                                                           \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

#define SEVEN                                                                                      \
    {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""}, {MORE(0, 3), ""}, {MORE(0, 4), ""},      \
        {MORE(0, 5), ""}, {                                                                        \
        MORE(0, 6), ""                                                                             \
    }

static void seven_ready_slots_run_as_four_two_and_one(void **state) {
    (void)state;
    PLAY("", SEVEN, {TIMER(0), "run0:0+4/4#0(GREEDY) run0:4+2/2#0(GREEDY) run0:6+1/1#0(GREEDY)"});
}

static void max_inflight_counts_slots(void **state) {
    (void)state;
    PLAY("max_inflight=5", SEVEN, {TIMER(0), "run0:0+4/4#0(GREEDY) run0:4+1/1#0(GREEDY)"},
        {DONE(1, 0, 0), "run0:5+1/1#0(GREEDY)"}, {DONE(2, 2, 0), ""},
        {DONE(3, 0, 0), "run0:6+1/1#0(GREEDY)"});
}

static void a_busy_size_is_waited_for_or_replaced_by_smaller_ones(void **state) {
    (void)state;
    PLAY("", {READY(0, 0), "run0:0+1/1#0(GREEDY)"}, {READY(1, 1), ""},
        {READY(2, 2), "run0:1+2/2#0(GREEDY)"}, {READY(3, 3), ""},
        {DONE(4, 0, 0), "run0:3+1/1#0(GREEDY)"});
}

static void gaps_and_the_end_of_the_pool_cut_a_batch(void **state) {
    (void)state;
    PLAY("", {MORE(0, 14), ""}, {MORE(0, 15), ""}, {MORE(0, 0), ""}, {MORE(0, 2), ""},
        {TIMER(0), "run0:14+2/2#0(GREEDY) run0:0+1/1#0(GREEDY)"},
        {DONE(1, 0, 0), "run0:2+1/1#0(GREEDY)"});
}

static void models_take_turns_by_their_oldest(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {model, model};
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(GREEDY)"},
        {READY_OF(0, 2, 2), ""},
        {READY_OF(1, 1, 2), ""},
        {DONE(3, 0, 0), "run1:2+1/1#0(GREEDY)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, "max_inflight=1"), models, steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seven_ready_slots_run_as_four_two_and_one),
        cmocka_unit_test(max_inflight_counts_slots),
        cmocka_unit_test(a_busy_size_is_waited_for_or_replaced_by_smaller_ones),
        cmocka_unit_test(gaps_and_the_end_of_the_pool_cut_a_batch),
        cmocka_unit_test(models_take_turns_by_their_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
