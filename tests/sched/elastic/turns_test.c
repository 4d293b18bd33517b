#include "sched/elastic/turns.h"

#include "tests/sched/elastic/fixture.h"

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

static void models_take_turns_by_device_time_over_weight_unless_one_is_urgent(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1), known_model(1)};
    models[1].weight = 4;
    models[2].target_ns = 4000;
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(COMPOSED)"},
        {READY_OF(0, 1, 2), ""},
        {READY_OF(0, 1, 8), ""},
        {READY_OF(1, 2, 2), ""},
        {READY_OF(1, 2, 8), ""},
        {READY_OF(2, 3, 2), "timer@3004"},
        {TOOK(1000, 0, 1000), "run2:2+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 2000, .model = 2, .duration_ns = 1000},
            "run1:2+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 3000, .model = 1, .duration_ns = 1000},
            "run1:8+1/1#0(COMPOSED)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 4000, .model = 1, .duration_ns = 1000},
            "run0:2+1/1#0(COMPOSED)"},
    };
    PLAY_MODELS(models, 3, "", steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priority_goes_first),
        cmocka_unit_test(earlier_deadlines_go_first),
        cmocka_unit_test(models_take_turns_by_device_time_over_weight_unless_one_is_urgent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
