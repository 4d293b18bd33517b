#include "runtime/base/status.h"

#include "tests/support.h"
#include <string.h>

static void table_gives_names_and_codes(void **state) {
    (void)state;
    assert_string_equal(e2b_status_name(E2B_OK), "OK");
    assert_string_equal(e2b_status_name(E2B_NO_MEMORY), "NO_MEMORY");
    assert_string_equal(e2b_status_text(E2B_BUSY), "busy");
    assert_int_equal(e2b_status_http(E2B_NOT_FOUND), 404);
    assert_int_equal(e2b_status_grpc(E2B_NOT_FOUND), 5);
    for (int status = 0; status < E2B_STATUS_COUNT; status++) {
        assert_true(e2b_status_text(status)[0] != '\0');
        assert_in_range(e2b_status_http(status), 200, 599);
        assert_in_range(e2b_status_grpc(status), 0, 16);
        assert_int_equal(e2b_status_http(status) == 200, status == E2B_OK);
    }
}

static void first_cause_is_kept(void **state) {
    (void)state;
    struct e2b_error err = {0};
    assert_int_equal(e2b_fail_code(&err, E2B_DEVICE, -5, "buffer %d", 7), E2B_DEVICE);
    assert_int_equal(e2b_fail(&err, E2B_INVALID, "later"), E2B_DEVICE);
    assert_int_equal(err.code, -5);
    assert_string_equal(err.text, "buffer 7");
    assert_non_null(strstr(err.where, "status_test.c:"));
    assert_int_equal(e2b_error_while(&err, "loading %s", "m"), E2B_DEVICE);
    assert_string_equal(err.text, "buffer 7: while loading m");
    e2b_error_clear(&err);
    assert_int_equal(err.status, E2B_OK);
    assert_int_equal(e2b_fail_memory(&err, "slots"), E2B_NO_MEMORY);
    assert_string_equal(err.text, "no memory for slots");
}

static void error_may_be_absent(void **state) {
    (void)state;
    assert_int_equal(e2b_error_set(NULL, E2B_IO, 0, E2B_HERE, "x"), E2B_IO);
    assert_int_equal(e2b_error_while(NULL, "x"), E2B_INTERNAL);
}

static void long_texts_are_cut(void **state) {
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct e2b_error err = {0};
    e2b_fail(&err, E2B_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    e2b_error_while(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);

    struct e2b_error nearly = {.status = E2B_INVALID};
    memset(nearly.text, 'y', sizeof nearly.text - 5);
    e2b_error_while(&nearly, "reading");
    assert_int_equal(strlen(nearly.text), sizeof nearly.text - 1);
    assert_non_null(strstr(nearly.text, "y: wh"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_gives_names_and_codes),
        cmocka_unit_test(first_cause_is_kept),
        cmocka_unit_test(error_may_be_absent),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
