#include "backends/opencl/profile.h"

#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void platforms_find_their_profile(void **state) {
    static const struct {
        const char *platform, *profile;
    } rows[] = {
        {"NVIDIA CUDA", "nvidia"},
        {"Portable Computing Language", "pocl"},
        {"AMD Accelerated Parallel Processing", "amd"},
        {"Intel(R) OpenCL Graphics", "intel"},
        {"rusticl", "mesa"},
        {"Oclgrind", "oclgrind"},
        {"Somebody else's", "generic"},
        {"", "generic"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(e2b_profile_find(rows[i].platform)->name, rows[i].profile);
}

/* What a child process with this environment prepares for PoCL: its folder, or "" if none. */
static void prepared_with(const char *cache, const char *home, char *out, size_t capacity) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsetenv("POCL_CACHE_DIR");
        cache ? setenv("XDG_CACHE_HOME", cache, 1) : unsetenv("XDG_CACHE_HOME");
        setenv("HOME", home, 1);
        e2b_profile_prepare();
        const char *folder = getenv("POCL_CACHE_DIR");
        dprintf(ends[1], "%s", folder ? folder : "");
        _exit(0);
    }
    close(ends[1]);
    ssize_t bytes = read(ends[0], out, capacity - 1);
    assert_true(bytes >= 0);
    out[bytes] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void runtimes_get_a_folder_even_without_a_home(void **state) {
    char temporary[] = "/tmp/e2b-profile-XXXXXX", folder[256], expected[256];
    struct stat info;
    (void)state;
    assert_non_null(mkdtemp(temporary));
    setenv("TMPDIR", temporary, 1);
    snprintf(expected, sizeof expected, "%s/e2bird-pocl-%u", temporary, (unsigned)geteuid());
    prepared_with(NULL, "/proc/e2bird-no-such", folder, sizeof folder);
    assert_string_equal(folder, expected);
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    prepared_with("/proc/e2bird-no-such", temporary, folder, sizeof folder);
    assert_string_equal(folder, expected);
    assert_int_equal(rmdir(expected), 0);
}

static void a_folder_that_takes_files_stays(void **state) {
    char home[] = "/tmp/e2b-profile-XXXXXX", folder[256], made[256];
    (void)state;
    assert_non_null(mkdtemp(home));
    prepared_with(NULL, home, folder, sizeof folder);
    assert_string_equal(folder, "");
    static const char *const parts[] = {"/.cache/pocl/kcache", "/.cache/pocl", "/.cache", ""};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(made, sizeof made, "%s%s", home, parts[i]);
        assert_int_equal(rmdir(made), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platforms_find_their_profile),
        cmocka_unit_test(runtimes_get_a_folder_even_without_a_home),
        cmocka_unit_test(a_folder_that_takes_files_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
