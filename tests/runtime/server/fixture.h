/* A model without an engine: what the tests of the protocol ask of, and memory for its samples. */
#ifndef E2B_TESTS_SERVER_FIXTURE_H
#define E2B_TESTS_SERVER_FIXTURE_H

#include "runtime/server/body.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

static const struct e2b_io fixture_inputs[] = {
    {"image", E2B_F32, {3, {-1, 2, 3}}},
    {"mask", E2B_U8, {2, {-1, 5}}},
};
static const struct e2b_io fixture_outputs[] = {
    {"scores", E2B_F32, {2, {-1, 4}}},
    {"best", E2B_I64, {2, {-1, 1}}},
};
static const struct e2b_signature fixture = {
    .name = "net",
    .version = "1",
    .input_count = 2,
    .output_count = 2,
    .inputs = fixture_inputs,
    .outputs = fixture_outputs,
    .max_batch = 4,
};

/* Slots: room for max_batch samples of both inputs, with guards around each sample. */
struct fixture_slots {
    int opened; /* samples, 0 before open */
    enum e2b_status refuse;
    unsigned char memory[2][4][64];
};

enum { FIXTURE_GUARD = 0xa5, FIXTURE_MARGIN = 8 };

static inline enum e2b_status fixture_open(void *context, int samples, struct e2b_error *err) {
    struct fixture_slots *slots = context;
    if (slots->refuse != E2B_OK)
        return e2b_fail(err, slots->refuse, "no slots");
    assert_int_equal(slots->opened, 0);
    assert_in_range(samples, 1, fixture.max_batch);
    slots->opened = samples;
    memset(slots->memory, FIXTURE_GUARD, sizeof slots->memory);
    return E2B_OK;
}

static inline void *fixture_input(void *context, int sample, int input) {
    struct fixture_slots *slots = context;
    assert_in_range(sample, 0, slots->opened - 1);
    assert_in_range(input, 0, 1);
    return slots->memory[input][sample] + FIXTURE_MARGIN;
}

static inline struct e2b_body_sink fixture_sink(struct fixture_slots *slots) {
    return (struct e2b_body_sink){slots, fixture_open, fixture_input};
}

/* Nothing was written outside the samples that were opened. */
static inline void fixture_check_guards(const struct fixture_slots *slots) {
    for (int input = 0; input < 2 && slots->opened; input++)
        for (int sample = 0; sample < 4; sample++) {
            size_t bytes = sample < slots->opened
                ? e2b_signature_sample_bytes(&fixture, &fixture_inputs[input])
                : 0;
            for (size_t i = 0; i < sizeof slots->memory[0][0]; i++)
                if (i < FIXTURE_MARGIN || i >= FIXTURE_MARGIN + bytes)
                    assert_int_equal(slots->memory[input][sample][i], FIXTURE_GUARD);
        }
}

#endif
