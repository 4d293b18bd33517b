#include "runtime/config/options.h"

#include "runtime/config/config.h"
#include "tests/support.h"
#include <ctype.h>
#include <string.h>

static void choice_is_found_by_its_whole_word(void **state) {
    (void)state;
    assert_int_equal(e2b_option_choice("a|bc|d", "a"), 0);
    assert_int_equal(e2b_option_choice("a|bc|d", "bc"), 1);
    assert_int_equal(e2b_option_choice("a|bc|d", "d"), 2);
    assert_int_equal(e2b_option_choice("a|bc|d", "b"), -1);
    assert_int_equal(e2b_option_choice("a|bc|d", ""), -1);
    assert_int_equal(e2b_option_choice("a|bc|d", "a|bc"), -1);
}

static const struct e2b_option *find(const struct e2b_option *section, const char *name) {
    for (const struct e2b_option *option = section + 1; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    fail_msg("no option \"%s\"", name);
    return NULL;
}

/* The enums of config.h and log.h are indices into the choices. */
static void choices_agree_with_enums(void **state) {
    (void)state;
    const struct e2b_option *server = find(e2b_options, "server")->section;
    const struct e2b_option *model = find(e2b_options, "models")->section;
    const char *levels = find(server, "log_level")->choices;
    assert_int_equal(e2b_option_choice(levels, "error"), E2B_LOG_ERROR);
    assert_int_equal(e2b_option_choice(levels, "warn"), E2B_LOG_WARN);
    assert_int_equal(e2b_option_choice(levels, "info"), E2B_LOG_INFO);
    assert_int_equal(e2b_option_choice(levels, "debug"), E2B_LOG_DEBUG);
    const char *precisions = find(model, "precision")->choices;
    assert_int_equal(e2b_option_choice(precisions, "fp32"), E2B_PRECISION_FP32);
    assert_int_equal(e2b_option_choice(precisions, "fp16"), E2B_PRECISION_FP16);
}

static void check_section(const struct e2b_option *section) {
    assert_int_equal(section->kind, E2B_OPTION_SECTION);
    assert_true(section->help[0]);
    for (const struct e2b_option *option = section + 1; option->name; option++) {
        for (const char *at = option->name; *at; at++)
            assert_true(islower((unsigned char)*at) || *at == '_');
        assert_true(option->offset < section->bytes);
        if (option->section)
            check_section(option->section);
        else if (strlen(option->help) < 8)
            fail_msg("%s has no help", option->name);
        assert_true(option->min <= option->max);
    }
}

static void every_option_is_documented(void **state) {
    (void)state;
    check_section(e2b_options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choice_is_found_by_its_whole_word),
        cmocka_unit_test(choices_agree_with_enums),
        cmocka_unit_test(every_option_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
