#include "runtime/server/json_tensor.h"

#include "tests/support.h"
#include <jansson.h>
#include <math.h>
#include <string.h>

static unsigned char memory[2][64];

static void *sample_memory(void *context, int sample) {
    (void)context;
    assert_in_range(sample, 0, 1);
    return memory[sample];
}

static enum e2b_status read(
    const char *text, enum e2b_dtype dtype, int samples, int64_t count, struct e2b_error *err) {
    json_t *data = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(data);
    const struct e2b_json_sink sink = {"x", dtype, samples, count, sample_memory, NULL};
    enum e2b_status status = e2b_json_read(data, &sink, err);
    json_decref(data);
    return status;
}

static void test_reads_every_type(void **state) {
    (void)state;
    struct e2b_error err = {0};
    const int64_t big[] = {INT64_MIN, INT64_MAX};
    const float f32[] = {0.1f, -3e38f};
    const int32_t i32[] = {INT32_MIN, INT32_MAX};
    const int8_t i8[] = {-128, 127};
    const double f64[] = {1e300, 3};
    assert_ok(read("[-9223372036854775808,9223372036854775807]", E2B_I64, 1, 2, &err), err);
    assert_memory_equal(memory[0], big, sizeof big);
    assert_ok(read("[0.1,-3e38]", E2B_F32, 1, 2, &err), err);
    assert_memory_equal(memory[0], f32, sizeof f32);
    assert_ok(read("[-2147483648,2147483647]", E2B_I32, 1, 2, &err), err);
    assert_memory_equal(memory[0], i32, sizeof i32);
    assert_ok(read("[-128,127]", E2B_I8, 1, 2, &err), err);
    assert_memory_equal(memory[0], i8, sizeof i8);
    assert_ok(read("[1e300,3]", E2B_F64, 1, 2, &err), err);
    assert_memory_equal(memory[0], f64, sizeof f64);
    assert_ok(read("[true,false,0,1]", E2B_BOOL, 1, 4, &err), err);
    assert_memory_equal(memory[0], "\1\0\0\1", 4);
    assert_ok(read("[1,65504]", E2B_F16, 1, 2, &err), err);
    assert_memory_equal(memory[0], "\x00\x3c\xff\x7b", 4);
}

static void test_nesting_and_samples(void **state) {
    (void)state;
    struct e2b_error err = {0};
    assert_ok(read("[[[1,2],[3]],[[4,5],[6]]]", E2B_U8, 2, 3, &err), err);
    assert_memory_equal(memory[0], "\1\2\3", 3);
    assert_memory_equal(memory[1], "\4\5\6", 3);
}

static void test_refuses(void **state) {
    (void)state;
    struct e2b_error err = {0};
    assert_fails(read("7", E2B_U8, 1, 1, &err), E2B_INVALID, "must be an array", err);
    assert_fails(read("[1]", E2B_U8, 1, 2, &err), E2B_INVALID, "has 1 elements", err);
    assert_fails(read("[1,2,3]", E2B_U8, 1, 2, &err), E2B_INVALID, "more elements", err);
    assert_fails(read("[256]", E2B_U8, 1, 1, &err), E2B_INVALID, "does not fit UINT8", err);
    assert_fails(read("[-129]", E2B_I8, 1, 1, &err), E2B_INVALID, "does not fit INT8", err);
    assert_fails(read("[2147483648]", E2B_I32, 1, 1, &err), E2B_INVALID, "INT32", err);
    assert_fails(read("[1.5]", E2B_I64, 1, 1, &err), E2B_INVALID, "INT64", err);
    assert_fails(read("[2]", E2B_BOOL, 1, 1, &err), E2B_INVALID, "BOOL", err);
    assert_fails(read("[1,\"2\"]", E2B_F32, 1, 2, &err), E2B_INVALID, "element 1", err);
    assert_fails(read("[1e39]", E2B_F32, 1, 1, &err), E2B_INVALID, "FP32", err);
    assert_fails(read("[70000]", E2B_F16, 1, 1, &err), E2B_INVALID, "FP16", err);
    assert_fails(read("[null]", E2B_F32, 1, 1, &err), E2B_INVALID, "FP32", err);
    assert_fails(read("[{}]", E2B_U8, 1, 1, &err), E2B_INVALID, "UINT8", err);
}

static void expect(enum e2b_dtype dtype, const void *values, int64_t count, const char *text) {
    struct e2b_text out = {0};
    e2b_json_write(&out, dtype, values, count);
    assert_string_equal(out.data, text);
    e2b_text_finish(&out);
}

static void test_writes(void **state) {
    (void)state;
    const float f32[] = {0.1f, -2, NAN, INFINITY};
    const uint16_t f16[] = {0x3c00, 0x3555};
    const int64_t i64[] = {INT64_MIN, 9007199254740993};
    const int8_t i8[] = {-128, 5};
    const bool truths[] = {true, false};
    expect(E2B_F32, f32, 4, "0.100000001,-2,null,null");
    expect(E2B_F16, f16, 2, "1,0.33325");
    expect(E2B_I64, i64, 2, "-9223372036854775808,9007199254740993");
    expect(E2B_I8, i8, 2, "-128,5");
    expect(E2B_BOOL, truths, 2, "true,false");
}

static void test_strings(void **state) {
    (void)state;
    struct e2b_text out = {0};
    e2b_json_write_string(&out,
        "a\"b\\c\n\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6|\xff|\xc0\x80|"
        "\xed\xa0\x80|\xe2\x82");
    assert_string_equal(out.data,
        "\"a\\\"b\\\\c\\u000a\\u0001 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6|?|\?\?|\?\?\?|\?\?\"");
    json_t *parsed = json_loads(out.data, JSON_DECODE_ANY, NULL);
    assert_non_null(parsed);
    json_decref(parsed);
    e2b_text_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_every_type),
        cmocka_unit_test(test_nesting_and_samples),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
