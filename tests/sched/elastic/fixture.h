/* Models and steps of the tests of "elastic" and its parts. */
#ifndef E2B_TESTS_SCHED_ELASTIC_FIXTURE_H
#define E2B_TESTS_SCHED_ELASTIC_FIXTURE_H

#include "sched/elastic.h"
#include "tests/sched/script.h"
#include "tests/support.h"

/* Sizes 1, 2 and 4, of unknown durations. */
static inline struct e2b_sched_model model_of(int slot_count) {
    return (struct e2b_sched_model){.name = "m",
        .slot_count = slot_count,
        .size_count = 3,
        .sizes = {1, 2, 4},
        .instances = {1, 1, 1},
        .weight = 1};
}

/* Durations are known; one batch takes `demand` of the device. */
static inline struct e2b_sched_model known_model(double demand) {
    struct e2b_sched_model model = model_of(16);
    const int64_t solo_ns[] = {1000, 1200, 1600};
    for (int i = 0; i < 3; i++) {
        model.solo_ns[i] = solo_ns[i];
        model.demand[i] = demand;
    }
    return model;
}

#define PLAY(slot_count, options, ...)                                                             \
    do {                                                                                           \
        const struct e2b_sched_model model = model_of(slot_count);                                 \
        const struct e2b_script_step steps[] = {__VA_ARGS__};                                      \
        PLAY_MODELS(&model, 1, options, steps);                                                    \
    } while (0)

#define PLAY_MODELS(models, model_count, options, steps)                                           \
    SCRIPT_RUN(&e2b_policy_elastic,                                                                \
        e2b_script_policy(&e2b_policy_elastic, models, model_count, options), models, steps)

/* A completion that teaches nothing. */
#define FAILED(t, size)                                                                            \
    { .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size }
#define TOOK(t, size, duration)                                                                    \
    { .kind = E2B_SCHED_COMPLETED, .now_ns = t, .size_index = size, .duration_ns = duration }

#endif
