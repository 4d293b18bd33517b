/* Runs in the root of the source tree. E2B_UPDATE=1 writes docs/options.md anew. */
#include "runtime/base/file.h"
#include "runtime/config/config.h"
#include "runtime/config/options.h"
#include "tests/support.h"
#include <stdlib.h>
#include <string.h>

static const char path[] = "docs/options.md";

static void check_mentions(const struct e2b_option *section, const char *text) {
    for (const struct e2b_option *option = section + 1; option->name; option++) {
        if (!strstr(text, option->name) || (option->help && !strstr(text, option->help)))
            fail_msg("%s is not described", option->name);
        if (option->section)
            check_mentions(option->section, text);
    }
}

static void help_tells_every_option(void **state) {
    (void)state;
    struct e2b_text text = {0};
    e2b_config_help(&text);
    assert_non_null(text.data);
    check_mentions(e2b_options, text.data);
    assert_non_null(strstr(text.data, "models[].image: "));
    assert_non_null(strstr(text.data, "  port (0..65535; 8000)\n"));
    assert_non_null(strstr(text.data, "  log_level (error, warn, info, debug; info)\n"));
    e2b_text_finish(&text);
}

static void policies_are_described_too(void **state) {
    (void)state;
    struct e2b_text text = {0};
    e2b_config_help(&text);
    for (const struct e2b_policy_ops *const *at = e2b_policy_all(); *at; at++) {
        assert_non_null(strstr(text.data, (*at)->name));
        assert_non_null(strstr(text.data, (*at)->help));
        for (const struct e2b_policy_option *row = (*at)->options; row && row->name; row++)
            assert_non_null(strstr(text.data, row->help));
    }
    e2b_text_finish(&text);
}

static void document_is_up_to_date(void **state) {
    (void)state;
    struct e2b_text text = {0};
    struct e2b_error err = {0};
    struct e2b_file file;
    e2b_config_document(&text);
    assert_non_null(text.data);
    if (getenv("E2B_UPDATE"))
        assert_ok(e2b_file_replace(path, text.data, text.len, &err), err);
    assert_ok(e2b_file_map(path, &file, &err), err);
    if (file.bytes != text.len || memcmp(file.data, text.data, text.len) != 0)
        fail_msg("%s is out of date: run this test with E2B_UPDATE=1", path);
    e2b_file_unmap(&file);
    e2b_text_finish(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_tells_every_option),
        cmocka_unit_test(policies_are_described_too),
        cmocka_unit_test(document_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
