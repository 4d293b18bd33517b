#include "tools/lab/results.h"

#include "runtime/base/file.h"
#include "runtime/base/text.h"
#include "tests/support.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int columns_of(const char *line) {
    int columns = 1;
    bool quoted = false;
    for (; *line && *line != '\n'; line++) {
        quoted = quoted != (*line == '"');
        columns += *line == ',' && !quoted;
    }
    return columns;
}

/* Options hold commas: the columns of each line are still those of the header. */
static void lines_have_the_columns_of_the_header(void **state) {
    (void)state;
    char folder[] = "/tmp/e2b-results-XXXXXX", path[64];
    struct e2b_lab_results *results = NULL;
    struct e2b_lab_outcome outcome = {.all = {.sent = 10, .right = 9}};
    const struct e2b_lab_label label = {
        "a+b", "gamma:4", "p:x=1,y=2", "tuned", "p:x=3,y=4", 80, 0, UINT64_C(18446744073709551615)};
    struct e2b_error err = {0};
    assert_non_null(mkdtemp(folder));
    assert_ok(e2b_lab_results_create(folder, &results, &err), err);
    assert_int_equal(e2b_lab_results_count(results), 0);
    e2b_lab_results_add(results, &label, &outcome);
    e2b_lab_results_add_model(results, "a", 5000000, &outcome.all);
    e2b_lab_results_add_peak(results, &label, &outcome);
    e2b_lab_results_add_bound(results, &label, &(struct e2b_lab_bound){.sent_per_s = 1});
    assert_int_equal(e2b_lab_results_count(results), 1);
    assert_ok(e2b_lab_results_close(results, &err), err);
    const char *const names[] = {
        "runs.csv", "peaks.csv", "quantiles.csv", "models.csv", "bounds.csv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct e2b_file file;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_ok(e2b_file_map(path, &file, &err), err);
        char *text = strndup((const char *)file.data, file.bytes);
        char *second = strchr(text, '\n') + 1;
        assert_true(*second != 0);
        assert_int_equal(columns_of(text), columns_of(second));
        free(text);
        e2b_file_unmap(&file);
        unlink(path);
    }
    rmdir(folder);
}

static void strings_are_escaped(void **state) {
    (void)state;
    struct e2b_text text = {0};
    e2b_lab_json_string(&text, "a\"b\\c\n");
    assert_string_equal(text.data, "\"a\\\"b\\\\c\\u000a\"");
    e2b_text_finish(&text);
}

static void a_folder_that_cannot_be_is_named(void **state) {
    (void)state;
    struct e2b_lab_results *results = NULL;
    struct e2b_error err = {0};
    assert_true(e2b_lab_results_create("/proc/nowhere", &results, &err) != E2B_OK);
    assert_non_null(strstr(err.text, "/proc/nowhere"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_the_columns_of_the_header),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(a_folder_that_cannot_be_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
