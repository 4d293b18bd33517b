/* Keeps the binaries of compiled programs in the program cache, later: some runtimes compile every
 * kernel once more when they are asked for a binary, and run none meanwhile, so the first answer
 * should not wait for that. Any thread. */
#ifndef E2B_BACKENDS_OPENCL_SAVER_H
#define E2B_BACKENDS_OPENCL_SAVER_H

#include "backends/opencl/cache.h"
#include <CL/cl.h>
#include <pthread.h>

struct e2b_cl_saved;

struct e2b_cl_saver {
    struct e2b_cl_cache *cache;
    pthread_mutex_t lock;
    struct e2b_cl_saved *pending;
};

void e2b_cl_saver_init(struct e2b_cl_saver *saver, struct e2b_cl_cache *cache);
/* Saves what is pending; the cache is still there. */
void e2b_cl_saver_finish(struct e2b_cl_saver *saver);

/* Retains the program. */
void e2b_cl_saver_add(struct e2b_cl_saver *saver, const struct e2b_cl_key *key, cl_program program);
void e2b_cl_saver_save(struct e2b_cl_saver *saver); /* what is pending */

/* A program's binary for its one device, malloc'ed; NULL if the runtime gives none. */
unsigned char *e2b_cl_binary_of(cl_program program, size_t *bytes);

#endif
