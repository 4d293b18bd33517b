#include "runtime/config/config.h"

#include "runtime/base/file.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum e2b_status parse(const char *text, struct e2b_config **out, struct e2b_error *err) {
    return e2b_config_parse(text, strlen(text), "t.yaml", "/etc/e2bird", out, err);
}

static void refuse(const char *text, const char *message) {
    struct e2b_error err = {0};
    struct e2b_config *config;
    assert_fails(parse(text, &config, &err), E2B_INVALID, message, err);
    assert_null(config);
}

/* A model with one more line. */
static void refuse_model(const char *line, const char *message) {
    char text[512];
    snprintf(text, sizeof text, "models:\n- name: a\n  path: p\n  %s\n", line);
    refuse(text, message);
}

static void one_value_serves_every_size_and_channel(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_config *config;
    assert_ok(parse("models:\n"
                    "- {name: a, path: p, batch_sizes: [1, 4, 8], instances: 2,\n"
                    "   image: {input: x, mean: 127, std: [1, 2, 3]}}\n"
                    "- {name: b, path: p, batch_sizes: 8, instances: [3]}\n",
                  &config, &err),
        err);
    const struct e2b_config_model *a = &config->models[0], *b = &config->models[1];
    assert_int_equal(a->instances_count, 3);
    assert_int_equal(a->instances[2], 2);
    assert_true(a->image.mean[0] == 127 && a->image.mean[2] == 127);
    assert_true(a->image.std[0] == 1 && a->image.std[2] == 3);
    assert_int_equal(b->batch_sizes_count, 1);
    assert_int_equal(b->batch_sizes[0], 8);
    assert_int_equal(b->instances[0], 3);
    assert_true(b->image.std[2] == 1);
    e2b_config_destroy(config);
    e2b_config_destroy(NULL);
}

static void relations_are_checked(void **state) {
    (void)state;
    refuse("models:\n- {name: a, path: p}\n- name: a\n  path: q\n",
        "t.yaml:3:9: models[1].name: \"a\" is the name of models[0] already");
    refuse("models:\n- {name: a b, path: p}\n",
        "models[0].name: \"a b\" is not 1..128 of letters, digits, \".\", \"_\" and \"-\"");
    refuse("models:\n- {name: \"\", path: p}\n", "models[0].name: \"\" is not 1..128");
    refuse_model(
        "batch_sizes: [1, 4, 4]", "4:16: models[0].batch_sizes: is not ascending: 4 after 4");
    refuse_model("batch_sizes: [1, 65]", "models[0].batch_sizes: 65 is more than slots, 64");
    refuse_model("slots: 31", "t.yaml:2:3: models[0].batch_sizes: 32 is more than slots, 31");
    refuse_model("instances: [1, 2]", "instances: has 2 values for 6 batch sizes; give one");
    refuse_model("image: {input: x, mean: [1, 2]}", "models[0].image.mean: has 2 values; give one");
    refuse_model("image: {input: x, std: [1, 2]}", "models[0].image.std: has 2 values; give one");
}

static void emptiness_is_an_error_that_says_what_is_needed(void **state) {
    (void)state;
    refuse("", "t.yaml:1:1: is empty");
    refuse("# nothing\n", "t.yaml:1:1: is empty");
    refuse("---\n", "is empty; it needs \"models\"");
    refuse("{}", "models: is missing");
}

static const struct e2b_policy_ops *policy_with_options(bool wanted) {
    for (const struct e2b_policy_ops *const *at = e2b_policy_all(); *at; at++)
        if (((*at)->options && (*at)->options[0].name) == wanted)
            return *at;
    return NULL;
}

static void with_scheduler(
    char *out, size_t capacity, const char *policy, const char *name, long long value) {
    snprintf(out, capacity,
        "scheduler: {policy: %s, options: {%s: %lld}}\nmodels: [{name: a, path: p}]\n", policy,
        name, value);
}

static void policy_options_are_those_of_the_policy(void **state) {
    (void)state;
    const struct e2b_policy_ops *policy = policy_with_options(true);
    if (!policy)
        e2b_skip("no scheduling policy has options");
    const struct e2b_policy_option *option = policy->options;
    struct e2b_error err = {0};
    struct e2b_config *config;
    char text[512];
    with_scheduler(text, sizeof text, policy->name, option->name, option->max);
    assert_ok(parse(text, &config, &err), err);
    assert_true(config->scheduler.options.values[0] == option->max);
    for (int i = 1; i < config->scheduler.options.count; i++)
        assert_true(config->scheduler.options.values[i] == option[i].fallback);
    assert_null(option[config->scheduler.options.count].name);
    e2b_config_destroy(config);

    char message[200];
    with_scheduler(text, sizeof text, policy->name, option->name, option->min - 1);
    snprintf(message, sizeof message, "scheduler.options.%s: %lld is outside", option->name,
        (long long)option->min - 1);
    refuse(text, message);
    with_scheduler(text, sizeof text, policy->name, "zebra_crossing", 1);
    refuse(text, "scheduler.options.zebra_crossing: unknown key");
}

static void policy_is_found_by_name(void **state) {
    (void)state;
    const struct e2b_policy_ops *policy = e2b_policy_all()[0];
    char text[512], message[200];
    snprintf(text, sizeof text, "scheduler:\n  policy: %sx\nmodels: [{name: a, path: p}]\n",
        policy->name);
    snprintf(message, sizeof message,
        "t.yaml:2:11: scheduler.policy: unknown policy \"%sx\"; did you mean \"%s\"", policy->name,
        policy->name);
    refuse(text, message);
    refuse("scheduler: {policy: qqqqqqqqqqqq}\nmodels: [{name: a, path: p}]\n",
        "unknown policy \"qqqqqqqqqqqq\"; there is \"");
    refuse("scheduler: {options: 3}\nmodels: [{name: a, path: p}]\n",
        "scheduler.options: is not a mapping of names to integers");
}

static void error_is_one_line_whatever_the_file_holds(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_config *config;
    assert_int_equal(parse("server: {\"po\\nrt\": 1}", &config, &err), E2B_INVALID);
    assert_null(strchr(err.text, '\n'));
    assert_non_null(strstr(err.text, "server.po rt: unknown key; did you mean \"port\"?"));

    err = (struct e2b_error){0};
    char name[1000];
    memset(name, 'd', sizeof name);
    strcpy(name + sizeof name - 8, "/x.yaml");
    assert_int_equal(e2b_config_parse("a: 1", 4, name, "", &config, &err), E2B_INVALID);
    assert_non_null(strstr(err.text, "/x.yaml:1:1: a: unknown key"));
}

static void file_is_found_and_paths_are_beside_it(void **state) {
    (void)state;
    static const char text[] = "models: [{name: a, path: ../m.onnx, labels: /l.txt}]\n";
    char folder[] = "/tmp/e2b_config_XXXXXX", path[64], expected[64];
    struct e2b_error err = {0};
    struct e2b_config *config;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/e2bird.yaml", folder);
    snprintf(expected, sizeof expected, "%s/../m.onnx", folder);
    assert_fails(e2b_config_load(path, &config, &err), E2B_NOT_FOUND, path, err);
    assert_ok(e2b_file_replace(path, text, sizeof text - 1, &err), err);
    assert_ok(e2b_config_load(path, &config, &err), err);
    assert_string_equal(config->models[0].path, expected);
    assert_string_equal(config->models[0].labels, "/l.txt");
    e2b_config_destroy(config);
    assert_ok(e2b_file_replace(path, "", 0, &err), err);
    assert_fails(e2b_config_load(path, &config, &err), E2B_INVALID, "is empty", err);
    assert_fails(e2b_config_load(folder, &config, &err), E2B_INVALID, "not a regular file", err);
    unlink(path);
    rmdir(folder);
}

/* Damaged copies of a good file are refused or read, and nothing else happens. */
static void damaged_text_does_no_harm(void **state) {
    (void)state;
    static const char good[] = "server: {port: 80, log_level: warn}\n"
                               "models:\n"
                               "- name: a\n"
                               "  path: \"p\"\n"
                               "  batch_sizes: [1, 2]\n"
                               "  image: {input: x, mean: [1, 2, 3]}\n";
    static const char bytes[] = "\0\n\t :,-[]{}#&*!|>'\"%@`~9a\\\xff\xc3";
    char text[sizeof good];
    for (size_t at = 0; at < sizeof good - 1; at++)
        for (size_t b = 0; b <= sizeof bytes - 1; b++) {
            memcpy(text, good, sizeof good);
            if (b < sizeof bytes - 1)
                text[at] = bytes[b];
            struct e2b_error err = {0};
            struct e2b_config *config;
            size_t len = b < sizeof bytes - 1 ? sizeof good - 1 : at;
            enum e2b_status status = e2b_config_parse(text, len, "t.yaml", "", &config, &err);
            assert_true(status == E2B_OK ? config != NULL : config == NULL && err.text[0]);
            assert_null(strchr(err.text, '\n'));
            e2b_config_destroy(config);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_value_serves_every_size_and_channel),
        cmocka_unit_test(relations_are_checked),
        cmocka_unit_test(emptiness_is_an_error_that_says_what_is_needed),
        cmocka_unit_test(policy_options_are_those_of_the_policy),
        cmocka_unit_test(policy_is_found_by_name),
        cmocka_unit_test(error_is_one_line_whatever_the_file_holds),
        cmocka_unit_test(file_is_found_and_paths_are_beside_it),
        cmocka_unit_test(damaged_text_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
