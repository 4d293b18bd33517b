#include "sched/tfserving.h"

#include "tests/sched/script.h"
#include "tests/support.h"
#include <string.h>

static const struct e2b_policy_ops *const ops = &e2b_policy_tfserving;

static struct e2b_sched_model model_of(int slot_count) {
    return (struct e2b_sched_model){.name = "m",
        .slot_count = slot_count,
        .size_count = 3,
        .sizes = {1, 2, 4},
        .instances = {2, 2, 2},
        .weight = 1};
}

#define PLAY(slot_count, options, ...)                                                             \
    do {                                                                                           \
        const struct e2b_sched_model model = model_of(slot_count);                                 \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        SCRIPT_RUN(ops, e2b_script_policy(ops, &model, 1, options), &model, steps);                \
    } while (0)

static void a_full_open_batch_is_taken_at_once(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0", {READY(0, 0), "timer@1000000"}, {READY(1, 1), ""}, {READY(2, 2), ""},
        {READY(3, 3), "run0:0+4/4#0(FULL)"});
}

static void the_timer_starts_with_the_first_slot_and_pads(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0", {READY(500, 0), "timer@1000500"}, {READY(900000, 1), ""},
        {READY(1000499, 2), ""}, {TIMER(1000500), "run0:0+3/4#0(TIMEOUT)"});
}

static void a_taken_batch_takes_no_late_joiner(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1", {READY(0, 0), "timer@1000000"},
        {TIMER(1000000), "run0:0+1/1#0(TIMEOUT)"}, {READY(1000001, 1), ""},
        {DONE(1500000, 0, 0), "timer@2000001"}, {TIMER(2000001), "run0:1+1/1#0(TIMEOUT)"});
}

static void a_late_look_finds_the_timeout(void **state) {
    (void)state;
    PLAY(16, "", {READY(500, 0), "timer@2000000"}, {READY(1000499, 1), ""},
        {READY(1000500, 2), "run0:0+3/4#0(TIMEOUT)"});
}

static void a_full_queue_rejects(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1 max_enqueued_batches=2 max_batch_size=2",
        {READY(0, 0), "timer@1000000"}, {READY(0, 1), "run0:0+2/2#0(FULL)"}, {READY(1, 2), ""},
        {READY(1, 3), ""}, {READY(1, 4), ""}, {READY(1, 5), ""},
        {READY(1, 6), "drop0:6(QUEUE_FULL)"}, {DONE(2, 1, 0), "run0:2+2/2#0(FULL)"},
        {READY(3, 7), ""}, {READY(3, 8), ""}, {READY(3, 9), "drop0:9(QUEUE_FULL)"});
}

static void a_queue_of_one_batch_is_its_open_one(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1 max_enqueued_batches=1 max_batch_size=1",
        {READY(0, 0), "run0:0+1/1#0(FULL)"}, {READY(1, 1), ""},
        {READY(2, 2), "drop0:2(QUEUE_FULL)"}, {DONE(3, 0, 0), "run0:1+1/1#0(FULL)"});
}

static void a_closed_batch_goes_before_its_timeout(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1 batch_timeout_micros=1000000", {MORE(0, 0), ""},
        {MORE(0, 1), ""}, {MORE(0, 2), ""}, {MORE(0, 3), ""}, {MORE(0, 4), ""},
        {TIMER(0), "run0:0+4/4#0(FULL)"}, {DONE(9, 2, 0), "timer@1000000000"});
}

static void a_zero_timeout_takes_what_is_there(void **state) {
    (void)state;
    PLAY(16, "batch_timeout_micros=0 num_batch_threads=1", {READY(5, 3), "run0:3+1/1#0(TIMEOUT)"},
        {READY(6, 4), ""}, {READY(7, 5), ""}, {DONE(8, 0, 0), "run0:4+2/2#0(TIMEOUT)"});
}

static void slots_apart_run_as_parts_of_one_batch(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1", {READY(0, 0), "timer@1000000"}, {READY(0, 1), ""},
        {READY(0, 9), ""},
        {READY(0, 3), "run0:0+2/2#0(FULL) run0:3+1/1#0(FULL) run0:9+1/1#1(FULL)"},
        {READY(1, 4), ""}, {READY(1, 5), ""}, {READY(1, 6), ""}, {READY(1, 7), ""},
        {DONE(2, 0, 0), ""}, {DONE(2, 1, 0), ""}, {DONE(3, 0, 1), "run0:4+4/4#0(FULL)"});
}

static void padding_stops_at_the_end_and_at_ready_slots(void **state) {
    (void)state;
    PLAY(8, "batch_timeout_micros=0 num_batch_threads=1", {MORE(0, 5), ""}, {MORE(0, 6), ""},
        {MORE(0, 7), ""}, {TIMER(0), "run0:5+2/2#0(TIMEOUT) run0:7+1/1#0(TIMEOUT)"},
        {MORE(1, 0), ""}, {MORE(1, 1), ""}, {MORE(1, 2), ""}, {DONE(2, 1, 0), ""},
        {DONE(3, 0, 0), "run0:0+3/4#0(TIMEOUT)"});
}

static void a_padded_over_slot_waits_until_it_is_no_longer_written(void **state) {
    (void)state;
    PLAY(8, "batch_timeout_micros=0", {MORE(0, 0), ""}, {MORE(0, 1), ""}, {MORE(0, 2), ""},
        {TIMER(0), "run0:0+3/4#0(TIMEOUT)"}, {READY(1, 3), ""},
        {READY(2, 5), "run0:5+1/1#0(TIMEOUT)"}, {DONE(3, 2, 0), "run0:3+1/1#1(TIMEOUT)"});
}

static void a_part_waits_for_an_instance_that_holds_it(void **state) {
    (void)state;
    PLAY(64, "batch_timeout_micros=0 num_batch_threads=8", {MORE(0, 0), ""}, {MORE(0, 1), ""},
        {MORE(0, 2), ""}, {MORE(0, 3), ""}, {MORE(0, 10), ""}, {MORE(0, 11), ""}, {MORE(0, 12), ""},
        {MORE(0, 13), ""}, {MORE(0, 20), ""}, {MORE(0, 21), ""}, {MORE(0, 22), ""},
        {TIMER(0), "run0:0+4/4#0(FULL) run0:10+4/4#1(FULL)"},
        {DONE(1, 2, 1), "run0:20+3/4#1(TIMEOUT)"});
}

static void withdrawn_slots_leave_their_batch(void **state) {
    (void)state;
    PLAY(16, "poll_micros=0 num_batch_threads=1 max_batch_size=2 max_enqueued_batches=3",
        {READY(0, 0), "timer@1000000"}, {READY(0, 1), "run0:0+2/2#0(FULL)"}, {READY(1, 2), ""},
        {READY(1, 3), ""}, {READY(2, 4), ""}, {GONE(3, 2), ""}, {GONE(3, 3), ""}, {GONE(3, 4), ""},
        {READY(4, 5), ""}, {DONE(5, 1, 0), ""}, {TIMER(1000000), "timer@1000004"},
        {TIMER(1000004), "run0:5+1/1#0(TIMEOUT)"});
}

static void a_batch_withdrawn_in_its_thread_frees_it(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(16);
    model.size_count = 1;
    model.instances[0] = 1;
    const struct e2b_script_step steps[] = {
        {READY(0, 0), "run0:0+1/1#0(FULL)"},
        {READY(1, 1), ""}, /* in the second thread, without an instance */
        {READY(2, 2), ""},
        {GONE(3, 1), ""},
        {READY(4, 3), ""},
        {DONE(5, 0, 0), "run0:2+1/1#0(FULL)"},
        {DONE(6, 0, 0), "run0:3+1/1#0(FULL)"},
    };
    SCRIPT_RUN(
        ops, e2b_script_policy(ops, &model, 1, "num_batch_threads=2 poll_micros=0"), &model, steps);
}

static void models_take_turns(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {model_of(16), model_of(16)};
    const struct e2b_script_step steps[] = {
        {READY_OF(0, 0, 0), "run0:0+1/1#0(FULL)"},
        {READY_OF(0, 1, 1), ""},
        {READY_OF(0, 1, 2), ""},
        {READY_OF(1, 1, 0), ""},
        {DONE(2, 0, 0), "run1:0+1/1#0(FULL)"},
        {{.kind = E2B_SCHED_COMPLETED, .now_ns = 3, .model = 1}, "run0:1+1/1#0(FULL)"},
        {DONE(4, 0, 0), "run0:2+1/1#0(FULL)"},
    };
    SCRIPT_RUN(ops, e2b_script_policy(ops, models, 2, "num_batch_threads=1 max_batch_size=1"),
        models, steps);
}

static void a_batch_above_the_largest_size_is_refused(void **state) {
    (void)state;
    const struct e2b_sched_model model = model_of(16);
    struct e2b_error err = {0};
    struct e2b_policy *policy = NULL;
    int64_t values[16];
    e2b_script_values(ops, "max_batch_size=5", values);
    assert_fails(ops->create(&model, 1, values, &policy, &err), E2B_INVALID,
        "max_batch_size: 5 is above 4, the largest batch size of model \"m\"", err);
    ops->destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_open_batch_is_taken_at_once),
        cmocka_unit_test(the_timer_starts_with_the_first_slot_and_pads),
        cmocka_unit_test(a_taken_batch_takes_no_late_joiner),
        cmocka_unit_test(a_late_look_finds_the_timeout),
        cmocka_unit_test(a_full_queue_rejects),
        cmocka_unit_test(a_queue_of_one_batch_is_its_open_one),
        cmocka_unit_test(a_closed_batch_goes_before_its_timeout),
        cmocka_unit_test(a_zero_timeout_takes_what_is_there),
        cmocka_unit_test(slots_apart_run_as_parts_of_one_batch),
        cmocka_unit_test(padding_stops_at_the_end_and_at_ready_slots),
        cmocka_unit_test(a_padded_over_slot_waits_until_it_is_no_longer_written),
        cmocka_unit_test(a_part_waits_for_an_instance_that_holds_it),
        cmocka_unit_test(withdrawn_slots_leave_their_batch),
        cmocka_unit_test(a_batch_withdrawn_in_its_thread_frees_it),
        cmocka_unit_test(models_take_turns),
        cmocka_unit_test(a_batch_above_the_largest_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
