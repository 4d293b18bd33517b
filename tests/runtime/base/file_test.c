#include "runtime/base/file.h"

#include "tests/support.h"
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/e2b_file_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

static int tear_down(void **state) {
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void what_was_written_is_mapped(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_file file;
    const char *path = in_folder("a");
    assert_ok(e2b_file_replace(path, "first", 5, &err), err);
    assert_ok(e2b_file_replace(path, "second one", 10, &err), err);
    assert_ok(e2b_file_map(path, &file, &err), err);
    assert_int_equal(file.bytes, 10);
    assert_memory_equal(file.data, "second one", 10);
    assert_ok(e2b_file_replace(path, "third", 5, &err), err);
    assert_memory_equal(file.data, "second one", 10); /* a reader keeps what it has */
    e2b_file_unmap(&file);
    assert_null(file.data);
    e2b_file_unmap(&file);
}

static void empty_file_has_no_data(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_file file;
    const char *path = in_folder("empty");
    assert_ok(e2b_file_replace(path, NULL, 0, &err), err);
    assert_ok(e2b_file_map(path, &file, &err), err);
    assert_null(file.data);
    assert_int_equal(file.bytes, 0);
    e2b_file_unmap(&file);
}

static void what_cannot_be_mapped_is_named(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_file file;
    assert_fails(e2b_file_map(in_folder("none"), &file, &err), E2B_NOT_FOUND, "/none: ", err);
    assert_fails(e2b_file_map(folder, &file, &err), E2B_INVALID, "is not a regular file", err);
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_fails(e2b_file_map(pipe, &file, &err), E2B_INVALID, "is not a regular file", err);
}

static void replace_leaves_no_temporary_behind(void **state) {
    (void)state;
    struct e2b_error err = {0};
    const char *path = in_folder("taken"); /* a folder cannot be replaced by a file */
    assert_int_equal(mkdir(path, 0700), 0);
    assert_fails(e2b_file_replace(path, "x", 1, &err), E2B_IO, "/taken: cannot write", err);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_fails(e2b_file_replace(in_folder("no/such"), "x", 1, &err), E2B_IO, "cannot write", err);
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct stat info;
    assert_ok(e2b_file_make_folder(in_folder("a/b//c/"), &err), err);
    assert_ok(e2b_file_make_folder(in_folder("a/b/c"), &err), err);
    assert_int_equal(stat(in_folder("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_ok(e2b_file_replace(in_folder("a/file"), "x", 1, &err), err);
    assert_fails(e2b_file_make_folder(in_folder("a/file/d"), &err), E2B_IO, "a/file", err);
    assert_fails(e2b_file_make_folder("", &err), E2B_INVALID, "1..", err);
}

static void cache_folder_follows_the_environment(void **state) {
    (void)state;
    char out[100];
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    setenv("HOME", "/home/me", 1);
    e2b_file_cache_folder("/given", out, sizeof out);
    assert_string_equal(out, "/given");
    e2b_file_cache_folder("", out, sizeof out);
    assert_string_equal(out, "/xdg/e2bird");
    setenv("XDG_CACHE_HOME", "relative", 1);
    e2b_file_cache_folder(NULL, out, sizeof out);
    assert_string_equal(out, "/home/me/.cache/e2bird");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    e2b_file_cache_folder(NULL, out, sizeof out);
    assert_string_equal(out, "");
    e2b_file_cache_folder("/too/long/for/this", out, 5);
    assert_string_equal(out, "");
}

static void parts_are_read_of_one_version_only(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_file_version version;
    char got[4] = "";
    const char *path = in_folder("parts");
    assert_ok(e2b_file_replace(path, "0123456789", 10, &err), err);
    assert_ok(e2b_file_version(path, &version, &err), err);
    assert_int_equal(version.bytes, 10);
    assert_ok(e2b_file_read(path, &version, 4, got, 3, &err), err);
    assert_string_equal(got, "456");
    assert_fails(e2b_file_read(path, &version, 9, got, 3, &err), E2B_IO, "ends too early", err);
    assert_ok(e2b_file_replace(path, "abcdefghij", 10, &err), err);
    assert_fails(e2b_file_read(path, &version, 0, got, 3, &err), E2B_IO, "was changed", err);
    assert_fails(
        e2b_file_version(in_folder("absent"), &version, &err), E2B_NOT_FOUND, "absent", err);
    assert_fails(e2b_file_version(folder, &version, &err), E2B_INVALID, "regular", err);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_mapped),
        TEST(empty_file_has_no_data),
        TEST(what_cannot_be_mapped_is_named),
        TEST(replace_leaves_no_temporary_behind),
        TEST(parts_are_read_of_one_version_only),
        TEST(folders_are_made_with_their_parents),
        TEST(cache_folder_follows_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
