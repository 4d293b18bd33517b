#include "sched/elastic/pace.h"

#include "tests/sched/elastic/fixture.h"

/* Three requests of each model wait, of which one batch of four takes all of the device. */
static struct e2b_policy *waiting_policy(const struct e2b_sched_model *models, int count) {
    struct e2b_policy *policy = e2b_script_policy(&e2b_policy_elastic, models, count, "");
    struct e2b_sched_actions actions = {0};
    for (int i = 0; i < 3 * count; i++) {
        struct e2b_sched_event event = READY_OF(i % count, 0, i / count);
        event.more = true;
        e2b_policy_elastic.on_event(policy, &event, &actions);
    }
    e2b_sched_actions_finish(&actions);
    e2b_elastic_set_pace(policy);
    return policy;
}

static void one_model_runs_full_batches(void **state) {
    (void)state;
    struct e2b_sched_model model = known_model(1);
    model.target_ns = 5000;
    struct e2b_policy *policy = waiting_policy(&model, 1);
    assert_true(policy->forecast.exclusive);
    assert_false(policy->lanes);
    assert_int_equal(policy->models[0].pace.count, 4);
    assert_true(policy->models[0].pace.batch_ns == 1600);
    assert_true(policy->models[0].pace.sample_ns == 400);
    e2b_policy_elastic.destroy(policy);
}

/* Beside the other model a batch of 4 takes 2800: the model that has 8000 has time for two of them,
 * the one that has 5000 for two batches of 2, which take 2100. */
static void lanes_have_the_batches_that_targets_leave_time_for(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    models[0].target_ns = 8000;
    models[1].target_ns = 5000;
    struct e2b_policy *policy = waiting_policy(models, 2);
    assert_true(policy->lanes);
    for (int i = 0; i < 2; i++) {
        const struct e2b_elastic_pace *pace = &policy->models[i].pace;
        assert_true(pace->slowdown == 1.75);
        assert_int_equal(pace->count, i == 0 ? 4 : 2);
        assert_true(pace->batch_ns == (i == 0 ? 2800 : 2100));
    }
    e2b_policy_elastic.destroy(policy);
}

static void models_without_targets_take_turns(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {known_model(1), known_model(1)};
    models[0].target_ns = 8000;
    struct e2b_policy *policy = waiting_policy(models, 2);
    assert_true(policy->forecast.exclusive);
    assert_false(policy->lanes);
    e2b_policy_elastic.destroy(policy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_model_runs_full_batches),
        cmocka_unit_test(lanes_have_the_batches_that_targets_leave_time_for),
        cmocka_unit_test(models_without_targets_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
