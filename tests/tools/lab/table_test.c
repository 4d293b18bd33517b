#include "tools/lab/table.h"

#include "runtime/base/file.h"
#include "tests/support.h"
#include "tests/tools/lab/bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER "model,size,solo_ns,demand,host_ns,upload_ns,download_ns\n"

static char path[64];

static const char *file_with(const char *text) {
    struct e2b_error err = {0};
    strcpy(path, "/tmp/e2b-lab-table-XXXXXX");
    close(mkstemp(path));
    assert_ok(e2b_file_replace(path, text, strlen(text), &err), err);
    return path;
}

static void what_was_written_is_read(void **state) {
    (void)state;
    struct e2b_lab_table table;
    struct e2b_error err = {0};
    file_with("");
    assert_ok(e2b_lab_table_write(path, bench_table(), "a device, made up", &err), err);
    assert_ok(e2b_lab_table_read(path, &table, &err), err);
    assert_int_equal(table.count, bench_table()->count);
    for (int i = 0; i < table.count; i++) {
        const struct e2b_lab_timing *got = &table.models[i], *wanted = &bench_table()->models[i];
        assert_string_equal(got->name, wanted->name);
        assert_int_equal(got->size_count, wanted->size_count);
        assert_memory_equal(got->sizes, wanted->sizes, sizeof got->sizes);
        assert_memory_equal(got->solo_ns, wanted->solo_ns, sizeof got->solo_ns);
        assert_memory_equal(got->host_ns, wanted->host_ns, sizeof got->host_ns);
        assert_memory_equal(got->demand, wanted->demand, sizeof got->demand);
        assert_int_equal(got->upload_ns, wanted->upload_ns);
        assert_int_equal(got->download_ns, wanted->download_ns);
    }
    assert_ptr_equal(e2b_lab_table_find(&table, "b"), &table.models[1]);
    assert_null(e2b_lab_table_find(&table, "c"));
    unlink(path);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    const struct {
        const char *text, *message;
    } rows[] = {{"", "no model"}, {"a,1,5,1,0,1,1\n", "first line"},
        {HEADER "a,1,5,1,1,1\n", "a,1,5"}, {HEADER "a,2,5,1,0,1,1\na,1,5,1,0,1,1\n", "ascend"},
        {HEADER "a,1,0,1,0,1,1\n", "positive"}, {HEADER "a,1,5,1.5,0,1,1\n", "demand"},
        {HEADER "a,1,5,nan,0,1,1\n", "demand"}, {HEADER "a,1,5,1,5,1,1\n", "host_ns"},
        {HEADER, "no model"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct e2b_lab_table table;
        struct e2b_error err = {0};
        assert_fails(e2b_lab_table_read(file_with(rows[i].text), &table, &err), E2B_INVALID,
            rows[i].message, err);
        unlink(path);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
