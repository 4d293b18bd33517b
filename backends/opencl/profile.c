#include "backends/opencl/profile.h"

#include "runtime/base/file.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const struct e2b_profile profiles[] = {
    {
        .name = "nvidia",
        .platform = "NVIDIA",
        .polls = true,
        .inline_ptx = true,
        .hides_local = true,
        .hides_l2 = true,
        .launch_ns = 8000,
        .few_arguments = true,
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

/* Less room than this, and what a runtime compiles may be cut short on the disk. */
#define ROOM_BYTES (32ull << 20)

static bool takes_files(const char *folder) {
    struct e2b_error err = {0};
    struct statvfs info;
    return e2b_file_make_folder(folder, &err) == E2B_OK && access(folder, W_OK) == 0
        && statvfs(folder, &info) == 0 && (uint64_t)info.f_bavail * info.f_frsize >= ROOM_BYTES;
}

/* Where PoCL looks if it is not told. */
static bool default_folder_takes_files(void) {
    char folder[512];
    e2b_file_user_cache("pocl/kcache", folder, sizeof folder);
    return folder[0] && takes_files(folder);
}

/* One of this user's own among the temporary ones. */
static bool make_temporary_folder(char *out, size_t capacity) {
    const char *temporary = getenv("TMPDIR");
    struct stat info;
    snprintf(out, capacity, "%s/e2bird-pocl-%u", temporary && temporary[0] ? temporary : "/tmp",
        (unsigned)geteuid());
    mkdir(out, 0700);
    return lstat(out, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid()
        && (info.st_mode & 0077) == 0;
}

static void prepare(void) {
    char folder[512];
    if (!getenv("POCL_CACHE_DIR") && !default_folder_takes_files()
        && make_temporary_folder(folder, sizeof folder))
        setenv("POCL_CACHE_DIR", folder, 0);
}

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

void e2b_profile_prepare(void) {
    pthread_once(&prepared, prepare);
}
