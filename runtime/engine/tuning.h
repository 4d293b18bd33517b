/* Measured choices of kernels: for each distinct call, the variant and candidate that were fastest
 * on a device. A store is a text file, an entry a line. The choices of one's own measurements lie
 * in the cache folder by the device's identity; for devices that we have, configs/tuning/ ships
 * some by the device's name. Threads: many may find while nobody puts or loads. */
#ifndef E2B_ENGINE_TUNING_H
#define E2B_ENGINE_TUNING_H

#include "backends/device.h"
#include "kernels/op.h"
#include "runtime/base/text.h"

struct e2b_tuned {
    char variant[32];
    int candidate;
    int64_t best_ns, default_ns; /* when measured; default: what the ordered list would take */
    uint64_t fingerprint;        /* of the launches that the choice emitted then */
};

struct e2b_tuning;

/* An empty store for a device of that name, as in its traits. */
enum e2b_status e2b_tuning_create(
    const char *device, struct e2b_tuning **out, struct e2b_error *err);
/* The device's choices: its file in the cache folder (as in e2b_file_cache_folder), then those that
 * are shipped. Whatever is wrong with files is logged and means fewer choices. */
enum e2b_status e2b_tuning_open(const struct e2b_device *device, const char *cache_folder,
    struct e2b_tuning **out, struct e2b_error *err);
void e2b_tuning_destroy(struct e2b_tuning *tuning); /* NULL is fine */

/* Where e2b_tuning_open found its own measurements, or would have; "" if there is no such folder.
 */
const char *e2b_tuning_path(const struct e2b_tuning *tuning);

/* Add what a file holds and the store does not. A file that is not there has nothing. Lines that
 * make no sense are left out, with one warning a file. */
void e2b_tuning_load(struct e2b_tuning *tuning, const char *path);
/* The same of a text, which name stands for in warnings. The entries are not ours to save. */
void e2b_tuning_load_shipped(
    struct e2b_tuning *tuning, const char *text, size_t bytes, const char *name);
/* Write all entries that were put or loaded from a file, and those that another process has added
 * to it meanwhile. Makes the folder. */
enum e2b_status e2b_tuning_save(struct e2b_tuning *tuning, const char *path, struct e2b_error *err);

/* What a choice depends on, in one line: operator, parameters (by their hash), and each operand's
 * type, shape and strides, "=" for a constant. The values of constants do not count. */
void e2b_tuning_key(const struct e2b_call *call, struct e2b_text *out);
/* Of kernels, options and sizes: a choice whose launches have changed is no choice any more. */
uint64_t e2b_tuning_fingerprint(const struct e2b_launch_list *list);

/* NULL if there is none. tuning may be NULL. Valid until the next put or load. */
const struct e2b_tuned *e2b_tuning_find(const struct e2b_tuning *tuning, const char *key);
/* Add or replace. */
enum e2b_status e2b_tuning_put(struct e2b_tuning *tuning, const char *key,
    const struct e2b_tuned *tuned, struct e2b_error *err);
int e2b_tuning_count(const struct e2b_tuning *tuning);

#endif
