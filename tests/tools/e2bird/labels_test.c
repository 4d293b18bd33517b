#include "tests/support.h"
#include "tools/e2bird/labels.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_text(const char *text, size_t bytes, struct labels *out, struct e2b_error *err) {
    char path[] = "/tmp/e2bird-labels-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, bytes), bytes);
    close(fd);
    labels_read(path, out, err);
    unlink(path);
}

static void each_line_is_a_name(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct labels labels;
    read_text("cat\nbig dog\r\n\nlast", 18, &labels, &err);
    assert_int_equal(err.status, E2B_OK);
    assert_int_equal(labels.count, 4);
    assert_string_equal(labels.names[0], "cat");
    assert_string_equal(labels.names[1], "big dog");
    assert_string_equal(labels.names[2], "");
    assert_string_equal(labels.names[3], "last");
    labels_finish(&labels);
}

static void an_ending_newline_adds_no_name(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct labels labels;
    read_text("a\nb\n", 4, &labels, &err);
    assert_int_equal(labels.count, 2);
    labels_finish(&labels);
    read_text("", 0, &labels, &err);
    assert_int_equal(labels.count, 0);
    labels_finish(&labels);
    assert_ok(labels_read("", &labels, &err), err);
    assert_int_equal(labels.count, 0);
}

static void binary_and_missing_files_are_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct labels labels;
    read_text("a\0b", 3, &labels, &err);
    assert_int_equal(err.status, E2B_INVALID);
    assert_non_null(strstr(err.text, "zero byte"));
    e2b_error_clear(&err);
    assert_int_equal(labels_read("/nowhere/labels.txt", &labels, &err), E2B_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_is_a_name),
        cmocka_unit_test(an_ending_newline_adds_no_name),
        cmocka_unit_test(binary_and_missing_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
