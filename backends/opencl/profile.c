#include "backends/opencl/profile.h"

#include "runtime/base/file.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct e2b_profile profiles[] = {
    {
        .name = "nvidia",
        .platform = "NVIDIA",
        .polls = true,
        .inline_ptx = true,
        .hides_local = true,
        .hides_l2 = true,
        .hides_half = true,
        .base_align_bytes = 256,
    },
    {.name = "pocl", .platform = "Portable Computing Language"},
    {.name = "amd", .platform = "AMD", .polls = true, .base_align_bytes = 256},
    {.name = "intel", .platform = "Intel"},
    {.name = "mesa", .platform = "rusticl", .penalty = 50},
    {.name = "oclgrind", .platform = "Oclgrind", .polls = true, .penalty = 1000},
    {.name = "generic", .polls = true},
};

const struct e2b_profile *e2b_profile_find(const char *platform) {
    const struct e2b_profile *profile = profiles;
    while (profile->platform && !strcasestr(platform, profile->platform))
        profile++;
    return profile;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool prepared;

/* A folder that we can write: under the cache, else one of this user's own among the temporary
 * ones, since a home that is read-only or missing is normal and PoCL does not start without a
 * folder. */
static bool writable_folder(const char *cache_folder, char *out, size_t capacity) {
    char root[400];
    struct e2b_error err = {0};
    struct stat info;
    e2b_file_cache_folder(cache_folder, root, sizeof root);
    snprintf(out, capacity, "%s/pocl", root);
    if (root[0] && e2b_file_make_folder(out, &err) == E2B_OK && access(out, W_OK) == 0)
        return true;
    const char *temporary = getenv("TMPDIR");
    snprintf(out, capacity, "%s/e2bird-pocl-%u", temporary && temporary[0] ? temporary : "/tmp",
        (unsigned)geteuid());
    mkdir(out, 0700);
    return lstat(out, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid()
        && (info.st_mode & 0077) == 0;
}

static void prepare(const char *cache_folder) {
    char folder[512];
    if (!getenv("POCL_CACHE_DIR") && writable_folder(cache_folder, folder, sizeof folder))
        setenv("POCL_CACHE_DIR", folder, 0);
}

void e2b_profile_prepare(const char *cache_folder) {
    pthread_mutex_lock(&lock);
    if (!prepared)
        prepare(cache_folder);
    prepared = true;
    pthread_mutex_unlock(&lock);
}
