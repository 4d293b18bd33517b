#include "sched/optimal.h"

#include "tests/support.h"

#define MS INT64_C(1000000)

/* One takes 3 ms, two 4 ms. */
static struct e2b_sched_model model_of(int64_t target_ns) {
    return (struct e2b_sched_model){.slot_count = 8,
        .size_count = 2,
        .sizes = {1, 2},
        .instances = {1, 1},
        .solo_ns = {3 * MS, 4 * MS},
        .demand = {1, 1},
        .target_ns = target_ns,
        .weight = 1};
}

static void what_is_coming_is_waited_for_where_that_pays(void **state) {
    (void)state;
    const int64_t arrivals[] = {0, 1 * MS, 2 * MS, 3 * MS};
    /* 0+1 at 1 .. 5, 2+3 at 5 .. 9: at once would be 0 at 0 .. 3, 1+2 at 3 .. 7, 3 at 7 .. 10 */
    const struct e2b_sched_model six = model_of(7 * MS), less = model_of(7 * MS - 1);
    assert_int_equal(e2b_clairvoyant_in_target(&six, arrivals, 4), 4);
    assert_int_equal(e2b_clairvoyant_in_target(&less, arrivals, 4), 3);
}

static void the_oldest_is_dropped_before_it_costs_anything(void **state) {
    (void)state;
    const int64_t arrivals[] = {0, 0, 0, 0, 0};
    const struct e2b_sched_model model = model_of(8 * MS);
    assert_int_equal(e2b_clairvoyant_in_target(&model, arrivals, 5), 4);
    assert_int_equal(e2b_optimal_of(&model, arrivals, 5).in_target, 4);
}

static void the_reply_takes_of_the_target(void **state) {
    (void)state;
    const int64_t arrivals[] = {0};
    struct e2b_sched_model model = model_of(3 * MS);
    assert_int_equal(e2b_clairvoyant_in_target(&model, arrivals, 1), 1);
    assert_int_equal(e2b_optimal_of(&model, arrivals, 1).in_target, 1);
    model.reply_ns = 1;
    assert_int_equal(e2b_clairvoyant_in_target(&model, arrivals, 1), 0);
    assert_int_equal(e2b_optimal_of(&model, arrivals, 1).in_target, 0);
}

static void quantiles_leave_out_the_latest(void **state) {
    (void)state;
    const int64_t arrivals[] = {0, 0, 0, 100 * MS};
    const struct e2b_sched_model model = model_of(0);
    int64_t all_ns = e2b_clairvoyant_quantile(&model, arrivals, 4, 1);
    int64_t most_ns = e2b_clairvoyant_quantile(&model, arrivals, 4, 0.75);
    assert_in_range(all_ns, 7 * MS, 7 * MS + 7 * MS / 900);
    assert_in_range(most_ns, 4 * MS, 4 * MS + 4 * MS / 900);
    assert_true(e2b_optimal_quantile(&model, arrivals, 4, 1) <= all_ns);
}

/* Every schedule of one batch at a time: whether request `next` opens a batch of some count, or is
 * dropped. */
static long most_by_trying(
    const struct e2b_sched_model *model, const int64_t *arrivals, long left, int64_t free_ns) {
    if (left == 0)
        return 0;
    long best = most_by_trying(model, arrivals + 1, left - 1, free_ns);
    for (int count = 1; count <= 2 && count <= left; count++) {
        int64_t last_ns = arrivals[count - 1];
        int64_t end_ns = (free_ns > last_ns ? free_ns : last_ns) + model->solo_ns[count - 1];
        if (end_ns > arrivals[0] + model->target_ns)
            continue;
        long most = count + most_by_trying(model, arrivals + count, left - count, end_ns);
        best = most > best ? most : best;
    }
    return best;
}

static void nothing_that_can_be_tried_is_better(void **state) {
    (void)state;
    uint64_t random = 1;
    for (int round = 0; round < 200; round++) {
        struct e2b_sched_model model = model_of((3 + round % 7) * MS);
        int64_t arrivals[12], at_ns = 0;
        for (int i = 0; i < 12; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            arrivals[i] = at_ns += (int64_t)(random >> 41) % (4 * MS);
        }
        long most = e2b_clairvoyant_in_target(&model, arrivals, 12);
        assert_int_equal(most, most_by_trying(&model, arrivals, 12, 0));
        assert_true(most <= e2b_optimal_of(&model, arrivals, 12).in_target);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_coming_is_waited_for_where_that_pays),
        cmocka_unit_test(the_oldest_is_dropped_before_it_costs_anything),
        cmocka_unit_test(the_reply_takes_of_the_target),
        cmocka_unit_test(quantiles_leave_out_the_latest),
        cmocka_unit_test(nothing_that_can_be_tried_is_better),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
