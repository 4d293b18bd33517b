#include "sched/triton.h"

#include "tests/sched/script.h"
#include "tests/support.h"

static const struct e2b_policy_ops *const ops = &e2b_policy_triton;

static const struct e2b_sched_model model = {.name = "m",
    .slot_count = 16,
    .size_count = 4,
    .sizes = {1, 2, 4, 8},
    .instances = {2, 2, 2, 2},
    .weight = 1};

#define PLAY(options, ...)                                                                         \
    do {                                                                                           \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

static void without_a_delay_a_free_instance_takes_all_in_order(void **state) {
    (void)state;
    PLAY("", {READY(0, 0), "run0:0+1/1#0(IDLE)"}, {READY(1, 1), ""}, {READY(2, 2), ""},
        {READY(3, 3), ""}, {DONE(9, 0, 0), "run0:1+3/4#0(IDLE)"});
}

static void a_delay_holds_a_batch_until_its_oldest_is_that_old(void **state) {
    (void)state;
    PLAY("max_queue_delay_microseconds=1", {READY(0, 0), "timer@1000"}, {READY(400, 1), ""},
        {TIMER(999), ""}, {TIMER(1000), "run0:0+2/2#0(TIMEOUT)"}, {DONE(1500, 1, 0), ""});
}

static void a_full_batch_does_not_wait(void **state) {
    (void)state;
    PLAY("max_queue_delay_microseconds=1", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""},
        {MORE(0, 3), ""}, {MORE(0, 4), ""}, {MORE(0, 5), ""}, {MORE(0, 6), ""},
        {READY(0, 7), "run0:0+8/8#0(FULL)"});
}

static void a_preferred_size_runs_at_once_and_the_rest_waits(void **state) {
    (void)state;
    PLAY("max_queue_delay_microseconds=1 preferred_batch_size=4 preferred_batch_size_2=2 "
         "instance_count=2",
        {READY(0, 0), "timer@1000"}, {READY(1, 1), "run0:0+2/2#0(PREFERRED)"}, {MORE(5, 2), ""},
        {MORE(5, 3), ""}, {MORE(5, 4), ""}, {MORE(5, 5), ""},
        {READY(5, 6), "run0:2+4/4#0(PREFERRED)"}, {DONE(500, 1, 0), ""},
        {TIMER(1005), "run0:6+1/1#0(TIMEOUT)"});
}

static void what_is_too_old_runs_as_it_is_though_a_preferred_size_fits(void **state) {
    (void)state;
    PLAY("max_queue_delay_microseconds=1 preferred_batch_size=2", {READY(0, 0), "timer@1000"},
        {READY(1, 1), "run0:0+2/2#0(PREFERRED)"}, {READY(2, 2), ""}, {READY(3, 3), ""},
        {READY(4, 4), ""}, {DONE(1100, 1, 0), "run0:2+3/4#0(TIMEOUT)"});
}

static void instance_count_bounds_the_batches_of_each_model(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {model, model};
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(IDLE)"},
        {READY(1, 1), ""},
        {READY_OF(1, 2, 0), "run1:0+1/1#0(IDLE)"},
        {DONE(3, 0, 0), "run0:1+1/1#0(IDLE)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, ""), models, steps);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_delay_a_free_instance_takes_all_in_order),
        cmocka_unit_test(a_delay_holds_a_batch_until_its_oldest_is_that_old),
        cmocka_unit_test(a_full_batch_does_not_wait),
        cmocka_unit_test(a_preferred_size_runs_at_once_and_the_rest_waits),
        cmocka_unit_test(what_is_too_old_runs_as_it_is_though_a_preferred_size_fits),
        cmocka_unit_test(instance_count_bounds_the_batches_of_each_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
