#include "runtime/server/describe.h"

#include "tests/runtime/server/fixture.h"
#include <jansson.h>

static json_t *parse(struct e2b_text *text) {
    json_t *root = json_loadb(text->data, text->len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    e2b_text_finish(text);
    return root;
}

static const char *string(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static void test_server(void **state) {
    (void)state;
    struct e2b_text out = {0};
    e2b_describe_server(&out);
    json_t *root = parse(&out);
    assert_string_equal(string(root, "name"), "e2bird");
    assert_true(json_is_string(json_object_get(root, "version")));
    assert_true(json_array_size(json_object_get(root, "extensions")) >= 4);
    json_decref(root);
}

static void test_model(void **state) {
    (void)state;
    struct e2b_text out = {0};
    e2b_describe_model(&out, &fixture);
    json_t *root = parse(&out), *input = json_array_get(json_object_get(root, "inputs"), 0);
    assert_string_equal(string(root, "name"), "net");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(root, "versions"), 0)), "1");
    assert_string_equal(string(input, "name"), "image");
    assert_string_equal(string(input, "datatype"), "FP32");
    const json_t *shape = json_object_get(input, "shape");
    assert_int_equal(json_array_size(shape), 3);
    assert_int_equal(json_integer_value(json_array_get(shape, 0)), -1);
    assert_int_equal(json_integer_value(json_array_get(shape, 2)), 3);
    assert_int_equal(json_array_size(json_object_get(root, "outputs")), 2);
    json_decref(root);
}

static void test_config(void **state) {
    (void)state;
    const int sizes[] = {1, 4};
    struct e2b_text out = {0};
    e2b_describe_config(&out, &fixture, sizes, 2);
    json_t *root = parse(&out), *input = json_array_get(json_object_get(root, "input"), 1);
    assert_int_equal(json_integer_value(json_object_get(root, "max_batch_size")), 4);
    assert_string_equal(string(input, "data_type"), "TYPE_UINT8");
    assert_int_equal(json_array_size(json_object_get(input, "dims")), 1); /* without the batch */
    const json_t *batching = json_object_get(root, "dynamic_batching");
    assert_int_equal(json_array_size(json_object_get(batching, "preferred_batch_size")), 2);
    json_decref(root);
}

static void test_config_of_fixed_batch(void **state) {
    (void)state;
    struct e2b_signature fixed = fixture;
    struct e2b_text out = {0};
    fixed.max_batch = 0;
    e2b_describe_config(&out, &fixed, NULL, 0);
    json_t *root = parse(&out), *input = json_array_get(json_object_get(root, "input"), 1);
    assert_int_equal(json_integer_value(json_object_get(root, "max_batch_size")), 0);
    assert_int_equal(json_array_size(json_object_get(input, "dims")), 2);
    assert_null(json_object_get(root, "dynamic_batching"));
    json_decref(root);
}

static void test_index_row(void **state) {
    (void)state;
    struct e2b_text out = {0};
    e2b_describe_index_row(&out, &fixture, true);
    json_t *root = parse(&out);
    assert_string_equal(string(root, "state"), "READY");
    json_decref(root);
    e2b_describe_index_row(&out, &fixture, false);
    root = parse(&out);
    assert_string_equal(string(root, "state"), "UNAVAILABLE");
    assert_non_null(string(root, "reason"));
    json_decref(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server),
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_config_of_fixed_batch),
        cmocka_unit_test(test_index_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
