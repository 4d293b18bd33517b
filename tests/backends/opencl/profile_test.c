#include "backends/opencl/profile.h"

#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* Once a process: so this program prepares with a folder that cannot be made, where it matters. */
static void runtimes_get_a_folder_even_without_a_home(void **state) {
    char temporary[] = "/tmp/e2b-profile-XXXXXX";
    struct stat info;
    (void)state;
    assert_non_null(mkdtemp(temporary));
    setenv("TMPDIR", temporary, 1);
    unsetenv("POCL_CACHE_DIR");
    e2b_profile_prepare("/proc/e2bird-no-such");
    const char *folder = getenv("POCL_CACHE_DIR");
    assert_non_null(folder);
    assert_int_equal(strncmp(folder, temporary, strlen(temporary)), 0);
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    e2b_profile_prepare("/tmp");
    assert_int_equal(strncmp(getenv("POCL_CACHE_DIR"), temporary, strlen(temporary)), 0);
    rmdir(folder);
    rmdir(temporary);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(platforms_find_their_profile),
        cmocka_unit_test(runtimes_get_a_folder_even_without_a_home),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
