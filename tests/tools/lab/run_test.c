#include "tools/lab/run.h"

#include "backends/sim/sim.h"
#include "tests/support.h"
#include "tests/tools/lab/bench.h"

static struct e2b_lab_outcome play_on(const struct e2b_lab_table *table, const char *policy,
    const char *arrivals, double rate, int models, uint64_t seed) {
    struct e2b_lab_rig rig;
    struct e2b_lab_arrivals process;
    struct e2b_lab_outcome outcome;
    struct e2b_error err = {0};
    bench_open(&rig, table, policy, models, 20000000);
    assert_ok(e2b_lab_arrivals_init(&process, arrivals, &err), err);
    const struct e2b_lab_load load = {.arrivals = &process,
        .rates = {rate, rate},
        .warm_up_ns = 200000000,
        .duration_ns = 2000000000,
        .seed = seed};
    assert_ok(e2b_lab_run(&rig, &load, &outcome, &err), err);
    e2b_lab_arrivals_finish(&process);
    e2b_lab_rig_finish(&rig);
    return outcome;
}

static struct e2b_lab_outcome play(
    const char *policy, const char *arrivals, double rate, int models, uint64_t seed) {
    return play_on(bench_table(), policy, arrivals, rate, models, seed);
}

static void every_policy_answers_rightly_and_repeatably(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *ops = e2b_policy_all(); *ops; ops++) {
        struct e2b_lab_outcome first = play((*ops)->name, "poisson", 500, 1, 7);
        struct e2b_lab_outcome again = play((*ops)->name, "poisson", 500, 1, 7);
        struct e2b_lab_outcome other = play((*ops)->name, "poisson", 500, 1, 8);
        print_message("%s: %d right, p50 %.2f ms, mean batch %.2f\n", (*ops)->name, first.all.right,
            (double)first.all.latency.p50_ns / 1e6, first.mean_batch);
        assert_true(first.hash == again.hash);
        assert_true(first.hash != other.hash);
        assert_int_equal(first.all.wrong + first.all.failed, 0);
        assert_int_equal(first.all.sent, first.all.right + first.all.refused + first.all.hopeless);
        assert_in_range(first.all.sent, 850, 1150);
        assert_true(first.all.right > 0.9 * first.all.sent);
        assert_true(first.all.latency.p50_ns > 1250000);
    }
}

/* At one request a second each is alone: upload, kernel, download. */
static void a_lone_request_takes_its_time(void **state) {
    (void)state;
    struct e2b_lab_outcome outcome = play("elastic", "poisson", 5, 1, 1);
    assert_true(outcome.all.latency.p50_ns >= 1250000 + 50000);
    assert_true(outcome.all.latency.p50_ns <= 1250000 + 50000 + 20000);
    assert_true(outcome.most_lag_ms == 0);
    assert_true(outcome.compute_ms > 1.24 && outcome.compute_ms < 1.26);
    assert_true(outcome.upload_ms > 0.049 && outcome.upload_ms < 0.051);
}

/* A stalled batch takes twice its time, and what a copy takes of the host delays the next one. */
static void stalls_and_copies_take_time(void **state) {
    (void)state;
    struct e2b_lab_table table = *bench_table();
    table.stall_share = 0.1;
    struct e2b_lab_outcome outcome = play_on(&table, "elastic", "poisson", 50, 1, 1);
    assert_true(outcome.all.latency.p50_ns < 1400000);
    assert_true(outcome.all.latency.p99_ns > 2 * 1250000);
    assert_true(outcome.prediction.p99_error > 0.8);
    table.stall_share = 0;
    table.copy_host_ns = 30000;
    struct e2b_lab_outcome copies = play_on(&table, "elastic", "poisson", 2000, 1, 1);
    struct e2b_lab_outcome none = play("elastic", "poisson", 2000, 1, 1);
    assert_true(none.most_lag_ms < copies.most_lag_ms);
}

/* Without slots on the device a batch's inputs are uploaded when it starts, on its own queue, and
 * its instance is free when its outputs are back: at a batch of one the same, at one of four the
 * copies of all four are in the way of each. */
static void gathered_inputs_travel_with_their_batch(void **state) {
    (void)state;
    struct e2b_lab_outcome alone = play("gather/elastic", "poisson", 5, 1, 1);
    assert_int_equal(alone.all.wrong, 0);
    assert_true(alone.upload_ms == 0);
    assert_true(alone.all.latency.p50_ns >= 1250000 + 50000);
    assert_true(alone.all.latency.p50_ns <= 1250000 + 50000 + 20000);
    struct e2b_lab_outcome pool = play("greedy_idle", "poisson", 2000, 1, 3);
    struct e2b_lab_outcome gathered = play("gather/greedy_idle", "poisson", 2000, 1, 3);
    assert_int_equal(gathered.all.wrong, 0);
    assert_true(gathered.all.latency.mean_ns > pool.all.latency.mean_ns + 100000);
}

/* Where a batch takes the host most of its duration, answers that are there wait for the launch
 * under way, of which a batch has several, and not for the rest of them. */
static void answers_wait_for_a_launch_at_most(void **state) {
    (void)state;
    struct e2b_lab_table table = *bench_table();
    for (int i = 0; i < table.models[0].size_count; i++)
        table.models[0].host_ns[i] = 8 * table.models[0].solo_ns[i] / 10;
    struct e2b_lab_outcome outcome = play_on(&table, "greedy_idle", "poisson", 2000, 1, 3);
    print_message("%.3f ms from the end of a batch to an answer\n", outcome.download_ms);
    assert_int_equal(outcome.all.wrong, 0);
    assert_true(outcome.download_ms < 0.25 * outcome.compute_ms);
}

/* Latency counts from the intended time: under twice the load that the device can bear, what a full
 * pool refuses aside, waiting shows. */
static void overload_shows_in_latency_and_refusals(void **state) {
    (void)state;
    struct e2b_lab_outcome outcome = play("greedy_idle", "poisson", 6000, 1, 3);
    assert_true(outcome.all.refused > outcome.all.sent / 3);
    assert_true(outcome.all.latency.p50_ns > 15000000);
    assert_true(outcome.violations > 0.3);
    assert_true(outcome.throughput_per_s < 1.01 * 8 / 0.003);
    assert_true(outcome.throughput_per_s > 0.85 * 8 / 0.003);
}

static void a_closed_loop_keeps_its_clients_busy(void **state) {
    (void)state;
    struct e2b_lab_outcome one = play("greedy_idle", "closed:1", 0, 1, 3);
    struct e2b_lab_outcome many = play("greedy_idle", "closed:32", 0, 1, 3);
    assert_int_equal(one.all.right, one.all.sent);
    assert_true(one.throughput_per_s > 700 && one.throughput_per_s < 770);
    assert_true(many.throughput_per_s > 2400 && many.throughput_per_s < 2690);
    assert_true(many.mean_batch > 7);
}

static const struct e2b_device_ops *plain;
static int64_t slow_until_ns;

/* As on a machine on which to send a request takes longer than to answer it. */
static int64_t slow_now_ns(struct e2b_device *device) {
    int64_t now_ns = plain->now_ns(device);
    if (now_ns < slow_until_ns)
        e2b_sim_advance(device, now_ns + 500000);
    return plain->now_ns(device);
}

static void a_closed_loop_ends_though_clients_are_idle(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_lab_arrivals arrivals;
    struct e2b_lab_outcome outcome;
    struct e2b_error err = {0};
    bench_open(&rig, bench_table(), "greedy_idle", 1, 0);
    assert_ok(e2b_lab_arrivals_init(&arrivals, "closed:32", &err), err);
    const struct e2b_lab_load load = {.arrivals = &arrivals, .duration_ns = 8000000, .seed = 1};
    struct e2b_device_ops ops = *rig.device->ops;
    struct e2b_served_stats before, after;
    plain = rig.device->ops;
    ops.now_ns = slow_now_ns;
    slow_until_ns = plain->now_ns(rig.device) + load.duration_ns + 1000000;
    e2b_served_stats_get(rig.models[0].served, &before);
    rig.device->ops = &ops;
    assert_ok(e2b_lab_run(&rig, &load, &outcome, &err), err);
    rig.device->ops = plain;
    e2b_served_stats_get(rig.models[0].served, &after);
    e2b_lab_arrivals_finish(&arrivals);
    assert_in_range(after.success - before.success, 1, 16);
    e2b_lab_rig_finish(&rig);
}

static void models_are_counted_apart(void **state) {
    (void)state;
    struct e2b_lab_outcome outcome = play("elastic", "gamma:4", 200, 2, 3);
    assert_int_equal(outcome.models[0].sent + outcome.models[1].sent, outcome.all.sent);
    assert_true(outcome.models[0].sent > 200 && outcome.models[1].sent > 200);
    assert_true(outcome.models[1].latency.p50_ns > outcome.models[0].latency.p50_ns);
    assert_int_equal(outcome.all.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_answers_rightly_and_repeatably),
        cmocka_unit_test(a_lone_request_takes_its_time),
        cmocka_unit_test(stalls_and_copies_take_time),
        cmocka_unit_test(gathered_inputs_travel_with_their_batch),
        cmocka_unit_test(answers_wait_for_a_launch_at_most),
        cmocka_unit_test(overload_shows_in_latency_and_refusals),
        cmocka_unit_test(a_closed_loop_keeps_its_clients_busy),
        cmocka_unit_test(a_closed_loop_ends_though_clients_are_idle),
        cmocka_unit_test(models_are_counted_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
