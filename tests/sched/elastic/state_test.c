#include "sched/elastic/state.h"

#include "sched/elastic/admission.h"

#include "tests/sched/elastic/fixture.h"

static struct e2b_elastic_model model_with(int64_t target_ns) {
    struct e2b_sched_model from = model_of(8);
    struct e2b_elastic_model model = {0};
    from.target_ns = target_ns;
    assert_true(e2b_elastic_model_init(&model, &from, 5000));
    return model;
}

static void a_request_is_due_at_its_target_or_its_deadline(void **state) {
    (void)state;
    struct e2b_elastic_model model = model_with(2000);
    e2b_elastic_ready(&model, &(struct e2b_sched_event)READY(100, 0));
    e2b_elastic_ready(&model, &(struct e2b_sched_event)READY_BY(100, 1, 700));
    e2b_elastic_ready(&model, &(struct e2b_sched_event)READY_BY(100, 2, 9000));
    const int64_t expected[] = {2100, 700, 2100};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(e2b_elastic_due(&model, i), expected[i]);
        assert_int_equal(e2b_elastic_must_end(&model, i), expected[i]);
    }
    e2b_elastic_model_finish(&model);
}

static void without_a_target_it_takes_its_turn_after_a_while(void **state) {
    (void)state;
    struct e2b_elastic_model model = model_with(0);
    e2b_elastic_ready(&model, &(struct e2b_sched_event)READY(100, 0));
    e2b_elastic_ready(&model, &(struct e2b_sched_event)READY_BY(100, 1, 9000));
    for (int i = 0; i < 2; i++)
        assert_int_equal(e2b_elastic_due(&model, i), 5100);
    assert_int_equal(e2b_elastic_must_end(&model, 0), INT64_MAX);
    assert_int_equal(e2b_elastic_must_end(&model, 1), 9000);
    e2b_elastic_model_finish(&model);
}

static void newcomers_are_counted_when_they_are_admitted(void **state) {
    (void)state;
    struct e2b_elastic_model model = model_with(2000);
    for (int slot = 0; slot < 3; slot++)
        e2b_elastic_ready(&model, &(struct e2b_sched_event)READY(100, slot));
    for (int slot = 0; slot < 2; slot++) {
        e2b_elastic_count(&model, slot, 1);
        e2b_bitset_remove(&model.newcomers, slot);
    }
    assert_int_equal(e2b_sched_backlog_until(&model.strict, 2100), 2);
    e2b_elastic_forget(&model, 0);
    e2b_elastic_forget(&model, 2);
    assert_int_equal(e2b_sched_backlog_until(&model.strict, 2100), 1);
    assert_int_equal(model.newcomers.count, 0);
    e2b_elastic_model_finish(&model);
}

/* One every 100 ns, and later none. */
static void the_rate_follows_arrivals(void **state) {
    (void)state;
    struct e2b_elastic_model model = model_with(2000);
    int64_t now_ns = 0;
    for (int i = 0; i < 1000; i++) {
        now_ns += 100;
        e2b_elastic_ready(&model, &(struct e2b_sched_event)READY(now_ns, 0));
        e2b_elastic_forget(&model, 0);
        e2b_sched_slots_withdraw(&model.slots, 0);
    }
    double rate = e2b_elastic_rate(&model, now_ns);
    assert_true(rate > 0.009 && rate < 0.011);
    assert_true(e2b_elastic_rate(&model, now_ns + 100000) < rate / 10);
    e2b_elastic_model_finish(&model);
}

/* Two batches of one beside each other give more than one after another, but are foreseen less
 * well. */
static void each_way_to_run_is_trusted_by_itself(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(0.3)};
    int64_t values[] = {0, 100000, 1, 1};
    for (int gains = 0; gains < 2; gains++) {
        struct e2b_policy *policy = NULL;
        struct e2b_error err = {0};
        assert_ok(e2b_policy_elastic.create(&models[gains], 1, values, &policy, &err), err);
        struct e2b_elastic_model *model = &policy->models[0];
        assert_true(policy->forecast.models[0].gains == gains);
        policy->forecast.exclusive = false;
        assert_int_equal(e2b_elastic_way(policy), E2B_ELASTIC_SIDE_BY_SIDE);
        double beside = e2b_elastic_limit(policy, model);
        policy->forecast.exclusive = true;
        assert_int_equal(e2b_elastic_way(policy), E2B_ELASTIC_ONE_BY_ONE);
        double alone = e2b_elastic_limit(policy, model);
        assert_true(gains ? beside < alone : beside == alone);
        policy->lanes = true;
        assert_int_equal(e2b_elastic_way(policy), E2B_ELASTIC_IN_LANES);
        for (int i = 0; i < 400; i++)
            e2b_sched_trust_add(&model->trust[E2B_ELASTIC_IN_LANES], 0.7, true);
        e2b_elastic_learn(policy, model);
        assert_true(e2b_elastic_limit(policy, model) < 0.71);
        policy->lanes = false;
        assert_true(e2b_elastic_limit(policy, model) == alone);
        e2b_policy_elastic.destroy(policy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_to_run_is_trusted_by_itself),
        cmocka_unit_test(a_request_is_due_at_its_target_or_its_deadline),
        cmocka_unit_test(without_a_target_it_takes_its_turn_after_a_while),
        cmocka_unit_test(newcomers_are_counted_when_they_are_admitted),
        cmocka_unit_test(the_rate_follows_arrivals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
