#include "backends/opencl/cache.h"

#include "tests/support.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char content[] = "a program, compiled";
static char folder[64];

static int set_up(void **state) {
    static struct e2b_cl_cache cache;
    snprintf(folder, sizeof folder, "/tmp/e2b-cache-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    e2b_cl_cache_init(&cache, folder, false);
    *state = &cache;
    return 0;
}

static int clean_up(void **state) {
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
    return system(command);
}

static struct e2b_cl_key key_of(const char *text) {
    struct e2b_cl_key key;
    e2b_cl_key_start(&key);
    e2b_cl_key_add(&key, text, strlen(text));
    return key;
}

/* The one file of the cache. */
static void find_file(const struct e2b_cl_cache *cache, char *path, size_t capacity) {
    DIR *listing = opendir(cache->folder);
    assert_non_null(listing);
    path[0] = '\0';
    for (struct dirent *entry; (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            snprintf(path, capacity, "%.400s/%.255s", cache->folder, entry->d_name);
    closedir(listing);
    assert_true(path[0]);
}

static void what_was_saved_is_found(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one"), other = key_of("two");
    size_t bytes;
    assert_null(e2b_cl_cache_load(cache, &key, &bytes));
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    char *data = e2b_cl_cache_load(cache, &key, &bytes);
    assert_int_equal(bytes, sizeof content);
    assert_memory_equal(data, content, bytes);
    free(data);
    assert_null(e2b_cl_cache_load(cache, &other, &bytes));
    assert_false(cache->warned);
}

static void keys_keep_parts_apart(void **state) {
    struct e2b_cl_key a, b;
    (void)state;
    e2b_cl_key_start(&a);
    e2b_cl_key_add(&a, "ab", 2);
    e2b_cl_key_add(&a, "c", 1);
    e2b_cl_key_start(&b);
    e2b_cl_key_add(&b, "a", 1);
    e2b_cl_key_add(&b, "bc", 2);
    assert_true(a.name != b.name && a.check != b.check && a.name != a.check);
}

static void another_programs_file_is_not_taken(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one"), clash = key;
    size_t bytes;
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    clash.check++;
    assert_null(e2b_cl_cache_load(cache, &clash, &bytes));
    assert_true(cache->warned);
}

static void truncated_files_are_not_taken(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one");
    char path[700];
    struct stat info;
    size_t bytes;
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    find_file(cache, path, sizeof path);
    assert_int_equal(stat(path, &info), 0);
    for (off_t length = info.st_size - 1; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        assert_null(e2b_cl_cache_load(cache, &key, &bytes));
    }
    assert_true(cache->warned);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    char *data = e2b_cl_cache_load(cache, &key, &bytes);
    assert_non_null(data);
    free(data);
}

static void every_damaged_byte_is_noticed(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one");
    char path[700];
    size_t bytes;
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    find_file(cache, path, sizeof path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (int at = 0, byte; fseek(file, at, SEEK_SET) == 0 && (byte = fgetc(file)) != EOF; at++) {
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 0x10, file);
        fflush(file);
        assert_null(e2b_cl_cache_load(cache, &key, &bytes));
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
        fflush(file);
    }
    fclose(file);
    char *data = e2b_cl_cache_load(cache, &key, &bytes);
    assert_non_null(data);
    free(data);
}

static void a_folder_that_cannot_be_written_is_survived(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one");
    size_t bytes;
    e2b_cl_cache_init(cache, "/proc/e2bird-no-such", false);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    assert_true(cache->warned);
    assert_null(e2b_cl_cache_load(cache, &key, &bytes));
    if (geteuid() == 0)
        e2b_skip("file permissions do not bind the superuser");
    e2b_cl_cache_init(cache, folder, false);
    assert_int_equal(chmod(folder, 0500), 0);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    assert_true(cache->warned);
    assert_null(e2b_cl_cache_load(cache, &key, &bytes));
}

/* A limit on file sizes fails writes in the middle, as a full disk does. */
static void a_full_disk_is_survived(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one");
    struct rlimit before, tiny;
    size_t bytes;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){.rlim_cur = 40, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_null(e2b_cl_cache_load(cache, &key, &bytes));
    assert_true(cache->warned);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    char *data = e2b_cl_cache_load(cache, &key, &bytes);
    assert_non_null(data);
    free(data);
}

static void a_cache_can_be_off(void **state) {
    struct e2b_cl_cache *cache = *state;
    struct e2b_cl_key key = key_of("one");
    size_t bytes;
    e2b_cl_cache_init(cache, folder, true);
    e2b_cl_cache_save(cache, &key, content, sizeof content);
    assert_null(e2b_cl_cache_load(cache, &key, &bytes));
    assert_false(cache->warned);
}

int main(void) {
#define CHECK(name) cmocka_unit_test_setup_teardown(name, set_up, clean_up)
    const struct CMUnitTest tests[] = {
        CHECK(what_was_saved_is_found),
        CHECK(keys_keep_parts_apart),
        CHECK(another_programs_file_is_not_taken),
        CHECK(truncated_files_are_not_taken),
        CHECK(every_damaged_byte_is_noticed),
        CHECK(a_folder_that_cannot_be_written_is_survived),
        CHECK(a_full_disk_is_survived),
        CHECK(a_cache_can_be_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
