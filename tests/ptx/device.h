/* A device on which kernels run as PTX, on the host: a GPU with tensor cores where there is none.
 * Slow, but exact about memory and about what instructions mean; see ptx.h. Programs are compiled
 * by tools/ptx_compile.sh and kept in the cache folder. Queues do their work at once. */
#ifndef E2B_TESTS_PTX_DEVICE_H
#define E2B_TESTS_PTX_DEVICE_H

#include "backends/device.h"

struct ptx_device_options {
    int compute_units; /* groups that run side by side */
    int ptx_sm;        /* 80, or 90 with warpgroups */
    bool late;         /* as in struct ptx_launch */
    const char *cache; /* folder, exists */
};

/* UNSUPPORTED if the tools that compile are missing. */
enum e2b_status ptx_device_create(
    const struct ptx_device_options *options, struct e2b_device **out, struct e2b_error *err);

/* What a program's kernels are compiled to, ready for an assembler; to be freed. NULL on failure.
 */
char *ptx_device_text(struct e2b_device *device, const struct e2b_source *source,
    const char *options, struct e2b_error *err);

#endif
