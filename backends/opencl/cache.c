#include "backends/opencl/cache.h"

#include "runtime/base/file.h"
#include "runtime/base/log.h"
#include "runtime/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[8] = "e2b-cl-1";

struct header {
    char magic[8];
    uint64_t check, bytes, hash;
};

void e2b_cl_cache_init(struct e2b_cl_cache *cache, const char *folder, bool off) {
    memset(cache, 0, sizeof *cache);
    char root[sizeof cache->folder - 16] = "";
    if (!off)
        e2b_file_cache_folder(folder, root, sizeof root);
    if (root[0])
        snprintf(cache->folder, sizeof cache->folder, "%s/programs", root);
}

void e2b_cl_key_start(struct e2b_cl_key *key) {
    key->name = E2B_HASH_START;
    key->check = ~E2B_HASH_START;
    e2b_cl_key_add(key, magic, sizeof magic);
}

void e2b_cl_key_add(struct e2b_cl_key *key, const void *bytes, size_t count) {
    uint64_t length = count;
    key->name = e2b_hash(e2b_hash(key->name, &length, sizeof length), bytes, count);
    key->check = e2b_hash(e2b_hash(key->check, &length, sizeof length), bytes, count);
}

static void path_of(
    const struct e2b_cl_cache *cache, const struct e2b_cl_key *key, char *path, size_t capacity) {
    snprintf(path, capacity, "%s/%016" PRIx64 ".bin", cache->folder, key->name);
}

static void warn_once(struct e2b_cl_cache *cache, const char *path, const char *reason) {
    enum e2b_log_level level = atomic_exchange(&cache->warned, true) ? E2B_LOG_DEBUG : E2B_LOG_WARN;
    e2b_log(level, "opencl", "program cache: %s: %s; compiling instead", path, reason);
}

void e2b_cl_cache_reject(
    struct e2b_cl_cache *cache, const struct e2b_cl_key *key, const char *reason) {
    char path[sizeof cache->folder + 32];
    path_of(cache, key, path, sizeof path);
    warn_once(cache, path, reason);
}

static const char *fault(const struct e2b_file *file, const struct e2b_cl_key *key) {
    struct header header;
    if (file->bytes < sizeof header)
        return "the file is cut short";
    memcpy(&header, file->data, sizeof header);
    const unsigned char *content = file->data + sizeof header;
    if (memcmp(header.magic, magic, sizeof magic) != 0)
        return "the file is of another kind or version";
    if (header.check != key->check)
        return "the file belongs to another program";
    if (header.bytes != file->bytes - sizeof header)
        return "the file is cut short";
    if (header.hash != e2b_hash(E2B_HASH_START, content, header.bytes))
        return "the file is damaged";
    return NULL;
}

void *e2b_cl_cache_load(struct e2b_cl_cache *cache, const struct e2b_cl_key *key, size_t *bytes) {
    if (!cache->folder[0])
        return NULL;
    char path[sizeof cache->folder + 32];
    path_of(cache, key, path, sizeof path);
    struct e2b_error err = {0};
    struct e2b_file file = {0};
    if (e2b_file_map(path, &file, &err) != E2B_OK) {
        if (err.code != ENOENT)
            warn_once(cache, path, err.text);
        return NULL;
    }
    const char *reason = fault(&file, key);
    void *data = NULL;
    if (reason) {
        warn_once(cache, path, reason);
    } else {
        *bytes = file.bytes - sizeof(struct header);
        data = malloc(*bytes + 1);
        if (data)
            memcpy(data, file.data + sizeof(struct header), *bytes);
    }
    e2b_file_unmap(&file);
    return data;
}

void e2b_cl_cache_save(
    struct e2b_cl_cache *cache, const struct e2b_cl_key *key, const void *data, size_t bytes) {
    if (!cache->folder[0])
        return;
    char path[sizeof cache->folder + 32];
    path_of(cache, key, path, sizeof path);
    struct header header = {
        .check = key->check, .bytes = bytes, .hash = e2b_hash(E2B_HASH_START, data, bytes)};
    memcpy(header.magic, magic, sizeof magic);
    struct e2b_text file = {0};
    struct e2b_error err = {0};
    e2b_text_add_bytes(&file, &header, sizeof header);
    e2b_text_add_bytes(&file, data, bytes);
    if (file.failed)
        warn_once(cache, path, "no memory to write it");
    else if (e2b_file_make_folder(cache->folder, &err) != E2B_OK
        || e2b_file_replace(path, file.data, file.len, &err) != E2B_OK)
        warn_once(cache, path, err.text);
    e2b_text_finish(&file);
}
