#include "tests/support.h"
#include "tools/e2bird/args.h"

#include <string.h>

struct parsed {
    const char *model, *device;
    struct arg_list inputs;
    struct arg_ints batches;
    int seconds;
    double factor;
    bool explain, helped;
};

static enum e2b_status parse(
    struct parsed *out, struct e2b_error *err, int argc, const char *const *argv) {
    memset(out, 0, sizeof *out);
    const struct arg args[] = {{"MODEL", NULL, "a model", ARG_TEXT, &out->model, 0, 0},
        {"--device", "D", "a device", ARG_TEXT, &out->device, 0, 0},
        {"--input", "I", "an input", ARG_LIST, &out->inputs, 0, 0},
        {"--batch", "N,N", "sizes", ARG_INTS, &out->batches, 1, 64},
        {"--seconds", "S", "time", ARG_INT, &out->seconds, 1, 10},
        {"--factor", "F", "a number", ARG_NUMBER, &out->factor, 0.25, 1e3},
        {"--explain", NULL, "more", ARG_FLAG, &out->explain, 0, 0}, {0}};
    const struct arg_table table = {"test", "Does nothing.", "  e2bird test x\n", args};
    return args_parse(&table, argc, (char **)argv, &out->helped, err);
}

#define PARSE(out, err, ...)                                                                       \
    parse(out, err, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                        \
        (const char *const[]){__VA_ARGS__})

static void every_kind_is_taken(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct parsed got;
    assert_ok(PARSE(&got, &err, "--device", "gpu", "m.onnx", "--input=a", "--input", "b", "--batch",
                  "1,8,64", "--seconds=3", "--factor", "2.5", "--explain"),
        err);
    assert_string_equal(got.model, "m.onnx");
    assert_string_equal(got.device, "gpu");
    assert_int_equal(got.inputs.count, 2);
    assert_string_equal(got.inputs.items[1], "b");
    assert_int_equal(got.batches.count, 3);
    assert_int_equal(got.batches.items[2], 64);
    assert_int_equal(got.seconds, 3);
    assert_true(got.factor == 2.5);
    assert_true(got.explain);
    assert_false(got.helped);
}

static void mistakes_are_named(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct parsed got;
    assert_fails(
        PARSE(&got, &err, "m", "--devise", "gpu"), E2B_INVALID, "did you mean --device", err);
    assert_fails(PARSE(&got, &err, "m", "--zzzzzz"), E2B_INVALID, "e2bird test --help", err);
    assert_fails(PARSE(&got, &err, "m", "--seconds", "11"), E2B_INVALID, "1..10", err);
    assert_fails(PARSE(&got, &err, "m", "--seconds", "3s"), E2B_INVALID, "3s", err);
    assert_fails(
        PARSE(&got, &err, "m", "--seconds", "99999999999999999999999"), E2B_INVALID, "1..10", err);
    assert_fails(PARSE(&got, &err, "m", "--factor", "0.2"), E2B_INVALID, "0.25..1000", err);
    assert_fails(PARSE(&got, &err, "m", "--factor", "nan"), E2B_INVALID, "not a number", err);
    assert_fails(PARSE(&got, &err, "m", "--batch", "1,,2"), E2B_INVALID, "--batch", err);
    assert_fails(PARSE(&got, &err, "m", "--batch", "1,65"), E2B_INVALID, "\"65\"", err);
    assert_fails(PARSE(&got, &err, "m", "--device"), E2B_INVALID, "needs a value", err);
    assert_fails(PARSE(&got, &err, "m", "--explain=yes"), E2B_INVALID, "no value", err);
    assert_fails(PARSE(&got, &err, "m", "n"), E2B_INVALID, "one argument too many", err);
    assert_fails(PARSE(&got, &err, "--explain"), E2B_INVALID, "MODEL is missing", err);
}

static void help_ends_parsing(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct parsed got;
    assert_ok(PARSE(&got, &err, "--nonsense", "--help"), err);
    assert_true(got.helped);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_taken),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(help_ends_parsing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
