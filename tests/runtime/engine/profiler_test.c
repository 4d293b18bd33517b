#include "runtime/engine/profiler.h"

#include "runtime/base/file.h"
#include "runtime/engine/served.h"
#include "sched/forecast.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/planned.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct e2b_sched_model model_of(int size_count) {
    struct e2b_sched_model model = {
        .name = "m", .slot_count = 64, .size_count = size_count, .weight = 1};
    for (int i = 0; i < size_count; i++) {
        model.sizes[i] = 1 << i;
        model.instances[i] = 1;
        model.solo_ns[i] = 100000 + (20000 << i);
    }
    return model;
}

static void a_fit_finds_the_demands_that_made_the_makespans(void **state) {
    (void)state;
    const double demand[] = {0.2, 0.35, 0.6, 0.95};
    struct e2b_sched_model model = model_of(4);
    struct e2b_composition compositions[16];
    struct e2b_profile profile = {0};
    struct e2b_forecast forecast;
    struct e2b_error err = {0};
    int count = 0;
    memcpy(model.demand, demand, sizeof demand);
    assert_true(e2b_forecast_init(&forecast, &model, 1));
    for (int mask = 3; mask < 16; mask++) {
        struct e2b_forecast_start starts[4];
        struct e2b_composition *composition = &compositions[count];
        composition->count = 0;
        for (int i = 0; i < 4; i++)
            if (mask >> i & 1) {
                starts[composition->count] =
                    (struct e2b_forecast_start){0, i, model.sizes[i], INT64_MAX};
                composition->size_index[composition->count++] = i;
            }
        composition->makespan_ns =
            (int64_t)e2b_forecast_walk(&forecast, starts, composition->count).last_ns;
        count += composition->count > 1;
    }
    e2b_forecast_finish(&forecast);
    assert_ok(e2b_profile_fit(&model, compositions, count, &profile, &err), err);
    assert_true(profile.mean_error < 0.02);
    for (int i = 1; i < 4; i++)
        assert_true(fabs(profile.demand[i] - demand[i]) < 0.08);
    assert_true(profile.demand[0] < 0.3);
}

/* A second batch is there only when the host has enqueued it: each takes 100 us alone and all of
 * the device, the second comes after 60 us, when 40 us of the first are left. */
static void a_fit_knows_that_the_host_enqueues_one_after_another(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(2);
    struct e2b_profile profile = {0};
    struct e2b_error err = {0};
    model.launch_ns = 60000;
    for (int i = 0; i < 2; i++) {
        model.launches[i] = 1;
        model.solo_ns[i] = 100000;
    }
    const struct e2b_composition full = {2, {0, 1}, 200000}, half = {2, {0, 1}, 180000};
    assert_ok(e2b_profile_fit(&model, &full, 1, &profile, &err), err);
    assert_true(fabs(profile.demand[0] + profile.demand[1] - 2) < 0.05);
    assert_true(profile.mean_error < 0.01);
    assert_ok(e2b_profile_fit(&model, &half, 1, &profile, &err), err);
    assert_true(fabs(profile.demand[0] + profile.demand[1] - 1.5) < 0.05);
}

static void a_size_that_was_never_in_company_stays_unknown(void **state) {
    (void)state;
    struct e2b_sched_model model = model_of(3);
    const struct e2b_composition pair = {2, {0, 1}, 260000};
    struct e2b_profile profile = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_profile_fit(&model, &pair, 1, &profile, &err), err);
    assert_true(profile.demand[0] + profile.demand[1] > 1.7);
    assert_true(profile.demand[2] == 0);
}

static void a_file_is_read_only_if_it_is_whole_and_meant(void **state) {
    (void)state;
    const struct e2b_profile profile = {.solo_ns = {1000, 1700},
        .demand = {0.25, 1},
        .launch_ns = 4,
        .reply_ns = 90,
        .compositions = 3,
        .mean_error = 0.125};
    struct e2b_profile read = {0};
    struct e2b_text text = {0};
    e2b_profile_write(&profile, 2, 77, &text);
    assert_true(e2b_profile_read(text.data, text.len, 2, 77, &read));
    assert_memory_equal(&read, &profile, sizeof read);
    assert_false(e2b_profile_read(text.data, text.len, 2, 78, &read));
    assert_false(e2b_profile_read(text.data, text.len, 1, 77, &read));
    assert_false(e2b_profile_read(text.data, text.len, 3, 77, &read));
    for (size_t len = 0; len + 1 < text.len; len++)
        assert_false(e2b_profile_read(text.data, len, 2, 77, &read));
    for (size_t i = 0; i + 1 < text.len; i++) {
        text.data[i] ^= 1;
        assert_false(e2b_profile_read(text.data, text.len, 2, 77, &read));
        text.data[i] ^= 1;
    }
    e2b_text_finish(&text);
}

/* Kernels take turns, as on a device without room: whatever else runs when one starts adds its
 * time.
 */
static int64_t kernel_ns = FIXTURE_KERNEL_NS;

static int64_t in_turns(void *context, const struct e2b_sim_args *args) {
    (void)context;
    return kernel_ns * (1 + args->running);
}

static void what_runs_side_by_side_for_nothing_has_little_demand(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 16);
    const struct e2b_profile *profile = &fixture.served->profile;
    int steps = e2b_plan_step_count(fixture.served->sizes[0].plan);
    for (int i = 0; i < 3; i++)
        assert_int_equal(profile->solo_ns[i], steps * FIXTURE_KERNEL_NS);
    assert_true(profile->demand[0] + profile->demand[1] + profile->demand[2] <= 1.05);
    assert_true(profile->compositions >= 3 && profile->mean_error < 0.05);
    assert_true(profile->reply_ns >= 100);
    fixture_close(&fixture);
}

static void what_takes_turns_has_the_whole_device(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(planned_sim(in_turns), true, 16);
    const struct e2b_profile *profile = &fixture.served->profile;
    double sum = profile->demand[0] + profile->demand[1] + profile->demand[2];
    assert_true(sum > 1.8);
    fixture_close(&fixture);
}

static void compositions_end_with_the_time_for_them(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 16);
    struct e2b_profile profile;
    struct e2b_error err = {0};
    assert_ok(e2b_served_profile(fixture.served, NULL, 1, &profile, &err), err);
    assert_int_equal(profile.compositions, 0);
    assert_true(profile.solo_ns[2] > 0 && profile.demand[2] == 0);
    fixture_close(&fixture);
}

static void the_second_start_reads_what_the_first_measured(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 16);
    struct e2b_device *device = fixture.device;
    struct e2b_profile first, second;
    struct e2b_error err = {0};
    char folder[] = "/tmp/e2b-profile-XXXXXX", command[128], path[128];
    assert_non_null(mkdtemp(folder));
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &first, &err), err);
    int64_t now_ns = device->ops->now_ns(device), alone_ns = 0;
    for (int i = 0; i < 3; i++)
        alone_ns += first.solo_ns[i];
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &second, &err), err);
    assert_int_equal(device->ops->now_ns(device), now_ns + 2 * alone_ns);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(second.solo_ns[i], first.solo_ns[i]);
        assert_true(fabs(second.demand[i] - first.demand[i]) < 1e-6);
    }
    snprintf(command, sizeof command, "ls %s/*.profile", folder);
    FILE *list = popen(command, "r");
    assert_non_null(fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = '\0';
    assert_ok(e2b_file_replace(path, "nonsense", 8, &err), err);
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &second, &err), err);
    assert_true(device->ops->now_ns(device) > now_ns + 4 * alone_ns);
    now_ns = device->ops->now_ns(device);
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &second, &err), err);
    assert_int_equal(device->ops->now_ns(device), now_ns + 2 * alone_ns);
    unlink(path);
    rmdir(folder);
    fixture_close(&fixture);
}

static void a_device_that_fails_is_told(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 16);
    struct e2b_profile profile;
    struct e2b_error err = {0};
    e2b_sim_fail_nth(fixture.device, E2B_SIM_FAULT_ENQUEUE, 3);
    assert_fails(e2b_served_profile(fixture.served, NULL, 1000000, &profile, &err), E2B_DEVICE,
        "while profiling model \"tiny\"", err);
    fixture_close(&fixture);
}

static void a_real_device_is_profiled(void **state) {
    (void)state;
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    struct fixture fixture = fixture_open(device, false, 16);
    const struct e2b_profile *profile = &fixture.served->profile;
    for (int i = 0; i < 3; i++) {
        assert_true(profile->solo_ns[i] > 0);
        assert_true(profile->demand[i] > 0 && profile->demand[i] <= 2);
        print_message("size %d: %.3f ms, demand %.2f\n", fixture.served->sizes[i].size,
            (double)profile->solo_ns[i] / 1e6, profile->demand[i]);
    }
    print_message("launch %lld ns, reply %lld ns, %d compositions, mean error %.3f\n",
        (long long)profile->launch_ns, (long long)profile->reply_ns, profile->compositions,
        profile->mean_error);
    fixture_close(&fixture);
}

/* What was kept of a busy machine, say, misleads no longer than until the next start. */
static void durations_that_do_not_hold_are_measured_anew(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(planned_sim(in_turns), true, 16);
    struct e2b_profile first, second;
    struct e2b_error err = {0};
    char folder[] = "/tmp/e2b-profile-XXXXXX", command[128];
    assert_non_null(mkdtemp(folder));
    kernel_ns = 2 * FIXTURE_KERNEL_NS;
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &first, &err), err);
    kernel_ns = FIXTURE_KERNEL_NS;
    assert_ok(e2b_served_profile(fixture.served, folder, 1000000, &second, &err), err);
    for (int i = 0; i < 3; i++)
        assert_int_equal(first.solo_ns[i], 2 * second.solo_ns[i]);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fit_finds_the_demands_that_made_the_makespans),
        cmocka_unit_test(a_fit_knows_that_the_host_enqueues_one_after_another),
        cmocka_unit_test(a_size_that_was_never_in_company_stays_unknown),
        cmocka_unit_test(a_file_is_read_only_if_it_is_whole_and_meant),
        cmocka_unit_test(what_runs_side_by_side_for_nothing_has_little_demand),
        cmocka_unit_test(what_takes_turns_has_the_whole_device),
        cmocka_unit_test(compositions_end_with_the_time_for_them),
        cmocka_unit_test(the_second_start_reads_what_the_first_measured),
        cmocka_unit_test(durations_that_do_not_hold_are_measured_anew),
        cmocka_unit_test(a_device_that_fails_is_told),
        cmocka_unit_test(a_real_device_is_profiled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
