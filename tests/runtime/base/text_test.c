#include "runtime/base/text.h"

#include "tests/support.h"
#include <string.h>

static void text_grows(void **state) {
    (void)state;
    struct e2b_text text = {0};
    for (int i = 0; i < 1000; i++)
        e2b_text_add(&text, "%d,", i % 10);
    e2b_text_add_bytes(&text, "a\0b", 3);
    e2b_text_add_bytes(&text, NULL, 0);
    assert_int_equal(text.len, 2003);
    assert_memory_equal(text.data, "0,1,2,", 6);
    assert_memory_equal(text.data + 2000, "a\0b\0", 4);
    e2b_text_finish(&text);
    assert_null(text.data);
    assert_int_equal(text.len, 0);
}

static void nothing_added_still_ends_the_text(void **state) {
    (void)state;
    struct e2b_text text = {0};
    e2b_text_add(&text, "%s", "");
    assert_string_equal(text.data, "");
    e2b_text_finish(&text);
}

static void failure_to_grow_is_remembered(void **state) {
    (void)state;
    struct e2b_text text = {0};
    e2b_text_add(&text, "x");
    e2b_text_add_bytes(&text, "y", SIZE_MAX - 1);
    assert_true(text.failed);
    assert_null(text.data);
    e2b_text_add(&text, "more");
    assert_null(text.data);
    assert_true(text.failed);
    e2b_text_finish(&text);
    assert_false(text.failed);
}

static void nearest_word_is_near(void **state) {
    (void)state;
    static const char *const names[] = {"port", "batch_sizes", "threads", "log_level", NULL};
    static const char *const none[] = {NULL};
    assert_string_equal(e2b_text_nearest("batchsizes", names), "batch_sizes");
    assert_string_equal(e2b_text_nearest("prot", names), "port");
    assert_string_equal(e2b_text_nearest("PORT", names), "port");
    assert_string_equal(e2b_text_nearest("thread", names), "threads");
    assert_string_equal(e2b_text_nearest("loglevel", names), "log_level");
    assert_null(e2b_text_nearest("zebra", names));
    assert_null(e2b_text_nearest("", names));
    assert_null(e2b_text_nearest("port", none));
    char endless[500];
    memset(endless, 'p', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(e2b_text_nearest(endless, names));
}

/* Values of the FNV-1a reference. */
static void hash_is_fnv1a(void **state) {
    (void)state;
    assert_true(e2b_hash(E2B_HASH_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(e2b_hash(E2B_HASH_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(e2b_hash(E2B_HASH_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    uint64_t chained = e2b_hash(e2b_hash(E2B_HASH_START, "foo", 3), "bar", 3);
    assert_true(chained == UINT64_C(0x85944171f73967e8));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows),
        cmocka_unit_test(nothing_added_still_ends_the_text),
        cmocka_unit_test(failure_to_grow_is_remembered),
        cmocka_unit_test(nearest_word_is_near),
        cmocka_unit_test(hash_is_fnv1a),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
