#include "sched/trust.h"

#include "tests/support.h"

static void add(struct e2b_sched_trust *trust, double share, int kept, int broken) {
    for (int i = 0; i < kept + broken; i++) {
        e2b_sched_trust_add(trust, share, i >= kept);
        e2b_sched_trust_learn(trust, 0.01);
    }
}

static void the_limit_parts_kept_from_broken_promises(void **state) {
    (void)state;
    struct e2b_sched_trust trust;
    e2b_sched_trust_init(&trust, 0.8);
    double first = trust.limit;
    add(&trust, 0.5, 50, 0);
    assert_true(trust.limit == first); /* too little to tell */
    add(&trust, 0.5, 2200, 0);
    assert_true(trust.limit > first && trust.limit < first + 0.06); /* a step */
    add(&trust, 0.5, 20000, 0);
    assert_true(trust.limit > 0.99); /* nothing was ever broken */
    add(&trust, 0.92, 100, 300);
    assert_true(trust.limit > 0.89 && trust.limit < 0.91);
    add(&trust, 0.76, 0, 100);
    assert_true(trust.limit > 0.74 && trust.limit < 0.76);
}

/* A burst breaks a few before many were made. */
static void a_few_broken_at_first_do_not_lower_it(void **state) {
    (void)state;
    struct e2b_sched_trust trust;
    e2b_sched_trust_init(&trust, 0.8);
    add(&trust, 0.6, 200, 20);
    assert_true(trust.limit == 0.8);
    add(&trust, 0.6, 0, 10);
    assert_true(trust.limit < 0.62);
}

static void what_was_allowed_may_break(void **state) {
    (void)state;
    struct e2b_sched_trust trust;
    e2b_sched_trust_init(&trust, 0.8);
    add(&trust, 0.97, 20000, 20);
    assert_true(trust.limit > 0.99);
    add(&trust, 0.97, 0, 100);
    assert_true(trust.limit < 0.96);
}

/* Those that had most of their time left are broken by something else: to promise less may help,
 * but not at once. What is broken above them is judged as if they were kept. */
static void broken_with_time_left_lowers_it_by_steps(void **state) {
    (void)state;
    struct e2b_sched_trust trust;
    e2b_sched_trust_init(&trust, 0.95);
    add(&trust, 0.3, 2000, 0);
    add(&trust, 0.3, 0, 40);
    assert_true(trust.limit > 0.9 && trust.limit < 0.95);
    add(&trust, 0.3, 500, 40);
    assert_true(trust.limit > 0.75 && trust.limit < 0.9);
    add(&trust, 0.76, 0, 100);
    assert_true(trust.limit > 0.74 && trust.limit < 0.76);
    for (int i = 0; i < 50; i++)
        add(&trust, 0.3, 100, 20);
    assert_true(trust.limit > 0.49 && trust.limit < 0.51);
    add(&trust, 0.3, 60000, 0);
    assert_true(trust.limit > 0.7);
}

/* Once nothing is known of it any more, it is tried again. */
static void broken_promises_are_forgotten(void **state) {
    (void)state;
    struct e2b_sched_trust trust;
    e2b_sched_trust_init(&trust, 0.8);
    add(&trust, 0.97, 0, 200);
    assert_true(trust.limit < 0.96);
    add(&trust, 0.5, 60000, 0);
    assert_true(trust.limit > 0.99);
    add(&trust, 7, 1, 0); /* of more time than there is */
    add(&trust, -1, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_parts_kept_from_broken_promises),
        cmocka_unit_test(a_few_broken_at_first_do_not_lower_it),
        cmocka_unit_test(what_was_allowed_may_break),
        cmocka_unit_test(broken_with_time_left_lowers_it_by_steps),
        cmocka_unit_test(broken_promises_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
