/* Small files on disk, found by key: program binaries and probe results. The content is checked by
 * length and hash; whatever is wrong with a file or the folder reads as "not there", and the first
 * thing that goes wrong is logged once a cache. Any thread, several processes. */
#ifndef E2B_BACKENDS_OPENCL_CACHE_H
#define E2B_BACKENDS_OPENCL_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct e2b_cl_cache {
    char folder[512]; /* "" : no cache */
    atomic_bool warned;
};

/* Two independent hashes: one names the file, the other is checked inside. */
struct e2b_cl_key {
    uint64_t name, check;
};

/* folder NULL or "": the default one; its sub-folder "programs" is used and made when needed. */
void e2b_cl_cache_init(struct e2b_cl_cache *cache, const char *folder, bool off);

/* Chain the parts that the content depends on; the format's version is one already. */
void e2b_cl_key_start(struct e2b_cl_key *key);
void e2b_cl_key_add(struct e2b_cl_key *key, const void *bytes, size_t count);

/* The content in memory that the caller frees, NULL if it is not there. */
void *e2b_cl_cache_load(struct e2b_cl_cache *cache, const struct e2b_cl_key *key, size_t *bytes);
void e2b_cl_cache_save(
    struct e2b_cl_cache *cache, const struct e2b_cl_key *key, const void *data, size_t bytes);
/* The content was read whole but is of no use: say so once. */
void e2b_cl_cache_reject(
    struct e2b_cl_cache *cache, const struct e2b_cl_key *key, const char *reason);

#endif
