#include "tools/lab/workers.h"

#include "tests/support.h"
#include <signal.h>
#include <unistd.h>

enum { PIECES = 9 };

static enum e2b_status square(void *context, int piece, struct e2b_error *err) {
    (void)err;
    ((int *)context)[piece] = piece * piece;
    return E2B_OK;
}

static void every_piece_is_done_once(void **state) {
    (void)state;
    struct e2b_error err = {0};
    int *found = e2b_lab_shared_create(PIECES * sizeof *found);
    assert_non_null(found);
    assert_ok(e2b_lab_workers_run(PIECES, square, found, &err), err);
    for (int i = 0; i < PIECES; i++)
        assert_int_equal(found[i], i * i);
    assert_ok(e2b_lab_workers_run(0, square, found, &err), err);
    e2b_lab_shared_destroy(found, PIECES * sizeof *found);
}

static enum e2b_status fail_late(void *context, int piece, struct e2b_error *err) {
    (void)context;
    return piece < 3 ? E2B_OK : e2b_fail(err, E2B_INVALID, "piece %d", piece);
}

static enum e2b_status die(void *context, int piece, struct e2b_error *err) {
    (void)context;
    (void)err;
    if (piece == 2)
        kill(getpid(), SIGKILL);
    return E2B_OK;
}

static void failures_are_told(void **state) {
    (void)state;
    struct e2b_error err = {0}, other = {0};
    assert_int_equal(e2b_lab_workers_run(PIECES, fail_late, NULL, &err), E2B_INVALID);
    assert_string_equal(err.text, "piece 3");
    assert_int_equal(e2b_lab_workers_run(PIECES, die, NULL, &other), E2B_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once),
        cmocka_unit_test(failures_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
