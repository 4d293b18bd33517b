/* Whole files: mapped for reading, replaced atomically for writing. */
#ifndef E2B_BASE_FILE_H
#define E2B_BASE_FILE_H

#include "runtime/base/status.h"
#include <stddef.h>
#include <stdint.h>

struct e2b_file {
    const unsigned char *data;
    size_t bytes;
};

/* Map a file read-only. An empty file has data NULL. Unmap with e2b_file_unmap (zeroed is fine). */
enum e2b_status e2b_file_map(const char *path, struct e2b_file *out, struct e2b_error *err);
void e2b_file_unmap(struct e2b_file *file);

/* A file whose parts are read at different times and must be of one version. */
struct e2b_file_version {
    uint64_t device, node;
    int64_t bytes, changed_ns;
};
enum e2b_status e2b_file_version(
    const char *path, struct e2b_file_version *out, struct e2b_error *err);
/* Read count bytes at offset; fails if the file is no longer that version, or has not as many. */
enum e2b_status e2b_file_read(const char *path, const struct e2b_file_version *version,
    int64_t offset, void *to, size_t count, struct e2b_error *err);

/* Write to a temporary name in the same folder, then rename: a reader sees the old bytes or the
 * new, never a part. */
enum e2b_status e2b_file_replace(
    const char *path, const void *data, size_t bytes, struct e2b_error *err);

/* Create a folder and its parents; fine if it exists. */
enum e2b_status e2b_file_make_folder(const char *path, struct e2b_error *err);

/* Where a program keeps what it can make again: $XDG_CACHE_HOME/name, else $HOME/.cache/name.
 * Writes
 * "" if there is none. Does not create it. */
void e2b_file_user_cache(const char *name, char *out, size_t capacity);
/* Ours: configured if not NULL or empty, else that of "e2bird". */
void e2b_file_cache_folder(const char *configured, char *out, size_t capacity);

#endif
