#include "sched/forecast.h"

#include "tests/support.h"

static struct e2b_sched_model model_of(double demand) {
    return (struct e2b_sched_model){.name = "m",
        .slot_count = 16,
        .size_count = 2,
        .sizes = {1, 4},
        .instances = {2, 1},
        .solo_ns = {1000, 2000},
        .demand = {demand, demand},
        .weight = 1};
}

static struct e2b_forecast forecast_of(double demand) {
    const struct e2b_sched_model model = model_of(demand);
    struct e2b_forecast forecast;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    return forecast;
}

#define ONE                                                                                        \
    (const struct e2b_forecast_start) {                                                            \
        0, 0, 1, INT64_MAX                                                                         \
    }
#define FOUR                                                                                       \
    (const struct e2b_forecast_start) {                                                            \
        0, 1, 4, INT64_MAX                                                                         \
    }

#define assert_near(got, expected) assert_int_equal((long)((got) + 0.5), (expected))

static void company_slows_by_the_sum_of_demands(void **state) {
    (void)state;
    struct e2b_forecast forecast =
        forecast_of(1); /* one after the other or in turns: all the same */
    const struct e2b_forecast_start both[] = {FOUR, ONE};
    struct e2b_forecast_outcome got = e2b_forecast_walk(&forecast, both, 2);
    assert_near(got.sum_ns, 2000 + 4 * 3000);
    assert_near(got.last_ns, 3000);
    assert_near(got.first_ns, 3000); /* the larger one */
    assert_near(got.area_ns, 3000);
    e2b_forecast_finish(&forecast);
    forecast = forecast_of(0.75);
    got = e2b_forecast_walk(&forecast, both, 2);
    assert_near(got.sum_ns, 1500 + 4 * 2500); /* 1000 at 2/3 of the speed, 1000 at full */
    assert_near(got.area_ns, 2250);
    e2b_forecast_finish(&forecast);
    forecast = forecast_of(0.5);
    assert_near(e2b_forecast_walk(&forecast, both, 2).sum_ns, 1000 + 4 * 2000);
    e2b_forecast_start(&forecast, &FOUR, 0);
    got = e2b_forecast_walk(&forecast, &ONE, 1);
    assert_near(got.last_ns, 1000);
    assert_near(got.all_ns, 2000);
    e2b_forecast_finish(&forecast);
}

/* One thread enqueues: a batch waits for those that were started before it, and is not thought slow
 * for that. */
static void a_batch_waits_until_it_is_enqueued(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(0.25);
    struct e2b_forecast forecast;
    model.launches[0] = model.launches[1] = 10;
    model.launch_ns = 30;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    e2b_forecast_start(&forecast, &FOUR, 0);
    assert_near(e2b_forecast_walk(&forecast, &ONE, 1).last_ns, 1300);
    e2b_forecast_start(&forecast, &ONE, 0);
    assert_near(e2b_forecast_walk(&forecast, NULL, 0).sum_ns, 1300 + 4 * 2000);
    e2b_forecast_pass(&forecast, 500);
    assert_near(e2b_forecast_walk(&forecast, &ONE, 1).last_ns, 1100);
    e2b_forecast_pass(&forecast, 1300);
    e2b_forecast_completed(&forecast, 0, 0, 0, 1000);
    assert_near(forecast.models[0].solo_ns[0], 1000);
    struct e2b_sched_prediction told;
    e2b_forecast_prediction(&forecast, 0, &told);
    assert_int_equal(told.under, 0);
    e2b_forecast_finish(&forecast);
}

/* Two models: beside the other's a batch waits 500 ns, beside one of its own model it does not. What
 * it waits is learnt, a little of each error, as it may be a stall. */
static void a_batch_waits_for_room_beside_another_model(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {model_of(0.25), model_of(0.25)};
    struct e2b_forecast forecast;
    models[0].beside_ns = 500;
    assert_true(e2b_forecast_init(&forecast, models, 2));
    const struct e2b_forecast_start both[] = {{1, 1, 4, INT64_MAX}, ONE};
    assert_near(e2b_forecast_walk(&forecast, both, 2).first_ns, 2000);
    assert_near(e2b_forecast_walk(&forecast, both + 1, 1).last_ns, 1000);
    e2b_forecast_start(&forecast, &FOUR, 0);
    assert_near(e2b_forecast_walk(&forecast, &ONE, 1).last_ns, 1000);
    e2b_forecast_start(&forecast, &both[0], 0);
    assert_near(e2b_forecast_walk(&forecast, &ONE, 1).last_ns, 1500);
    for (int i = 0; i < 2; i++) {
        double before_ns = forecast.models[0].beside_ns;
        e2b_forecast_start(&forecast, &ONE, 0);
        e2b_forecast_pass(&forecast, 10000 * (i + 1));
        e2b_forecast_completed(&forecast, 0, 0, 0, 1);
        assert_true(forecast.models[0].beside_ns > before_ns);
        assert_true(forecast.models[0].beside_ns < before_ns + 50);
    }
    e2b_forecast_finish(&forecast);
}

/* Batches of one and of four: together they give 1.33 times as much as four alone, if the thread that
 * enqueues has time for both and for the rest of its work. */
static void a_busy_enqueuer_makes_company_no_gain(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(0.5);
    struct e2b_forecast forecast;
    model.launches[0] = model.launches[1] = 1;
    model.launch_ns = 100;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    assert_true(forecast.models[0].gains);
    for (int i = 0; i < 100; i++)
        for (int size = 0; size < 2; size++)
            e2b_forecast_enqueued(&forecast, 0, size, 600);
    assert_near(forecast.models[0].host_ns[1], 600);
    assert_false(forecast.models[0].gains);
    e2b_forecast_finish(&forecast);
}

static void a_running_batch_advances_and_ends(void **state) {
    (void)state;
    struct e2b_forecast forecast = forecast_of(1);
    e2b_forecast_start(&forecast, &FOUR, 0);
    e2b_forecast_pass(&forecast, 500);
    assert_near(e2b_forecast_walk(&forecast, NULL, 0).sum_ns, 4 * 1500);
    e2b_forecast_start(&forecast, &ONE, 1);
    e2b_forecast_pass(&forecast, 2500); /* both have done half of that: the one is done */
    assert_near(forecast.running[0].left_ns, 0);
    e2b_forecast_completed(&forecast, 0, 0, 1, 2000);
    e2b_forecast_pass(&forecast, 3000);
    e2b_forecast_completed(&forecast, 0, 1, 0, 3000);
    struct e2b_sched_prediction told;
    e2b_forecast_prediction(&forecast, 0, &told);
    assert_int_equal(told.count, 2);
    assert_true(told.mean_error < 1e-9 && told.p99_error <= 0.01);
    assert_near(forecast.models[0].solo_ns[1], 2000);
    assert_int_equal(forecast.running_count, 0);
    e2b_forecast_finish(&forecast);
}

static void durations_and_contention_follow_what_is_measured(void **state) {
    (void)state;
    struct e2b_forecast forecast = forecast_of(1);
    int64_t now_ns = 0;
    for (int i = 0; i < 100; i++) { /* alone: 1300 */
        e2b_forecast_start(&forecast, &ONE, 0);
        e2b_forecast_pass(&forecast, now_ns += 1300);
        e2b_forecast_completed(&forecast, 0, 0, 0, 1300);
    }
    assert_near(forecast.models[0].solo_ns[0], 1300);
    assert_true(forecast.contention == 1);
    assert_true(forecast.models[0].margin >= 1);
    for (int i = 0; i < 300; i++) { /* a pair in 1.2 times what one takes, not twice */
        e2b_forecast_start(&forecast, &ONE, 0);
        e2b_forecast_start(&forecast, &ONE, 1);
        e2b_forecast_pass(&forecast, now_ns += 1560);
        e2b_forecast_completed(&forecast, 0, 0, 0, 1560);
        e2b_forecast_completed(&forecast, 0, 0, 1, 1560);
    }
    const struct e2b_forecast_start pair[] = {ONE, ONE};
    double predicted_ns = e2b_forecast_walk(&forecast, pair, 2).last_ns;
    assert_true(predicted_ns > 1480 && predicted_ns < 1640);
    e2b_forecast_finish(&forecast);
}

/* One batch of twenty stalls: the others are not thought slow for that. */
static void rare_stalls_leave_the_margin(void **state) {
    (void)state;
    struct e2b_forecast forecast = forecast_of(1);
    int64_t now_ns = 0;
    for (int i = 0; i < 400; i++) {
        int64_t duration_ns = (i % 20 == 0 ? 2 : 1) * (int64_t)forecast.models[0].solo_ns[0];
        e2b_forecast_start(&forecast, &ONE, 0);
        e2b_forecast_pass(&forecast, now_ns += duration_ns);
        e2b_forecast_completed(&forecast, 0, 0, 0, duration_ns);
    }
    assert_true(forecast.models[0].margin < 1.1);
    e2b_forecast_finish(&forecast);
}

static void the_best_composition_may_leave_sizes_out(void **state) {
    (void)state;
    struct e2b_forecast forecast = forecast_of(1);
    assert_near(forecast.models[0].sample_ns, 500); /* fours alone */
    assert_int_equal(forecast.models[0].full_count, 4);
    e2b_forecast_finish(&forecast);
    forecast = forecast_of(0.3); /* all together */
    assert_near(1e6 * forecast.models[0].sample_ns, 250000000);
    assert_int_equal(forecast.models[0].full_count, 6);
    e2b_forecast_finish(&forecast);
    struct e2b_sched_model model = model_of(0.3); /* but the thread that enqueues has its limit */
    model.launches[0] = model.launches[1] = 200;
    model.launch_ns = 5;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    assert_near(forecast.models[0].sample_ns, 500);
    e2b_forecast_finish(&forecast);
}

static void an_unknown_duration_is_that_of_a_neighbour_by_proportion(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(0);
    struct e2b_forecast forecast;
    model.solo_ns[1] = 0;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    assert_near(forecast.models[0].solo_ns[1], 4000);
    assert_true(forecast.models[0].demand[0] == 1);
    e2b_forecast_finish(&forecast);
    model.solo_ns[0] = 0;
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    assert_true(forecast.models[0].sample_ns == 0);
    e2b_forecast_start(&forecast, &FOUR, 0);
    e2b_forecast_pass(&forecast, 1234);
    e2b_forecast_completed(&forecast, 0, 1, 0, 1200);
    assert_near(forecast.models[0].solo_ns[1], 1200);
    e2b_forecast_finish(&forecast);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(company_slows_by_the_sum_of_demands),
        cmocka_unit_test(a_batch_waits_until_it_is_enqueued),
        cmocka_unit_test(a_batch_waits_for_room_beside_another_model),
        cmocka_unit_test(a_busy_enqueuer_makes_company_no_gain),
        cmocka_unit_test(a_running_batch_advances_and_ends),
        cmocka_unit_test(durations_and_contention_follow_what_is_measured),
        cmocka_unit_test(rare_stalls_leave_the_margin),
        cmocka_unit_test(the_best_composition_may_leave_sizes_out),
        cmocka_unit_test(an_unknown_duration_is_that_of_a_neighbour_by_proportion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
