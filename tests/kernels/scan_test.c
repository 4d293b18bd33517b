#include "kernels/scan.h"

#include "tests/support.h"

#include <string.h>

static const char text[] = "#define TILE tile\n"
                           "/* __kernel void not_one( */\n"
                           "struct place {\n    int x;\n};\n"
                           "static inline void TILE(int x) {\n}\n"
                           "__kernel void other(int x) {\n    if (x) {\n    }\n}\n"
                           "__kernel void wanted(\n    __global float *y) {\n    TILE(1);\n}\n";

static void one_kernel_is_kept_and_gets_a_parameter(void **state) {
    (void)state;
    struct e2b_text out = {0};
    struct e2b_scan scan = {.kernel = "wanted", .parameter = "int more, ", .out = &out};
    e2b_scan_text(&scan, text);
    assert_non_null(strstr(out.data, "__kernel void wanted(int more, \n    __global float *y) {"));
    assert_non_null(strstr(out.data, "static inline void TILE(int x) {\n}\n"));
    assert_null(strstr(out.data, "other"));
    assert_string_equal(scan.macros.data, "TILE\n");
    assert_string_equal(scan.names.data, "place\ntile\nother\nwanted\n");
    e2b_scan_finish(&scan);
    e2b_text_finish(&out);
}

static void words_are_kept_once(void **state) {
    (void)state;
    struct e2b_text set = {0};
    e2b_scan_add_word(&set, "tile", 4);
    e2b_scan_add_word(&set, "tiles", 5);
    e2b_scan_add_word(&set, "tile2", 4);
    assert_string_equal(set.data, "tile\ntiles\n");
    assert_int_equal(e2b_scan_word("a_1+b"), 3);
    assert_int_equal(e2b_scan_word("1a"), 0);
    e2b_text_finish(&set);
}

static void local_memory_of_its_own_is_found(void **state) {
    (void)state;
    static const char locals[] = "__kernel void takes(__local float *to) {\n    LOCAL(a, 4);\n}\n"
                                 "__kernel void owns(__global float *y) {\n"
                                 "    __local float a[4];\n}\n";
    static const struct e2b_source source = {"a.cl", locals, sizeof locals - 1};
    struct e2b_launch_list list = {0};
    assert_false(e2b_scan_owns_local(e2b_launch_add(&list, &source, "takes", "%s", "")));
    assert_true(e2b_scan_owns_local(e2b_launch_add(&list, &source, "owns", "%s", "")));
    assert_true(e2b_scan_owns_local(e2b_launch_add(&list, &source, "absent", "%s", "")));
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_kernel_is_kept_and_gets_a_parameter),
        cmocka_unit_test(words_are_kept_once),
        cmocka_unit_test(local_memory_of_its_own_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
