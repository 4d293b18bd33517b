/* The policies next to one another on the same arrivals and the same device, in virtual time: what
 * elastic promises against every rival. Each number is a function of the seeds named here. */
#include "sched/optimal.h"
#include "tests/sched/service.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)

static struct e2b_sched_model gpu(void) {
    struct e2b_sched_model model = {.name = "gpu", .slot_count = 512, .size_count = 6, .weight = 1};
    for (int i = 0; i < 6; i++) {
        int size = 1 << i;
        model.sizes[i] = size;
        model.instances[i] = 1;
        model.solo_ns[i] = 1000000 + 60000 * size;
        model.demand[i] = 0.15 + 0.85 * size / 32;
    }
    return model;
}

static struct e2b_sched_model cpu(void) {
    struct e2b_sched_model model = {.name = "cpu", .slot_count = 512, .size_count = 6, .weight = 1};
    for (int i = 0; i < 6; i++) {
        int size = 1 << i;
        model.sizes[i] = size;
        model.instances[i] = 1;
        model.solo_ns[i] = 300000 + 1000000 * size;
        model.demand[i] = 1;
    }
    return model;
}

static struct e2b_service_result play(const struct e2b_policy_ops *ops,
    const struct e2b_sched_model *model, double load, uint64_t seed) {
    struct e2b_service_result results[E2B_SERVICE_MAX_MODELS];
    const struct e2b_service_spec spec = {.models = model,
        .model_count = 1,
        .rates = {load * e2b_optimal_of(model, NULL, 0).capacity},
        .seconds_ns = 1000 * MS,
        .seed = seed,
        .policy_options = ""};
    e2b_service_play(ops, &spec, results);
    long count;
    int64_t *arrivals = e2b_service_arrivals(&spec, 0, &count);
    struct e2b_optimal optimal = e2b_optimal_of(model, arrivals, count);
    free(arrivals);
    print_message("%s %.1f %-12s mean %8.3f ms (bound %.3f), p99 %8.3f, %6.0f/s of %.0f, in target "
                  "%ld of %ld\n",
        model->name, load, ops->name, results[0].mean_ns / 1e6, optimal.mean_ns / 1e6,
        (double)results[0].p99_ns / 1e6, results[0].throughput, optimal.capacity,
        results[0].in_target, count);
    assert_true(results[0].throughput <= 1.001 * optimal.capacity);
    assert_true(results[0].in_target <= optimal.in_target);
    if (results[0].answered == count)
        assert_true(results[0].mean_ns >= optimal.mean_ns - 1);
    return results[0];
}

/* Within 1 %, the difference between two seeds of one policy. */
static void nothing_is_quicker_at_low_load(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {gpu(), cpu()};
    for (int i = 0; i < 2; i++)
        for (double load = 0.1; load < 0.5; load += 0.2) {
            struct e2b_service_result own = play(e2b_policy_find("elastic"), &models[i], load, 1);
            assert_int_equal(own.answered, own.offered);
            for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
                assert_true(own.mean_ns <= 1.01 * play(*all, &models[i], load, 1).mean_ns);
        }
}

/* Within 0.5 %: what the first batches, of what little waits, cost. */
static void nothing_serves_more_at_saturation(void **state) {
    (void)state;
    const struct e2b_sched_model models[] = {gpu(), cpu()};
    for (int i = 0; i < 2; i++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            double own = play(e2b_policy_find("elastic"), &models[i], 3, seed).throughput;
            for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
                assert_true(own >= 0.995 * play(*all, &models[i], 3, seed).throughput);
        }
}

/* A rival may have up to half a target's worth more of requests in its queue when arrivals end. */
static void overload_is_refused_on_arrival_and_the_accepted_keep_the_target(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {gpu(), cpu()};
    models[0].target_ns = 30 * MS;
    models[1].target_ns = 300 * MS;
    for (int i = 0; i < 2; i++)
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct e2b_service_result own = play(e2b_policy_find("elastic"), &models[i], 10, seed);
            long accepted = own.offered - own.refused - own.turned_away;
            print_message("accepted %ld, in target %ld, refused %ld, dropped %ld\n", accepted,
                own.in_target, own.refused, own.dropped);
            assert_true(100 * own.in_target >= 99 * accepted);
            assert_int_equal(own.turned_away, 0);
            double capacity = e2b_optimal_of(&models[i], NULL, 0).capacity;
            assert_true(own.throughput > 0.85 * capacity);
            double queue = capacity * (double)models[i].target_ns * 0.5e-9;
            for (const struct e2b_policy_ops *const *all = e2b_policy_all(); *all; all++)
                assert_true((double)own.in_target + queue
                    >= (double)play(*all, &models[i], 10, seed).in_target);
        }
}

/* One of two models is asked for ten times what the device gives, the other for a quarter. */
static void an_overloaded_model_does_not_starve_another(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {gpu(), gpu()};
    double capacity = e2b_optimal_of(models, NULL, 0).capacity;
    models[1].name = "modest";
    for (int target = 0; target <= 1; target++) {
        struct e2b_service_result results[E2B_SERVICE_MAX_MODELS];
        models[0].target_ns = models[1].target_ns = target * 30 * MS;
        const struct e2b_service_spec spec = {.models = models,
            .model_count = 2,
            .rates = {10 * capacity, 0.25 * capacity},
            .seconds_ns = 1000 * MS,
            .seed = 3,
            .policy_options = ""};
        e2b_service_play(e2b_policy_find("elastic"), &spec, results);
        for (int i = 0; i < 2; i++)
            print_message("%s offered %ld answered %ld in target %ld refused %ld dropped %ld away "
                          "%ld, mean %.3f ms, p99 %.3f\n",
                models[i].name, results[i].offered, results[i].answered, results[i].in_target,
                results[i].refused, results[i].dropped, results[i].turned_away,
                results[i].mean_ns / 1e6, (double)results[i].p99_ns / 1e6);
        const struct e2b_service_result *modest = &results[1];
        assert_true(100 * modest->answered >= 95 * modest->offered);
        assert_true(100 * modest->in_target >= 99 * (modest->offered - modest->refused));
        assert_true(results[0].throughput > 0.4 * capacity);
    }
}

static double in_target_of_a_mix(const struct e2b_policy_ops *ops, const char *options,
    const struct e2b_sched_model *models, uint64_t seed) {
    struct e2b_service_result results[E2B_SERVICE_MAX_MODELS];
    struct e2b_service_spec spec = {.models = models,
        .model_count = 3,
        .seconds_ns = 1000 * MS,
        .seed = seed,
        .policy_options = options};
    double in_target = 0;
    for (int i = 0; i < 3; i++)
        spec.rates[i] = 1.1 / 3 * e2b_optimal_of(&models[i], NULL, 0).capacity;
    e2b_service_play(ops, &spec, results);
    for (int i = 0; i < 3; i++)
        in_target += (double)results[i].in_target;
    print_message("mix %-12s %s: in target %.0f/s\n", ops->name, options, in_target);
    return in_target;
}

/* Three models ask for a third each of a device that gains little from company, with targets of
 * three times their largest batch. A model whose queue were kept shorter than a batch would be
 * served in batches of one. */
static void no_model_of_an_overloaded_mix_is_served_in_small_batches(void **state) {
    (void)state;
    struct e2b_sched_model models[] = {gpu(), gpu(), gpu()};
    const char *const rival =
        "max_batch_size=32 batch_timeout_micros=0 max_enqueued_batches=1 num_batch_threads=1";
    for (int i = 0; i < 3; i++) {
        for (int size = 0; size < models[i].size_count; size++) {
            models[i].solo_ns[size] /= 1 + i;
            models[i].demand[size] = 0.6 + 0.4 * models[i].sizes[size] / 32;
        }
        models[i].target_ns = 3 * models[i].solo_ns[models[i].size_count - 1];
    }
    for (uint64_t seed = 1; seed <= 2; seed++)
        assert_true(in_target_of_a_mix(e2b_policy_find("elastic"), "", models, seed)
            >= in_target_of_a_mix(e2b_policy_find("tfserving"), rival, models, seed));
}

/* As a network on an H200, whose profile promised too much. */
static struct e2b_sched_model promising(void) {
    static const double solo_ms[] = {0.585, 0.681, 0.836, 1.184, 1.871, 3.336};
    static const double demand[] = {0.71, 0.68, 0.66, 0.7, 0.68, 0.73};
    struct e2b_sched_model model = {
        .name = "promising", .slot_count = 256, .size_count = 6, .weight = 1};
    for (int i = 0; i < 6; i++) {
        model.sizes[i] = 1 << i;
        model.instances[i] = 1;
        model.solo_ns[i] = (int64_t)(solo_ms[i] * 1e6);
        model.demand[i] = demand[i];
    }
    model.target_ns = 10 * MS;
    return model;
}

/* In target, by all seeds. */
static long in_target(const char *policy, const char *options, double slower, double load) {
    const struct e2b_sched_model model = promising();
    long sum = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct e2b_service_result results[E2B_SERVICE_MAX_MODELS];
        const struct e2b_service_spec spec = {.models = &model,
            .model_count = 1,
            .rates = {load * 9600},
            .seconds_ns = 550 * MS,
            .slower = slower,
            .closer = 1.15,
            .noise = 0.1,
            .seed = seed,
            .policy_options = options};
        e2b_service_play(e2b_policy_find(policy), &spec, results);
        sum += results[0].in_target;
    }
    print_message("%.1f times as slow, load %.1f, %s: %ld in target\n", slower, load, policy, sum);
    return sum;
}

/* Batches take longer than was measured, and more so in company: what is promised meanwhile is
 * broken, and less would be promised for long. */
static void a_profile_that_promised_too_much_is_corrected_at_once(void **state) {
    (void)state;
    for (double slower = 1; slower < 1.5; slower += 0.2)
        for (double load = 0.9; load < 1.2; load += 0.2)
            assert_true(in_target("elastic", "", slower, load) > in_target("tfserving",
                            "max_batch_size=32 batch_timeout_micros=0 max_enqueued_batches=1 "
                            "num_batch_threads=1",
                            slower, load));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_quicker_at_low_load),
        cmocka_unit_test(nothing_serves_more_at_saturation),
        cmocka_unit_test(overload_is_refused_on_arrival_and_the_accepted_keep_the_target),
        cmocka_unit_test(an_overloaded_model_does_not_starve_another),
        cmocka_unit_test(no_model_of_an_overloaded_mix_is_served_in_small_batches),
        cmocka_unit_test(a_profile_that_promised_too_much_is_corrected_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
