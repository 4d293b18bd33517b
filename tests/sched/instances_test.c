#include "sched/instances.h"

#include "tests/support.h"
#include <string.h>

static const struct e2b_sched_model good = {.name = "m",
    .slot_count = 8,
    .size_count = 3,
    .sizes = {1, 2, 4},
    .instances = {2, 1, 64},
    .solo_ns = {800, 900, 0},
    .weight = 1};

static void instances_are_lent_once(void **state) {
    (void)state;
    struct e2b_sched_instances instances;
    e2b_sched_instances_init(&instances, &good);
    assert_int_equal(e2b_sched_instances_take(&instances, 0), 0);
    assert_int_equal(e2b_sched_instances_take(&instances, 0), 1);
    assert_false(e2b_sched_instances_free(&instances, 0));
    e2b_sched_instances_give(&instances, 0, 1);
    assert_int_equal(e2b_sched_instances_take(&instances, 0), 1);
    for (int i = 0; i < 64; i++)
        assert_int_equal(e2b_sched_instances_take(&instances, 2), i);
    assert_false(e2b_sched_instances_free(&instances, 2));
    assert_int_equal(e2b_sched_models_instances(&good, 1), 67);
}

static void estimates_follow_only_quicker_batches(void **state) {
    (void)state;
    struct e2b_sched_instances instances;
    e2b_sched_instances_init(&instances, &good);
    assert_int_equal(e2b_sched_instances_best_ns(&instances), 800);
    e2b_sched_instances_learn(&instances, 0, 5000);
    e2b_sched_instances_learn(&instances, 0, 0);  /* a batch that failed */
    e2b_sched_instances_learn(&instances, 2, 10); /* unknown stays unknown */
    assert_int_equal(e2b_sched_instances_best_ns(&instances), 800);
    e2b_sched_instances_learn(&instances, 0, 400);
    assert_int_equal(e2b_sched_instances_best_ns(&instances), 750);
    for (int i = 0; i < 100; i++)
        e2b_sched_instances_learn(&instances, 0, 400);
    assert_int_equal(e2b_sched_instances_best_ns(&instances), 400);
}

static void bad_models_are_named(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_sched_model model = good;
    assert_ok(e2b_sched_models_check(&model, 1, &err), err);
    assert_fails(e2b_sched_models_check(&model, 0, &err), E2B_INVALID, "needs a model", err);
    model.slot_count = 0;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID, "0 slots", err);
    model = good;
    model.weight = 0;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID, "weight 0", err);
    model = good;
    model.size_count = 0;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID, "1..16", err);
    model = good;
    model.sizes[0] = 2;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID,
        "size 1 is missing: it runs what lies between gaps, add it: while "
        "scheduling model \"m\"",
        err);
    model = good;
    model.instances[0] = 0;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID,
        "0 instances of batch size 1 are outside 1..64", err);
    model = good;
    model.sizes[2] = 2;
    assert_fails(e2b_sched_models_check(&model, 1, &err), E2B_INVALID, "must ascend", err);
    model = good;
    model.instances[2] = 65;
    assert_fails(
        e2b_sched_models_check(&model, 1, &err), E2B_INVALID, "65 instances of batch size 4", err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_lent_once),
        cmocka_unit_test(estimates_follow_only_quicker_batches),
        cmocka_unit_test(bad_models_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
