#include "sched/elastic/choice.h"

#include "tests/sched/elastic/fixture.h"

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
    PLAY_MODELS(&model, 1, "", steps);
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
    PLAY_MODELS(&model, 1, "", steps);
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
    PLAY_MODELS(&model, 1, "", steps);
}

#define DUE(s, deadline, follow)                                                                   \
    { .kind = E2B_SCHED_READY, .more = follow, .slot = s, .deadline_ns = deadline }

/* The head is in time only alone, and then makes the three others late. */
static void a_batch_is_not_late_because_its_head_is(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(0.6);
    const struct e2b_script_step steps[] = {
        {DUE(0, 1100, true), ""},
        {DUE(1, 1700, true), ""},
        {DUE(2, 1700, true), ""},
        {DUE(3, 1700, false), "run0:0+4/4#0(FULL)"},
    };
    PLAY_MODELS(&model, 1, "admission=0", steps);
}

/* The slot between them was refused, or is not there yet. */
static void a_batch_runs_over_holes(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(1);
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(COMPOSED)"},
        {READY(100, 1), ""},
        {READY(200, 2), ""},
        {READY(300, 4), ""},
        {TOOK(1000, 0, 1000), "run0:1+3/4#0(PADDED)"},
        {READY(1100, 3), ""}, /* written by it: held back until it ends */
        {TOOK(2600, 2, 1600), "run0:3+1/1#0(COMPOSED)"},
    };
    PLAY_MODELS(&model, 1, "", steps);
}

/* One alone would leave room, but nothing that waits fits into it: three for 1600 are more than one
 * for 1000. */
static void room_that_nothing_fits_into_is_worth_nothing(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.demand[0] = 0.4;
    model.demand[1] = 0.8;
    model.demand[2] = 0.9;
    const struct e2b_script_step steps[] = {
        {MORE(0, 0), ""},
        {MORE(0, 1), ""},
        {MORE(0, 2), ""},
        {READY(0, 3), "run0:0+4/4#0(FULL)"},
        {MORE(100, 4), ""},
        {MORE(100, 5), ""},
        {READY(100, 6), ""},
        {TOOK(1600, 2, 1600), "run0:4+3/4#0(PADDED)"},
    };
    PLAY_MODELS(&model, 1, "", steps);
}

/* Four would end after the first two are due, and give fewer in time than two for less time. */
static void a_busy_device_counts_what_ends_in_time(void **state) {
    (void)state;
    const struct e2b_sched_model model = known_model(1);
    const struct e2b_script_step steps[] = {
        {MORE(0, 0), ""},
        {MORE(0, 1), ""},
        {MORE(0, 2), ""},
        {READY(0, 3), "run0:0+4/4#0(FULL)"},
        {{.kind = E2B_SCHED_READY, .more = true, .slot = 4, .deadline_ns = 3000}, ""},
        {{.kind = E2B_SCHED_READY, .more = true, .slot = 5, .deadline_ns = 3000}, ""},
        {{.kind = E2B_SCHED_READY, .more = true, .slot = 6, .deadline_ns = 9000}, ""},
        {READY_BY(0, 7, 9000), "timer@2001"},
        {TOOK(1600, 2, 1600), "run0:4+2/2#0(COMPOSED)"},
        {TOOK(2800, 1, 1200), "run0:6+2/2#0(COMPOSED)"},
    };
    PLAY_MODELS(&model, 1, "admission=0", steps);
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
        cmocka_unit_test(a_device_that_gains_nothing_from_company_runs_one_at_a_time),
        cmocka_unit_test(much_that_waits_does_so_for_the_batch_that_gives_most),
        cmocka_unit_test(a_device_with_room_starts_each_at_once),
        cmocka_unit_test(a_batch_is_not_late_because_its_head_is),
        cmocka_unit_test(a_batch_runs_over_holes),
        cmocka_unit_test(room_that_nothing_fits_into_is_worth_nothing),
        cmocka_unit_test(a_busy_device_counts_what_ends_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
