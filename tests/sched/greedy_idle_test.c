#include "sched/greedy_idle.h"

#include "tests/sched/script.h"
#include "tests/support.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_greedy_idle;

static struct e2b_sched_model model_of(int slot_count) {
    return (struct e2b_sched_model){.name = "m",
        .slot_count = slot_count,
        .size_count = 3,
        .sizes = {1, 2, 4},
        .instances = {1, 1, 1},
        .weight = 1};
}

#define PLAY(slot_count, ...)                                                                      \
    do {                                                                                           \
        const struct e2b_sched_model model = model_of(slot_count);                                 \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);                     \
    } while (0)

static void all_that_waits_runs_when_the_device_is_idle(void **state) {
    (void)state;
    PLAY(16, {READY(0, 0), "run0:0+1/1#0(IDLE)"}, {READY(1, 1), ""}, {READY(2, 2), ""},
        {READY(3, 3), ""}, {DONE(4, 0, 0), "run0:1+3/4#0(IDLE)"}, {READY(5, 4), ""},
        {READY(5, 5), ""}, {READY(5, 6), ""}, {READY(5, 7), ""}, {READY(5, 8), ""},
        {DONE(6, 2, 0), "run0:4+4/4#0(IDLE)"}, {DONE(7, 2, 0), "run0:8+1/1#0(IDLE)"},
        {DONE(8, 0, 0), ""});
}

static void padding_stops_at_the_end_and_at_ready_slots(void **state) {
    (void)state;
    PLAY(8, {MORE(0, 5), ""}, {MORE(0, 6), ""}, {MORE(0, 7), ""}, {TIMER(0), "run0:5+2/2#0(IDLE)"},
        {DONE(1, 1, 0), "run0:7+1/1#0(IDLE)"}, {READY(2, 0), ""}, {READY(2, 1), ""},
        {READY(2, 2), ""}, {READY(2, 4), ""}, {DONE(3, 0, 0), "run0:0+3/4#0(IDLE)"},
        {DONE(4, 2, 0), "run0:4+1/1#0(IDLE)"}, {MORE(5, 0), ""}, {MORE(5, 1), ""}, {MORE(5, 2), ""},
        {MORE(5, 4), ""}, {MORE(5, 3), ""}, {GONE(6, 3), ""}, {GONE(6, 4), ""},
        {DONE(7, 0, 0), "run0:0+3/4#0(IDLE)"});
}

static void a_gap_cuts_the_batch_to_what_fills_a_size(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(16);
    model.sizes[2] = 8;
    const struct e2b_script_step steps[] = {
        {MORE(0, 0), ""},
        {MORE(0, 1), ""},
        {MORE(0, 2), ""},
        {MORE(0, 5), ""},
        {TIMER(0), "run0:0+2/2#0(IDLE)"},
        {DONE(1, 1, 0), "run0:2+1/1#0(IDLE)"},
        {DONE(2, 0, 0), "run0:5+1/1#0(IDLE)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, ""), &model, steps);
}

static void a_cut_batch_keeps_the_oldest(void **state) {
    (void)state;
    PLAY(8, {READY(0, 0), "run0:0+1/1#0(IDLE)"}, {READY(1, 7), ""}, {READY(2, 5), ""},
        {READY(3, 6), ""}, {DONE(4, 0, 0), "run0:6+2/2#0(IDLE)"});
}

static void the_model_of_the_oldest_request_goes_first(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {model_of(8), model_of(8)};
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(IDLE)"},
        {READY_OF(1, 1, 3), ""},
        {READY_OF(0, 2, 2), ""},
        {DONE(3, 0, 0), "run1:3+1/1#0(IDLE)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 4, .model = 1}, "run0:2+1/1#0(IDLE)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, ""), models, steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_waits_runs_when_the_device_is_idle),
        cmocka_unit_test(padding_stops_at_the_end_and_at_ready_slots),
        cmocka_unit_test(a_gap_cuts_the_batch_to_what_fills_a_size),
        cmocka_unit_test(a_cut_batch_keeps_the_oldest),
        cmocka_unit_test(the_model_of_the_oldest_request_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
