#include "runtime/server/answer.h"

#include "tests/runtime/server/fixture.h"
#include <jansson.h>
#include <math.h>

static const float scores[2][4] = {{0.5f, 2, 2, -1}, {1, NAN, 3, 0}};
static const int64_t best[2] = {1, 2};
static const char *const names[] = {"cat", "dog \"x\""};
static const struct e2b_labels labels = {names, 2};

static const void *output(void *context, int sample, int index) {
    (void)context;
    return index == 0 ? (const void *)scores[sample] : (const void *)&best[sample];
}

static const struct e2b_answer_source source = {NULL, output};

static struct e2b_infer request(int samples, bool binary, int classes) {
    struct e2b_infer infer = {.id = "", .samples = samples, .output_count = 2};
    infer.outputs[0] = (struct e2b_infer_output){0, binary, classes};
    infer.outputs[1] = (struct e2b_infer_output){1, false, 0};
    return infer;
}

static json_t *encode(const struct e2b_infer *infer, struct e2b_text *out, size_t *head_bytes) {
    struct e2b_error err = {0};
    assert_ok(e2b_answer_encode(&fixture, infer, &labels, &source, out, head_bytes, &err), err);
    json_t *head = json_loadb(out->data, *head_bytes ? *head_bytes : out->len, 0, NULL);
    assert_non_null(head);
    return head;
}

static json_t *get(json_t *head, size_t index, const char *key) {
    json_t *value = json_object_get(json_array_get(json_object_get(head, "outputs"), index), key);
    assert_non_null(value);
    return value;
}

static void test_json(void **state) {
    (void)state;
    struct e2b_infer infer = request(2, false, 0);
    struct e2b_text out = {0};
    size_t head_bytes;
    infer.id = "q\"1";
    json_t *head = encode(&infer, &out, &head_bytes);
    assert_int_equal(head_bytes, 0);
    assert_string_equal(json_string_value(json_object_get(head, "model_name")), "net");
    assert_string_equal(json_string_value(json_object_get(head, "model_version")), "1");
    assert_string_equal(json_string_value(json_object_get(head, "id")), "q\"1");
    assert_string_equal(json_string_value(get(head, 0, "datatype")), "FP32");
    assert_int_equal(json_integer_value(json_array_get(get(head, 0, "shape"), 0)), 2);
    assert_int_equal(json_integer_value(json_array_get(get(head, 0, "shape"), 1)), 4);
    assert_int_equal(json_array_size(get(head, 0, "data")), 8);
    assert_true(json_number_value(json_array_get(get(head, 0, "data"), 1)) == 2);
    assert_true(json_is_null(json_array_get(get(head, 0, "data"), 5)));
    assert_int_equal(json_integer_value(json_array_get(get(head, 1, "data"), 1)), 2);
    json_decref(head);
    e2b_text_finish(&out);
}

static void test_binary(void **state) {
    (void)state;
    struct e2b_infer infer = request(2, true, 0);
    struct e2b_text out = {0};
    size_t head_bytes;
    json_t *head = encode(&infer, &out, &head_bytes);
    assert_int_equal(out.len, head_bytes + sizeof scores);
    assert_memory_equal(out.data + head_bytes, scores, sizeof scores);
    json_t *size = json_object_get(get(head, 0, "parameters"), "binary_data_size");
    assert_int_equal(json_integer_value(size), sizeof scores);
    assert_null(json_object_get(head, "id"));
    json_decref(head);
    e2b_text_finish(&out);
}

static void test_classes(void **state) {
    (void)state;
    struct e2b_infer infer = request(1, false, 3);
    struct e2b_text out = {0};
    size_t head_bytes;
    json_t *head = encode(&infer, &out, &head_bytes);
    static const char *const expected[] = {"2.000000:1:dog \"x\"", "2.000000:2", "0.500000:0:cat"};
    assert_string_equal(json_string_value(get(head, 0, "datatype")), "BYTES");
    assert_int_equal(json_integer_value(json_array_get(get(head, 0, "shape"), 1)), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(
            json_string_value(json_array_get(get(head, 0, "data"), i)), expected[i]);
    json_decref(head);
    e2b_text_finish(&out);
}

static void test_binary_classes(void **state) {
    (void)state;
    struct e2b_infer infer = request(2, true, 1000);
    struct e2b_text out = {0};
    size_t head_bytes;
    json_t *head = encode(&infer, &out, &head_bytes);
    assert_int_equal(json_integer_value(json_array_get(get(head, 0, "shape"), 0)), 2);
    assert_int_equal(json_integer_value(json_array_get(get(head, 0, "shape"), 1)), 4);
    json_t *size = json_object_get(get(head, 0, "parameters"), "binary_data_size");
    assert_int_equal(json_integer_value(size), out.len - head_bytes);
    const char *at = out.data + head_bytes;
    int count = 0;
    for (; at < out.data + out.len; count++) {
        uint32_t length;
        memcpy(&length, at, sizeof length);
        at += sizeof length;
        if (count == 4) /* the second sample's best */
            assert_memory_equal(at, "3.000000:2", length);
        at += length;
    }
    assert_int_equal(count, 8);
    assert_ptr_equal(at, out.data + out.len);
    json_decref(head);
    e2b_text_finish(&out);
}

static void test_check(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_infer infer = request(1, false, 3);
    assert_ok(e2b_answer_check(&fixture, &infer, &err), err);
    struct e2b_signature fixed = fixture;
    fixed.max_batch = 0;
    assert_fails(e2b_answer_check(&fixed, &infer, &err), E2B_INVALID, "classified", err);
    infer.outputs[0].classes = 0;
    assert_ok(e2b_answer_check(&fixed, &infer, &err), err);
}

static void test_error(void **state) {
    (void)state;
    struct e2b_text out = {0};
    e2b_answer_error(&out, "no \"x\"");
    assert_string_equal(out.data, "{\"error\":\"no \\\"x\\\"\"}");
    e2b_text_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_binary_classes),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
