#include "backends/opencl/profile.h"

#include "runtime/base/file.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct e2b_profile profiles[] = {
    {
        .name = "nvidia",
        .platform = "NVIDIA",
        .polls = true,
        .inline_ptx = true,
        .hides_local = true,
        .hides_half = true,
        .base_align_bytes = 256,
    },
    {.name = "pocl", .platform = "Portable Computing Language", .caches_itself = true},
    {.name = "amd", .platform = "AMD", .polls = true, .base_align_bytes = 256},
    {.name = "intel", .platform = "Intel"},
    {.name = "mesa", .platform = "rusticl", .penalty = 50},
    {.name = "oclgrind", .platform = "Oclgrind", .penalty = 1000},
    {.name = "generic"},
};

const struct e2b_profile *e2b_profile_find(const char *platform) {
    const struct e2b_profile *profile = profiles;
    while (profile->platform && !strcasestr(platform, profile->platform))
        profile++;
    return profile;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool prepared;

static void prepare(const char *cache_folder) {
    char root[400], folder[sizeof root + 8];
    struct e2b_error err = {0};
    e2b_file_cache_folder(cache_folder, root, sizeof root);
    snprintf(folder, sizeof folder, "%s/pocl", root);
    if (root[0] && e2b_file_make_folder(folder, &err) == E2B_OK && access(folder, W_OK) == 0)
        setenv("POCL_CACHE_DIR", folder, 0);
}

void e2b_profile_prepare(const char *cache_folder) {
    pthread_mutex_lock(&lock);
    if (!prepared)
        prepare(cache_folder);
    prepared = true;
    pthread_mutex_unlock(&lock);
}
