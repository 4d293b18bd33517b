#include "backends/opencl/ptx.h"

#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

static void the_target_is_found_among_options(void **state) {
    (void)state;
    char target[16];
    assert_true(e2b_ptx_target("-DA=1 -DPTX_TARGET=sm_90a -DB", target, sizeof target));
    assert_string_equal(target, "sm_90a");
    assert_true(e2b_ptx_target("-DPTX_TARGET=sm_90a", target, sizeof target));
    assert_string_equal(target, "sm_90a");
    assert_false(e2b_ptx_target("-DPTX_TARGET= -DB", target, sizeof target));
    assert_false(e2b_ptx_target("-DA", target, sizeof target));
}

static void expect(const char *text, size_t length, const char *expected) {
    size_t bytes;
    char *out = e2b_ptx_retarget(text, length, "sm_90a", &bytes);
    assert_non_null(out);
    assert_string_equal(out, expected);
    assert_int_equal(bytes, strlen(expected) + 1);
    free(out);
}

static void comments_open_and_the_target_changes(void **state) {
    (void)state;
    const char text[] = ".version 8.0\n.target sm_90, texmode_independent\n// a comment\n"
                        "// @ptx wgmma.fence;\nadd;\n// .target sm_90\n";
    expect(text, sizeof text - 1,
        ".version 8.0\n.target sm_90a, texmode_independent\n// a comment\nwgmma.fence;\nadd;\n"
        "// .target sm_90\n");
    expect(text, sizeof text,
        ".version 8.0\n.target sm_90a, texmode_independent\n// a comment\nwgmma.fence;\nadd;\n"
        "// .target sm_90\n");
}

static void broken_texts_stay_within_bounds(void **state) {
    (void)state;
    const char text[] = ".target sm_90\n// @ptx x";
    for (size_t length = 0; length < sizeof text; length++) {
        char *copy = malloc(length + 1);
        size_t bytes;
        assert_non_null(copy);
        memcpy(copy, text, length);
        char *out = e2b_ptx_retarget(copy, length, "sm_90a", &bytes);
        assert_non_null(out);
        assert_true(bytes <= length + 7);
        free(out);
        free(copy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_found_among_options),
        cmocka_unit_test(comments_open_and_the_target_changes),
        cmocka_unit_test(broken_texts_stay_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
