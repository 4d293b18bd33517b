#include "runtime/server/body.h"

#include "tests/runtime/server/fixture.h"

/* Two samples: the mask as JSON, then the image in binary. */
static const char head[] =
    "{\"inputs\":[{\"name\":\"mask\",\"shape\":[2,5],\"datatype\":\"UINT8\","
    "\"data\":[[1,2,3,4,5],[6,7,8,9,10]]},{\"name\":\"image\",\"shape\":[2,2,3],"
    "\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":48}}]}";

enum { HEAD_BYTES = sizeof head - 1, BODY_BYTES = HEAD_BYTES + 48 };

static void make_body(char *body) {
    float values[12];
    for (int i = 0; i < 12; i++)
        values[i] = (float)i + 0.5f;
    memcpy(body, head, HEAD_BYTES);
    memcpy(body + HEAD_BYTES, values, sizeof values);
}

static void check_slots(const struct fixture_slots *slots) {
    assert_int_equal(slots->opened, 2);
    for (int i = 0; i < 12; i++) {
        float value;
        memcpy(&value, slots->memory[0][i / 6] + FIXTURE_MARGIN + 4 * (i % 6), sizeof value);
        assert_true(value == (float)i + 0.5f);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(slots->memory[1][i / 5][FIXTURE_MARGIN + i % 5], i + 1);
    fixture_check_guards(slots);
}

static void test_any_cut_gives_the_same(void **state) {
    (void)state;
    char bytes[BODY_BYTES];
    make_body(bytes);
    for (size_t piece = 1; piece <= BODY_BYTES; piece++) {
        struct e2b_error err = {0};
        struct fixture_slots slots = {0};
        struct e2b_body_sink sink = fixture_sink(&slots);
        struct e2b_body body;
        e2b_body_init(&body, &fixture, &sink, HEAD_BYTES, BODY_BYTES);
        for (size_t at = 0; at < BODY_BYTES; at += piece)
            assert_ok(e2b_body_feed(&body, bytes + at,
                          at + piece > BODY_BYTES ? BODY_BYTES - at : piece, &err),
                err);
        assert_ok(e2b_body_end(&body, &err), err);
        check_slots(&slots);
        e2b_body_finish(&body);
    }
}

static enum e2b_status run(const char *bytes, size_t count, size_t head_bytes, size_t total_bytes,
    struct fixture_slots *slots, struct e2b_error *err) {
    struct e2b_body_sink sink = fixture_sink(slots);
    struct e2b_body body;
    e2b_body_init(&body, &fixture, &sink, head_bytes, total_bytes);
    if (e2b_body_feed(&body, bytes, count, err) == E2B_OK)
        e2b_body_end(&body, err);
    e2b_body_finish(&body);
    fixture_check_guards(slots);
    return err->status;
}

static void test_json_alone(void **state) {
    (void)state;
    const char *text =
        "{\"inputs\":[{\"name\":\"image\",\"shape\":[1,2,3],\"datatype\":\"FP32\","
        "\"data\":[1,2,3,4,5,6]},{\"name\":\"mask\",\"shape\":[1,5],\"datatype\":\"UINT8\","
        "\"data\":[0,0,0,0,255]}]}";
    struct e2b_error err = {0};
    struct fixture_slots slots = {0};
    assert_ok(run(text, strlen(text), E2B_BODY_ALL_HEAD, strlen(text), &slots, &err), err);
    assert_int_equal(slots.opened, 1);
    assert_int_equal(slots.memory[1][0][FIXTURE_MARGIN + 4], 255);
}

static void test_lengths_that_lie(void **state) {
    (void)state;
    char bytes[BODY_BYTES + 1] = {0};
    struct e2b_error err = {0};
    struct fixture_slots slots = {0};
    make_body(bytes);
    /* announced too much or too little: told before slots are taken */
    assert_fails(run(bytes, BODY_BYTES, HEAD_BYTES, BODY_BYTES + 1, &slots, &err), E2B_INVALID,
        "Content-Length", err);
    assert_int_equal(slots.opened, 0);
    assert_fails(run(bytes, BODY_BYTES, HEAD_BYTES - 1, BODY_BYTES, &slots, &err), E2B_INVALID,
        "not JSON", err);
    assert_fails(run(bytes, BODY_BYTES, E2B_BODY_ALL_HEAD, BODY_BYTES, &slots, &err), E2B_INVALID,
        "not JSON", err);
    assert_fails(run(bytes, HEAD_BYTES, E2B_BODY_ALL_HEAD, HEAD_BYTES, &slots, &err), E2B_INVALID,
        "Inference-Header-Content-Length", err);
    /* unannounced */
    assert_fails(run(bytes, BODY_BYTES - 1, HEAD_BYTES, E2B_BODY_UNKNOWN, &slots, &err),
        E2B_INVALID, "ends before the data of input \"image\"", err);
    slots.opened = 0;
    assert_fails(run(bytes, BODY_BYTES + 1, HEAD_BYTES, E2B_BODY_UNKNOWN, &slots, &err),
        E2B_INVALID, "follow the last input", err);
    slots.opened = 0;
    assert_fails(run(bytes, HEAD_BYTES - 9, HEAD_BYTES, E2B_BODY_UNKNOWN, &slots, &err),
        E2B_INVALID, "the body has", err);
    assert_int_equal(slots.opened, 0);
    assert_fails(run(bytes, 0, E2B_BODY_ALL_HEAD, 0, &slots, &err), E2B_INVALID, "not JSON", err);
}

static void test_full_pool(void **state) {
    (void)state;
    char bytes[BODY_BYTES];
    struct e2b_error err = {0};
    struct fixture_slots slots = {.refuse = E2B_BUSY};
    make_body(bytes);
    assert_fails(
        run(bytes, BODY_BYTES, HEAD_BYTES, BODY_BYTES, &slots, &err), E2B_BUSY, "no slots", err);
}

static void test_raw(void **state) {
    (void)state;
    const struct e2b_signature one = {"one", "1", 1, 1, &fixture_inputs[1], fixture_outputs, 4};
    struct e2b_error err = {0};
    struct fixture_slots slots = {0};
    struct e2b_body_sink sink = fixture_sink(&slots);
    struct e2b_body body;
    e2b_body_init(&body, &one, &sink, 0, 5);
    assert_ok(e2b_body_feed(&body, "ab", 2, &err), err);
    assert_ok(e2b_body_feed(&body, "cde", 3, &err), err);
    assert_ok(e2b_body_end(&body, &err), err);
    assert_memory_equal(slots.memory[0][0] + FIXTURE_MARGIN, "abcde", 5);
    e2b_body_finish(&body);
    slots.opened = 0;
    e2b_body_init(&body, &one, &sink, 0, 6);
    assert_fails(e2b_body_feed(&body, "abcdef", 6, &err), E2B_INVALID, "Content-Length", err);
    e2b_body_finish(&body);
    assert_fails(run("abcde", 5, 0, 5, &slots, &err), E2B_INVALID, "one input only", err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut_gives_the_same),
        cmocka_unit_test(test_json_alone),
        cmocka_unit_test(test_lengths_that_lie),
        cmocka_unit_test(test_full_pool),
        cmocka_unit_test(test_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
