#include "kernels/chain.h"

#include "tests/support.h"

#include <string.h>

static const char text[] = "#define TILE tile\n"
                           "/* __kernel void not_one( */\n"
                           "struct place {\n    int x;\n};\n"
                           "static inline void TILE(int x) {\n}\n"
                           "__kernel void other(int x) {\n    if (x) {\n    }\n}\n"
                           "__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void wanted(\n"
                           "    __global float *y, uint y_at, int n, float f) {\n"
                           "    TILE(n);\n}\n";
static const struct e2b_source source = {"a.cl", text, sizeof text - 1};

static struct e2b_launch launch_of(const char *options, struct e2b_launch_list *list) {
    struct e2b_launch *launch = e2b_launch_add(list, &source, "wanted", "%s", options);
    assert_non_null(launch);
    e2b_launch_output(launch, 0);
    e2b_launch_int(launch, 1);
    e2b_launch_float(launch, 1);
    return *launch;
}

static void launches_of_one_program_are_one_function(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch a = launch_of("-DN=1", &list), b = launch_of("-DN=1", &list);
    struct e2b_launch c = launch_of("-DN=2", &list);
    b.args[1].i = 7;
    b.global[0] = 99;
    assert_true(e2b_chain_same_function(&a, &b));
    assert_false(e2b_chain_same_function(&a, &c));
    e2b_launch_float(&b, 1);
    assert_false(e2b_chain_same_function(&a, &b));
    e2b_launch_list_finish(&list);
}

static void names_of_two_functions_are_kept_apart(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_text out = {0}, options = {0};
    struct e2b_launch a = launch_of("-DN=1 -DFLAG", &list), b = launch_of("-DN=2", &list);
    e2b_chain_text(&(struct e2b_traits){0}, (const struct e2b_launch *const[]){&a, &b}, 2, 3, 1,
        &out, &options);
    assert_false(out.failed || options.failed);
    assert_null(options.data);
    static const char *const present[] = {"#define N 1\n#define FLAG 1\n",
        "#define wanted e0_wanted\n", "#define wanted e1_wanted\n", "#define tile e0_tile\n",
        "#define place e1_place\n", "#undef N\n", "#undef FLAG\n", "#undef TILE\n", "#undef tile\n",
        "void wanted(struct chain_place chain_place, \n    __global float *y",
        ("case 1:\nchain_wait(place);\nCHAIN_GROUPS(1, e1_wanted(place, (__global void "
         "*)buffers[row[7]], (uint)row[8] + first * (uint)row[9], row[10], as_float(row[11])))\n"),
        "__global char *b2) {"};
    for (size_t i = 0; i < sizeof present / sizeof present[0]; i++)
        if (!strstr(out.data, present[i]))
            fail_msg("not there: %s", present[i]);
    assert_null(strstr(out.data, "void other("));
    assert_null(strstr(out.data, "e0_not_one"));
    assert_null(strstr(out.data, "__global char *b3"));
    e2b_text_finish(&out);
    e2b_launch_list_finish(&list);
}

static void a_packing_is_told_by_its_block_and_where_it_begins(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_text out = {0}, options = {0};
    struct e2b_launch a = launch_of("-DN=1", &list);
    e2b_launch_packed(&a, 0);
    e2b_launch_int(&a, 1);
    e2b_chain_text(&(struct e2b_traits){0}, (const struct e2b_launch *const[]){&a}, 1, 1, 1, &out,
        &options);
    assert_non_null(strstr(out.data,
        "as_float(row[11]), (__global void *)(buffers[row[12]] + (size_t)row[13] * 256), "
        "row[14]))\n"));
    e2b_text_finish(&out);
    e2b_launch_list_finish(&list);
}

static void the_largest_number_of_an_option_is_the_programs(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_text out = {0}, options = {0};
    struct e2b_launch a = launch_of("-DN=1 -cl-nv-maxrregcount=128", &list);
    struct e2b_launch b = launch_of("-cl-nv-maxrregcount=255 -DPTX_TARGET=sm_90a", &list);
    e2b_chain_text(&(struct e2b_traits){.ptx_sm = 90}, (const struct e2b_launch *const[]){&a, &b},
        2, 3, 1, &out, &options);
    assert_string_equal(options.data, "-cl-nv-maxrregcount=255 -DPTX_TARGET=sm_90a ");
    assert_non_null(strstr(out.data, "#define CHAIN_PTX\n"));
    e2b_text_finish(&out);
    e2b_text_finish(&options);
    e2b_launch_list_finish(&list);
}

static const char local_text[] = "__kernel void helped(__global float *y) {\n    LOCAL(a, 4);\n}\n"
                                 "__kernel void refused(__global float *y) {\n"
                                 "    __local float a[4];\n}\n";
static const struct e2b_source local_source = {"b.cl", local_text, sizeof local_text - 1};

static void kernels_with_local_memory_of_their_own_are_refused(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    assert_true(e2b_chain_takes(e2b_launch_add(&list, &local_source, "helped", "%s", ""), 1));
    assert_false(e2b_chain_takes(e2b_launch_add(&list, &local_source, "refused", "%s", ""), 1));
    e2b_launch_list_finish(&list);
}

static const char barrier_text[] = "__kernel void meets(__global float *y) {\n"
                                   "    barrier(CLK_LOCAL_MEM_FENCE);\n}\n"
                                   "__kernel void does_not(__global float *y) {\n}\n";
static const struct e2b_source barrier_source = {"c.cl", barrier_text, sizeof barrier_text - 1};

static void groups_are_cut_or_put_together_where_they_do_not_meet(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch free = launch_of("", &list);
    struct e2b_launch bound = *e2b_launch_add(&list, &barrier_source, "meets", "%s", "");
    e2b_launch_group(&free, 32, 8, 1);
    e2b_launch_group(&bound, 256, 1, 1);
    assert_true(e2b_chain_takes(&free, 256));
    assert_true(e2b_chain_takes(&free, 128));
    assert_false(e2b_chain_takes(&free, 1));
    assert_true(e2b_chain_takes(&bound, 256));
    assert_false(e2b_chain_takes(&bound, 128));
    strcpy(bound.kernel, "does_not");
    assert_true(e2b_chain_takes(&bound, 128));
    e2b_launch_list_finish(&list);
}

static void local_memory_of_another_size_is_the_same_function(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch a = launch_of("-DN=1 -DLOCAL_A=1 -DM", &list);
    struct e2b_launch b = launch_of("-DN=1 -DLOCAL_A=22 -DM", &list);
    struct e2b_launch c = launch_of("-DN=1 -DLOCAL_A=1", &list);
    assert_true(e2b_chain_same_function(&a, &b));
    assert_false(e2b_chain_same_function(&a, &c));
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(launches_of_one_program_are_one_function),
        cmocka_unit_test(names_of_two_functions_are_kept_apart),
        cmocka_unit_test(a_packing_is_told_by_its_block_and_where_it_begins),
        cmocka_unit_test(the_largest_number_of_an_option_is_the_programs),
        cmocka_unit_test(kernels_with_local_memory_of_their_own_are_refused),
        cmocka_unit_test(groups_are_cut_or_put_together_where_they_do_not_meet),
        cmocka_unit_test(local_memory_of_another_size_is_the_same_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
