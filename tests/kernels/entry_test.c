#include "kernels/entry.h"

#include "tests/support.h"

#include <string.h>

static const char text[] = "__kernel void plain(__global float *y, uint y_at, int n) {\n}\n"
                           "__kernel __attribute__((reqd_work_group_size(SIDE, 1, 1))) void wanted(\n"
                           "    __global float *y, uint y_at, __global const float *w, int n,\n"
                           "    float f) {\n    LOCAL(memory, 4);\n}\n"
                           "__kernel void owns(__global float *y) {\n    __local float a[4];\n}\n";
static const struct e2b_source source = {"a.cl", text, sizeof text - 1};

static void expect(const struct e2b_text *out, const char *there) {
    if (!strstr(out->data, there))
        fail_msg("not there: %s\nbut %s", there, out->data);
}

static void buffers_come_first_and_the_rest_as_one_structure(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_text out = {0}, options = {0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "wanted", "%s", "-DSIDE=32");
    e2b_launch_output(launch, 0);
    e2b_launch_packed(launch, 0);
    e2b_launch_int(launch, 1);
    e2b_launch_float(launch, 1);
    e2b_launch_grid(launch, 64, 1, 1);
    e2b_launch_group(launch, 32, 1, 1);
    launch->local_bytes = 60;
    e2b_entry_text(launch, (const int[]){0, 1, 0, 0}, 2, &out, &options);
    assert_string_equal(options.data, "-DSIDE=32 -DENTRY");
    expect(&out, "struct entry_words { uint w0; uint w1; int w2; float w3; };\n");
    expect(&out, "__kernel __attribute__((reqd_work_group_size(32, 1, 1))) void entry("
                 "__global char *b0, __global char *b1, struct entry_words words) {\n"
                 "__local uint4 memory[4] __attribute__((aligned(1024)));\n"
                 "wanted(memory, (__global void *)b0, words.w0, "
                 "(__global void *)(b1 + (size_t)words.w1 * 256), words.w2, words.w3);\n}\n");
    expect(&out, "void wanted(__local uint4 *entry_memory, \n    __global float *y");
    assert_null(strstr(out.data, "void plain("));
    e2b_text_finish(&out);
    e2b_text_finish(&options);
    e2b_launch_list_finish(&list);
}

static void groups_of_any_size_stay_so(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_text out = {0}, options = {0};
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "plain", "%s", "");
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, 1);
    e2b_entry_text(launch, (const int[]){0, 0}, 1, &out, &options);
    expect(&out, "__kernel void entry(__global char *b0, struct entry_words words) {\n"
                 "plain(0, (__global void *)b0, words.w0, words.w1);\n}\n");
    e2b_text_finish(&out);
    e2b_text_finish(&options);
    e2b_launch_list_finish(&list);
}

static void kernels_with_local_memory_of_their_own_have_none(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    assert_true(e2b_entry_takes(e2b_launch_add(&list, &source, "wanted", "%s", "")));
    assert_false(e2b_entry_takes(e2b_launch_add(&list, &source, "owns", "%s", "")));
    const struct e2b_launch routine = {.routine = "clblast_sgemm"};
    assert_false(e2b_entry_takes(&routine));
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_come_first_and_the_rest_as_one_structure),
        cmocka_unit_test(groups_of_any_size_stay_so),
        cmocka_unit_test(kernels_with_local_memory_of_their_own_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
