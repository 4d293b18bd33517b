#include "runtime/model/names.h"
#include "tests/support.h"

#include <string.h>

static void finds_what_was_added(void **state) {
    (void)state;
    static char keys[2000][16];
    struct e2b_names names = {0};
    struct e2b_error err = {0};
    assert_int_equal(e2b_names_find(&names, "k0"), -1);
    for (int i = 0; i < 2000; i++) {
        snprintf(keys[i], sizeof keys[i], "k%d", i);
        assert_ok(e2b_names_add(&names, keys[i], i, &err), err);
    }
    for (int i = 0; i < 2000; i++)
        assert_int_equal(e2b_names_find(&names, keys[i]), i);
    assert_int_equal(e2b_names_find(&names, "k2000"), -1);
    assert_int_equal(e2b_names_find(&names, ""), -1);
    e2b_names_finish(&names);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_what_was_added)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
