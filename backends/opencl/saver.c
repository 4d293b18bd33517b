#include "backends/opencl/saver.h"

#include <stdlib.h>
#include <string.h>

struct e2b_cl_saved {
    struct e2b_cl_saved *next;
    struct e2b_cl_key key;
    cl_program program;
};

void e2b_cl_saver_init(struct e2b_cl_saver *saver, struct e2b_cl_cache *cache) {
    memset(saver, 0, sizeof *saver);
    saver->cache = cache;
    pthread_mutex_init(&saver->lock, NULL);
}

void e2b_cl_saver_add(
    struct e2b_cl_saver *saver, const struct e2b_cl_key *key, cl_program program) {
    struct e2b_cl_saved *saved = saver->cache->folder[0] ? calloc(1, sizeof *saved) : NULL;
    if (!saved || clRetainProgram(program) != CL_SUCCESS) {
        free(saved);
        return;
    }
    saved->key = *key;
    saved->program = program;
    pthread_mutex_lock(&saver->lock);
    saved->next = saver->pending;
    saver->pending = saved;
    pthread_mutex_unlock(&saver->lock);
}

unsigned char *e2b_cl_binary_of(cl_program program, size_t *bytes) {
    *bytes = 0;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof *bytes, bytes, NULL) != CL_SUCCESS
        || *bytes == 0)
        return NULL;
    unsigned char *binary = malloc(*bytes);
    if (binary
        && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL)
            == CL_SUCCESS)
        return binary;
    free(binary);
    return NULL;
}

static struct e2b_cl_saved *take(struct e2b_cl_saver *saver) {
    pthread_mutex_lock(&saver->lock);
    struct e2b_cl_saved *saved = saver->pending;
    if (saved)
        saver->pending = saved->next;
    pthread_mutex_unlock(&saver->lock);
    return saved;
}

void e2b_cl_saver_save(struct e2b_cl_saver *saver) {
    for (struct e2b_cl_saved *saved; (saved = take(saver));) {
        size_t bytes;
        unsigned char *binary = e2b_cl_binary_of(saved->program, &bytes);
        if (binary)
            e2b_cl_cache_save(saver->cache, &saved->key, binary, bytes);
        free(binary);
        clReleaseProgram(saved->program);
        free(saved);
    }
}

void e2b_cl_saver_finish(struct e2b_cl_saver *saver) {
    e2b_cl_saver_save(saver);
    pthread_mutex_destroy(&saver->lock);
}
