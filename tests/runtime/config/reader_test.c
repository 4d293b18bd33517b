#include "runtime/config/reader.h"

#include "runtime/base/text.h"
#include "runtime/config/config.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

static enum e2b_status read(const char *text, struct e2b_config *out, struct e2b_error *err) {
    struct e2b_reader reader = {.file = "t.yaml", .folder = "/etc/e2bird", .err = err};
    struct e2b_yaml *root;
    *out = (struct e2b_config){0};
    if (e2b_yaml_parse(text, strlen(text), "t.yaml", &root, err) == E2B_OK)
        e2b_reader_section(&reader, e2b_options, root, out);
    e2b_yaml_destroy(root);
    return err->status;
}

static void refuse(const char *text, const char *message) {
    struct e2b_error err = {0};
    struct e2b_config config;
    assert_fails(read(text, &config, &err), E2B_INVALID, message, err);
    e2b_reader_release(e2b_options, &config);
}

static void path_names_the_option_at_hand(void **state) {
    (void)state;
    struct e2b_reader reader = {0};
    size_t root = e2b_reader_enter(&reader, "models", 0);
    size_t list = e2b_reader_enter(&reader, NULL, 12);
    e2b_reader_enter(&reader, "name", 0);
    assert_string_equal(reader.path, "models[12].name");
    e2b_reader_leave(&reader, list);
    assert_string_equal(reader.path, "models");
    e2b_reader_leave(&reader, root);
    assert_string_equal(reader.path, "");
    for (int i = 0; i < 100; i++)
        e2b_reader_enter(&reader, "a_name_that_is_long", 0);
    assert_true(strlen(reader.path) < sizeof reader.path);
}

/* What else the section that `outer` holds must have. */
static void add_required(struct e2b_text *out, const char *outer, const char *name) {
    if (strcmp(outer, "models") == 0 && strcmp(name, "name") != 0)
        e2b_text_add(out, "name: m, ");
    if (strcmp(outer, "models") == 0 && strcmp(name, "path") != 0)
        e2b_text_add(out, "path: p, ");
    if (strcmp(outer, "image") == 0 && strcmp(name, "input") != 0)
        e2b_text_add(out, "input: x, ");
}

/* "a: {b: {c: value}}" for an option, a list item for models. */
static void wrap(struct e2b_text *out, const char *const *names, int count, const char *value) {
    for (int i = 0; i < count; i++) {
        if (i > 0) {
            e2b_text_add(out, strcmp(names[i - 1], "models") == 0 ? "[{" : "{");
            add_required(out, names[i - 1], names[i]);
        }
        e2b_text_add(out, "%s: ", names[i]);
    }
    e2b_text_add(out, "%s", value);
    for (int i = count - 2; i >= 0; i--)
        e2b_text_add(out, strcmp(names[i], "models") == 0 ? "}]" : "}");
    if (strcmp(names[0], "models") != 0)
        e2b_text_add(out, "\nmodels: [{name: m, path: p}]");
}

static void expect(const char *const *names, int count, const char *value, const char *message) {
    struct e2b_text text = {0};
    struct e2b_error err = {0};
    struct e2b_config config;
    wrap(&text, names, count, value);
    enum e2b_status status = read(text.data, &config, &err);
    if (message ? status != E2B_INVALID || !strstr(err.text, message) : status != E2B_OK)
        fail_msg("%s: \"%s\", not \"%s\"", text.data, err.text, message ? message : "ok");
    e2b_reader_release(e2b_options, &config);
    e2b_text_finish(&text);
}

static void expect_number(const char *const *names, int count, double value, const char *message) {
    char text[64];
    snprintf(text, sizeof text, "%.12g", value);
    expect(names, count, text, message);
}

static void check_option(const struct e2b_option *option, const char *const *names, int count) {
    bool text = option->kind == E2B_OPTION_TEXT || option->kind == E2B_OPTION_PATH;
    bool list = option->kind == E2B_OPTION_INTEGERS || option->kind == E2B_OPTION_NUMBERS;
    expect(names, count, "{a: 1}", text ? "one value is expected" : "is a mapping");
    if (option->kind == E2B_OPTION_SETTINGS)
        return;
    expect(names, count, "~", "has no value");
    if (!list)
        expect(names, count, "[1, 2]", "is a list where one value is expected");
    if (text) {
        expect(names, count, "\"some text\"", NULL);
        return;
    }
    expect(names, count, "nonsense",
        option->kind == E2B_OPTION_CHOICE ? "\"nonsense\" is not one of" : "is not a");
    if (option->kind == E2B_OPTION_CHOICE)
        return;
    expect(names, count, "\"1\"", "\"1\" is not a");
    expect(names, count, "0x10", "\"0x10\" is not a");
    expect(names, count, ".inf", "\".inf\" is not a");
    expect_number(names, count, option->min, NULL);
    expect_number(names, count, option->max, NULL);
    expect_number(names, count, option->min - 1, "is outside");
    expect_number(names, count, option->max + 1, "is outside");
    expect(names, count, "99999999999999999999999999", "is outside");
    if (list) {
        expect(names, count, "[]", "has 0 values; it takes 1..");
        expect(names, count, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "has 17 values");
        expect(names, count, "[1, x]", "[1]: \"x\" is not a");
    }
}

static void check_section(const struct e2b_option *section, const char **names, int count) {
    for (const struct e2b_option *option = section + 1; option->name; option++) {
        names[count] = option->name;
        if (option->section)
            check_section(option->section, names, count + 1);
        else if (option->kind != E2B_OPTION_SETTINGS)
            check_option(option, names, count + 1);
    }
}

static void every_option_keeps_its_kind_and_bounds(void **state) {
    (void)state;
    const char *names[8];
    check_section(e2b_options, names, 0);
}

static void values_reach_their_fields(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_config config;
    assert_ok(read("server: {address: \"::1\", port: 9000, log_level: debug}\n"
                   "models:\n"
                   "- {name: a, path: a.onnx, batch_sizes: [1, 3], weight: 2.5}\n"
                   "- name: b\n"
                   "  path: /models/b.onnx\n"
                   "  image: {input: x, mean: [1, 2, 3], resize_px: 32}\n",
                  &config, &err),
        err);
    assert_string_equal(config.server.address, "::1");
    assert_int_equal(config.server.port, 9000);
    assert_int_equal(config.server.log_level, E2B_LOG_DEBUG);
    assert_int_equal(config.models_count, 2);
    assert_string_equal(config.models[0].path, "/etc/e2bird/a.onnx");
    assert_int_equal(config.models[0].batch_sizes_count, 2);
    assert_int_equal(config.models[0].batch_sizes[1], 3);
    assert_true(config.models[0].weight == 2.5);
    assert_string_equal(config.models[0].image.input, "");
    assert_string_equal(config.models[1].path, "/models/b.onnx");
    assert_string_equal(config.models[1].image.input, "x");
    assert_true(config.models[1].image.mean[2] == 3);
    assert_int_equal(config.models[1].image.resize_px, 32);
    e2b_reader_release(e2b_options, &config);
}

static void absent_options_have_their_defaults(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_config config;
    assert_ok(read("server:\nmodels: [{name: a, path: p}]", &config, &err), err);
    assert_string_equal(config.server.address, "127.0.0.1");
    assert_int_equal(config.server.port, 8000);
    assert_string_equal(config.device.select, "auto");
    assert_string_equal(config.device.cache_folder, "");
    assert_int_equal(config.models[0].batch_sizes_count, 6);
    assert_int_equal(config.models[0].batch_sizes[5], 32);
    assert_true(config.models[0].percentile == 99);
    assert_string_equal(config.models[0].labels, "");
    e2b_reader_release(e2b_options, &config);
}

static void wrong_structure_is_named(void **state) {
    (void)state;
    refuse("models:\n- name: a\n  path: p\n  batchsizes: [1]\n",
        "t.yaml:4:3: models[0].batchsizes: unknown key; did you mean \"batch_sizes\"?");
    refuse("zebra: 1\nmodels: []\n", "t.yaml:1:1: zebra: unknown key; \"server\" is one");
    refuse("server: {port: 1}\n", "t.yaml:1:1: models: is missing and has no default");
    refuse("models:\n- name: a\n", "t.yaml:2:3: models[0].path: is missing");
    refuse("models:\n- {name: a, path: p, image: }\n", "models[0].image.input: is missing");
    refuse("models: {}\n", "t.yaml:1:9: models: is not a list");
    refuse("models: []\n", "models: has 0 items; it takes 1..64");
    refuse("models: [x]\n", "models[0]: is not a mapping; it has keys as \"name:\"");
    refuse("server: [1]\n", "t.yaml:1:9: server: is not a mapping; it has keys as \"address:\"");
    refuse("- 1\n", "t.yaml:1:1: is not a mapping; it has keys as \"server:\"");
    refuse("server: {port: 70000}\n", "t.yaml:1:16: server.port: 70000 is outside 0..65535");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_names_the_option_at_hand),
        cmocka_unit_test(every_option_keeps_its_kind_and_bounds),
        cmocka_unit_test(values_reach_their_fields),
        cmocka_unit_test(absent_options_have_their_defaults),
        cmocka_unit_test(wrong_structure_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
