/* What holds for every policy, over random histories. */
#include "runtime/base/clock.h"
#include "tests/sched/script.h"
#include "tests/sched/world.h"
#include "tests/support.h"
#include <malloc.h>
#include <string.h>

static const struct e2b_sched_model models[] = {
    {.name = "small",
        .slot_count = 7,
        .size_count = 2,
        .sizes = {1, 3},
        .instances = {1, 1},
        .solo_ns = {1300, 1900},
        .weight = 1},
    {.name = "usual",
        .slot_count = 64,
        .size_count = 5,
        .sizes = {1, 2, 4, 8, 16},
        .instances = {2, 1, 1, 1, 1},
        .solo_ns = {1300, 1600, 2200, 3400, 5800},
        .target_ns = 9000,
        .weight = 2},
    {.name = "wide",
        .slot_count = 300,
        .size_count = 4,
        .sizes = {1, 4, 8, 32},
        .instances = {1, 1, 2, 1},
        .weight = 0.5},
};

#define CASES 6

static const struct {
    int first, count, deadline_percent, cancel_percent, priorities, burst;
} cases[CASES] = {
    {0, 1, 0, 0, 0, 0},
    {0, 1, 50, 20, 2, 6},
    {1, 1, 30, 5, 1, 40},
    {2, 1, 0, 10, 0, 200},
    {0, 3, 30, 10, 3, 100},
    {0, 3, 100, 30, 0, 100},
};

static const struct {
    const char *policy, *options[CASES];
} options[] = {
    {"elastic", {"", "max_in_flight=1", "", "patience_us=1", "max_in_flight=3", "max_in_flight=2"}},
    {"tfserving",
        {"batch_timeout_micros=0", "batch_timeout_micros=2 poll_micros=0 max_enqueued_batches=2",
            "batch_timeout_micros=5 poll_micros=1", "num_batch_threads=2 max_enqueued_batches=3",
            "num_batch_threads=3 batch_timeout_micros=3 max_batch_size=2",
            "num_batch_threads=8 batch_timeout_micros=0"}},
    {"triton",
        {"", "max_queue_delay_microseconds=2 preferred_batch_size=2",
            "max_queue_delay_microseconds=5 instance_count=2",
            "preferred_batch_size=8 preferred_batch_size_2=4", "instance_count=3",
            "max_queue_delay_microseconds=1 preferred_batch_size=3 instance_count=8"}},
    {"aimd",
        {"", "target_us=2", "replicas=2", "increase=4 replicas=3", "target_us=1 replicas=2",
            "decrease_percent=50"}},
    {"deferred",
        {"target_us=10", "target_us=5", "accelerators=2", "target_us=20 accelerators=3",
            "target_us=9", "target_us=50 accelerators=4"}},
    {"ebird", {"", "max_inflight=2", "", "max_inflight=0", "max_inflight=40", "max_inflight=1"}},
    {"greedy_idle", {"", "", "", "", "", ""}},
};

static const char *options_of(const struct e2b_policy_ops *ops, int index) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].policy, ops->name) == 0)
            return options[i].options[index];
    fail_msg("policy %s has no cases here", ops->name);
    return NULL;
}

static struct e2b_world_result play(
    const struct e2b_policy_ops *ops, int index, uint64_t seed, long events) {
    const struct e2b_world_options world = {.models = &models[cases[index].first],
        .model_count = cases[index].count,
        .policy_options = options_of(ops, index),
        .seed = seed,
        .events = events,
        .deadline_percent = cases[index].deadline_percent,
        .cancel_percent = cases[index].cancel_percent,
        .priorities = cases[index].priorities,
        .burst = cases[index].burst};
    return e2b_world_play(ops, &world);
}

static void a_million_random_events_break_no_rule(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++) {
        long decisions = 0, batches = 0, run = 0, rejected = 0, padded = 0;
        int64_t start_ns = e2b_clock_ns();
        for (int i = 0; i < CASES; i++)
            for (uint64_t seed = 1; seed <= 2; seed++) {
                print_message("%s case %d seed %llu\n", (*all)->name, i, (unsigned long long)seed);
                struct e2b_world_result result = play(*all, i, seed, 160000);
                assert_true(result.run > 1000 && result.batches > 100);
                decisions += result.decisions;
                batches += result.batches;
                run += result.run;
                rejected += result.rejected;
                padded += result.padded;
            }
        print_message("%s: %ld events, %ld batches of %.2f, %ld rejected, %ld padded, %.2f s\n",
            (*all)->name, decisions, batches, (double)run / (double)batches, rejected, padded,
            (double)(e2b_clock_ns() - start_ns) * 1e-9);
        assert_true(decisions > 1000000);
    }
}

static void the_same_events_give_the_same_decisions(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
        for (int i = 0; i < CASES; i++) {
            uint64_t hash = play(*all, i, 77, 5000).hash;
            assert_true(hash == play(*all, i, 77, 5000).hash);
            assert_true(hash != play(*all, i, 78, 5000).hash);
        }
}

static void events_take_no_memory(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++) {
        struct e2b_policy *policy = e2b_script_policy(*all, &models[1], 1, "");
        struct e2b_sched_action room[64];
        struct e2b_sched_actions actions = {room, 0, 64};
        size_t before = mallinfo2().uordblks;
        for (int slot = 0; slot < 64; slot++) {
            struct e2b_sched_event event = READY(slot, slot);
            (*all)->on_event(policy, &event, &actions);
        }
        assert_int_equal(mallinfo2().uordblks, before);
        assert_ptr_equal(actions.list, room);
        (*all)->destroy(policy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_random_events_break_no_rule),
        cmocka_unit_test(the_same_events_give_the_same_decisions),
        cmocka_unit_test(events_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
