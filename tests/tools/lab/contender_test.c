#include "tools/lab/contender.h"

#include "tests/support.h"

#include <string.h>

static void options_are_set_by_name(void **state) {
    (void)state;
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    assert_ok(
        e2b_lab_contender_parse("tfserving:num_batch_threads=2,max_batch_size=8", &contender, &err),
        err);
    assert_string_equal(contender.ops->name, "tfserving");
    for (int i = 0; contender.ops->options[i].name; i++) {
        const struct e2b_policy_option *option = &contender.ops->options[i];
        int64_t expected = !strcmp(option->name, "num_batch_threads") ? 2
            : !strcmp(option->name, "max_batch_size")                 ? 8
                                                                      : option->fallback;
        assert_int_equal(contender.values[i], expected);
    }
    e2b_lab_contender_rename(&contender);
    assert_string_equal(contender.name, "tfserving:max_batch_size=8,num_batch_threads=2");
}

static void inputs_may_be_gathered(void **state) {
    (void)state;
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    assert_ok(e2b_lab_contender_parse("gather/tfserving:max_batch_size=8", &contender, &err), err);
    assert_string_equal(contender.ops->name, "tfserving");
    assert_true(contender.gather);
    e2b_lab_contender_rename(&contender);
    assert_string_equal(contender.name, "gather/tfserving:max_batch_size=8");
    assert_ok(e2b_lab_contender_parse("tfserving", &contender, &err), err);
    assert_false(contender.gather);
}

static void every_policy_has_a_name_that_parses(void **state) {
    (void)state;
    for (const struct e2b_policy_ops *const *ops = e2b_policy_all(); *ops; ops++) {
        struct e2b_lab_contender contender;
        struct e2b_error err = {0};
        assert_ok(e2b_lab_contender_parse((*ops)->name, &contender, &err), err);
        e2b_lab_contender_rename(&contender);
        assert_string_equal(contender.name, (*ops)->name);
    }
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    assert_fails(e2b_lab_contender_parse("fifo", &contender, &err), E2B_INVALID, "elastic", err);
    assert_fails(e2b_lab_contender_parse("tfserving:batch=3", &contender, &err), E2B_INVALID,
        "max_batch_size", err);
    assert_fails(e2b_lab_contender_parse("tfserving:num_batch_threads=0", &contender, &err),
        E2B_INVALID, "1..", err);
    assert_fails(e2b_lab_contender_parse("tfserving:num_batch_threads", &contender, &err),
        E2B_INVALID, "option=value", err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_set_by_name),
        cmocka_unit_test(inputs_may_be_gathered),
        cmocka_unit_test(every_policy_has_a_name_that_parses),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
