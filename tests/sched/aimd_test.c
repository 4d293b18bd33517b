#include "sched/aimd.h"

#include "tests/sched/script.h"
#include "tests/support.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_aimd;

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 64,
    .size_count = 4,
    .sizes = {1, 2, 4, 8},
    .instances = {2, 2, 2, 2},
    .target_ns = 5000,
    .weight = 1};

#define TOOK(t, size, duration)                                                                    \
    { .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size, .duration_ns = duration }

#define PLAY(options, ...)                                                                         \
    do {                                                                                           \
        const struct e2b_script_step steps[] = {                                                   \
            {MORE(0, 0), ""},                                                                      \
            {MORE(0, 1), ""},                                                                      \
            {MORE(0, 2), ""},                                                                      \
            {MORE(0, 3), ""},                                                                      \
            {MORE(0, 4), ""},                                                                      \
            {MORE(0, 5), ""},                                                                      \
            {MORE(0, 6), ""},                                                                      \
            {MORE(0, 7), ""},                                                                      \
            {MORE(0, 8), ""},                                                                      \
            {MORE(0, 9), ""},                                                                      \
            __VA_ARGS__,                                                                           \
        };                                                                                         \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

static void the_limit_grows_by_one_after_each_batch_in_time(void **state) {
    (void)state;
    PLAY("", {TIMER(0), "run0:0+1/1#0(LIMIT)"}, {TOOK(1, 0, 5000), "run0:1+2/2#0(LIMIT)"},
        {TOOK(2, 1, 5000), "run0:3+2/2#0(LIMIT)"}, {TOOK(3, 1, 5000), "run0:5+4/4#0(LIMIT)"},
        {TOOK(4, 2, 5000), "run0:9+1/1#0(LIMIT)"});
}

static void a_late_batch_shrinks_it_by_a_tenth(void **state) {
    (void)state; /* 1, then 5, then 4.5; what lies between sizes is cut */
    PLAY("increase=4", {TIMER(0), "run0:0+1/1#0(LIMIT)"}, {TOOK(1, 0, 5000), "run0:1+4/4#0(LIMIT)"},
        {TOOK(2, 2, 5001), "run0:5+4/4#0(LIMIT)"});
    PLAY("increase=2 decrease_percent=50", {TIMER(0), "run0:0+1/1#0(LIMIT)"},
        {TOOK(1, 0, 1), "run0:1+2/2#0(LIMIT)"}, {TOOK(2, 1, 5001), "run0:3+1/1#0(LIMIT)"},
        {TOOK(3, 0, 9000), "run0:4+1/1#0(LIMIT)"}, {TOOK(4, 0, 0), "run0:5+1/1#0(LIMIT)"},
        {TOOK(5, 0, 1), "run0:6+2/2#0(LIMIT)"});
}

static void replicas_run_side_by_side(void **state) {
    (void)state;
    PLAY("replicas=2", {TIMER(0), "run0:0+1/1#0(LIMIT) run0:1+1/1#1(LIMIT)"},
        {TOOK(1, 0, 100), "run0:2+2/2#0(LIMIT)"});
}

static void a_model_without_target_takes_that_of_the_options(void **state) {
    (void)state;
    struct e2b_sched_model free_model = model;
    free_model.target_ns = 0;
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(LIMIT)"},
        {READY(0, 1), ""},
        {READY(0, 2), ""},
        {TOOK(1, 0, 1001), "run0:1+1/1#0(LIMIT)"},
        {TOOK(2, 0, 1000), "run0:2+1/1#0(LIMIT)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &free_model, 1, "target_us=1"), &free_model, steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_grows_by_one_after_each_batch_in_time),
        cmocka_unit_test(a_late_batch_shrinks_it_by_a_tenth),
        cmocka_unit_test(replicas_run_side_by_side),
        cmocka_unit_test(a_model_without_target_takes_that_of_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
