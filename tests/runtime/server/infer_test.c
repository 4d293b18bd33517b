#include "runtime/server/infer.h"

#include "tests/runtime/server/fixture.h"

#define IMAGE "{\"name\":\"image\",\"shape\":[2,2,3],\"datatype\":\"FP32\","
#define IMAGE_BINARY IMAGE "\"parameters\":{\"binary_data_size\":48}}"
#define MASK_JSON "{\"name\":\"mask\",\"shape\":[2,5],\"datatype\":\"UINT8\",\"data\":[1]}"

static enum e2b_status parse(const char *text, struct e2b_infer *out, struct e2b_error *err) {
    return e2b_infer_parse(&fixture, text, strlen(text), out, err);
}

static void test_reads_all(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_infer infer;
    assert_ok(parse("{\"id\":\"a \\u00e9\",\"parameters\":{\"priority\":3,\"timeout\":1500,"
                    "\"sequence_id\":0,\"own\":\"kept out\"},\"inputs\":[" MASK_JSON
                    "," IMAGE_BINARY "],\"outputs\":[{\"name\":\"best\"},{\"name\":\"scores\","
                    "\"parameters\":{\"binary_data\":true,\"classification\":2}}]}",
                  &infer, &err),
        err);
    assert_string_equal(infer.id, "a \xc3\xa9");
    assert_int_equal(infer.priority, 3);
    assert_int_equal(infer.timeout_us, 1500);
    assert_int_equal(infer.samples, 2);
    assert_int_equal(infer.input_count, 2);
    assert_int_equal(infer.inputs[0].index, 1);
    assert_non_null(infer.inputs[0].data);
    assert_int_equal(infer.inputs[1].index, 0);
    assert_null(infer.inputs[1].data);
    assert_int_equal(infer.binary_bytes, 48);
    assert_int_equal(infer.output_count, 2);
    assert_int_equal(infer.outputs[0].index, 1);
    assert_false(infer.outputs[0].binary);
    assert_int_equal(infer.outputs[1].index, 0);
    assert_true(infer.outputs[1].binary);
    assert_int_equal(infer.outputs[1].classes, 2);
    e2b_infer_finish(&infer);
}

static void test_outputs_default_to_all(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_infer infer;
    assert_ok(parse("{\"parameters\":{\"binary_data_output\":true},\"inputs\":[" MASK_JSON
                    "," IMAGE_BINARY "]}",
                  &infer, &err),
        err);
    assert_string_equal(infer.id, "");
    assert_int_equal(infer.output_count, 2);
    assert_true(infer.outputs[0].binary && infer.outputs[1].binary);
    e2b_infer_finish(&infer);
}

static void test_fixed_batch(void **state) {
    (void)state;
    const struct e2b_io input = {"x", E2B_I8, {2, {3, 2}}}, output = {"y", E2B_I8, {1, {6}}};
    const struct e2b_signature fixed = {"f", "1", 1, 1, &input, &output, 0};
    const char *text = "{\"inputs\":[{\"name\":\"x\",\"shape\":[3,2],\"datatype\":\"INT8\","
                       "\"data\":[1,2,3,4,5,6]}]}";
    struct e2b_error err = {0};
    struct e2b_infer infer;
    assert_ok(e2b_infer_parse(&fixed, text, strlen(text), &infer, &err), err);
    assert_int_equal(infer.samples, 1);
    assert_int_equal(e2b_signature_sample_count(&fixed, &input), 6);
    e2b_infer_finish(&infer);
    assert_ok(e2b_infer_raw(&fixed, &infer, &err), err);
    assert_int_equal(infer.binary_bytes, 6);
    assert_true(infer.outputs[0].binary);
    e2b_infer_plain(&fixed, 3, &infer);
    assert_int_equal(infer.outputs[0].classes, 3);
    assert_fails(e2b_infer_raw(&fixture, &infer, &err), E2B_INVALID, "has 2", err);
}

static const struct {
    const char *text;
    enum e2b_status status;
    const char *says;
} refused[] = {
    {"", E2B_INVALID, "not JSON"},
    {"{\"inputs\":", E2B_INVALID, "line 1"},
    {"[1]", E2B_INVALID, "must be a JSON object"},
    {"{}", E2B_INVALID, "\"inputs\""},
    {"{\"inputs\":[],\"inputs\":[]}", E2B_INVALID, "not JSON"},
    {"{\"inputs\":{}}", E2B_INVALID, "array \"inputs\""},
    {"{\"id\":7,\"inputs\":[]}", E2B_INVALID, "\"id\""},
    {"{\"inputs\":[7]}", E2B_INVALID, "\"name\" and \"datatype\""},
    {"{\"inputs\":[]}", E2B_INVALID, "\"image\" is missing"},
    {"{\"inputs\":[" IMAGE_BINARY "]}", E2B_INVALID, "\"mask\" is missing"},
    {"{\"inputs\":[" IMAGE_BINARY "," IMAGE_BINARY "]}", E2B_INVALID, "given twice"},
    {"{\"inputs\":[{\"name\":\"imge\",\"datatype\":\"FP32\"}]}", E2B_INVALID, "no input \"imge\""},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[2,2,3],\"datatype\":\"FP16\",\"data\":[]}]}",
        E2B_INVALID, "datatype FP16, expected FP32"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[2,3,2],\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "2x3x2 does not fit, expected FP32 Nx2x3"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[2,3],\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "does not fit"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[0,2,3],\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "outside 1..4"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[5,2,3],\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "outside 1..4"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[-1,2,3],\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "0 or more"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":[1,1,1,1,1,1,1,1,1],\"datatype\":\"FP32\"}]}",
        E2B_INVALID, "at most 8"},
    {"{\"inputs\":[{\"name\":\"image\",\"shape\":\"1\",\"datatype\":\"FP32\",\"data\":[]}]}",
        E2B_INVALID, "\"shape\""},
    {"{\"inputs\":[" IMAGE "\"parameters\":{\"binary_data_size\":47}}]}", E2B_INVALID,
        "needs 48 bytes"},
    {"{\"inputs\":[" IMAGE "\"parameters\":{\"binary_data_size\":-48}}]}", E2B_INVALID,
        "binary_data_size"},
    {"{\"inputs\":[" IMAGE "\"parameters\":{\"binary_data_size\":48},\"data\":[]}]}", E2B_INVALID,
        "either"},
    {"{\"inputs\":[" IMAGE "\"parameters\":{}}]}", E2B_INVALID, "either"},
    {"{\"inputs\":[" IMAGE "\"parameters\":[]}]}", E2B_INVALID, "\"parameters\""},
    {"{\"inputs\":[" IMAGE "\"parameters\":{\"shared_memory_region\":\"r\"}}]}", E2B_UNSUPPORTED,
        "shared memory"},
    {"{\"inputs\":[" IMAGE_BINARY ",{\"name\":\"mask\",\"shape\":[1,5],\"datatype\":\"UINT8\","
     "\"data\":[]}]}",
        E2B_INVALID, "differs"},
    {"{\"parameters\":{\"sequence_id\":5},\"inputs\":[]}", E2B_UNSUPPORTED, "sequence_id"},
    {"{\"parameters\":{\"sequence_start\":true},\"inputs\":[]}", E2B_UNSUPPORTED, "sequences"},
    {"\xff\xd8\xff\xe0", E2B_INVALID, "Content-Type: image/jpeg"},
    {"\x89PNG\r\n\x1a\n", E2B_INVALID, "Content-Type: image/png"},
    {"{\"parameters\":{\"priority\":-1},\"inputs\":[]}", E2B_INVALID, "priority"},
    {"{\"parameters\":{\"timeout\":\"5\"},\"inputs\":[]}", E2B_INVALID, "timeout"},
    {"{\"parameters\":{\"timeout\":9223372036854775807},\"inputs\":[]}", E2B_INVALID, "timeout"},
    {"{\"parameters\":{\"binary_data_output\":1},\"inputs\":[]}", E2B_INVALID, "true or false"},
    {"{\"inputs\":[" MASK_JSON "," IMAGE_BINARY "],\"outputs\":{}}", E2B_INVALID, "\"outputs\""},
    {"{\"inputs\":[" MASK_JSON "," IMAGE_BINARY "],\"outputs\":[{}]}", E2B_INVALID, "\"name\""},
    {"{\"inputs\":[" MASK_JSON "," IMAGE_BINARY "],\"outputs\":[{\"name\":\"x\"}]}", E2B_INVALID,
        "no output \"x\""},
    {"{\"inputs\":[" MASK_JSON "," IMAGE_BINARY "],\"outputs\":[{\"name\":\"best\"},"
     "{\"name\":\"best\"}]}",
        E2B_INVALID, "requested twice"},
    {"{\"inputs\":[" MASK_JSON "," IMAGE_BINARY "],\"outputs\":[{\"name\":\"best\","
     "\"parameters\":{\"classification\":100000}}]}",
        E2B_INVALID, "classification"},
};

static void test_refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct e2b_error err = {0};
        struct e2b_infer infer;
        print_message("%s\n", refused[i].text);
        assert_fails(parse(refused[i].text, &infer, &err), refused[i].status, refused[i].says, err);
        e2b_infer_finish(&infer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_all),
        cmocka_unit_test(test_outputs_default_to_all),
        cmocka_unit_test(test_fixed_batch),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
