/* Runs PTX text on the host, thread by thread, so that kernels with inline assembly can
 * be checked where there is none. It knows the instructions that clang and our inline
 * assembly write, and refuses others by name. Accesses are checked against the memory that was
 * given. Asynchronous copies and products happen as early or as late as the rules allow, as asked;
 * groups run in slices side by side, as many as are resident. Semantics: PTX ISA. */
#ifndef E2B_TESTS_PTX_PTX_H
#define E2B_TESTS_PTX_PTX_H

#include "runtime/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ptx_program;

/* One .entry of the text. */
enum e2b_status ptx_parse(
    const char *text, const char *kernel, struct ptx_program **out, struct e2b_error *err);
void ptx_destroy(struct ptx_program *program); /* NULL is fine */

int ptx_parameter_count(const struct ptx_program *program);

struct ptx_memory {
    const void *begin;
    size_t bytes;
};

#define PTX_PARAMETER_BYTES 256 /* that one may have */

struct ptx_launch {
    const unsigned char *parameters; /* PTX_PARAMETER_BYTES each; buffers by their address */
    uint32_t groups[3], threads[3];
    const struct ptx_memory *memory; /* what may be accessed */
    int memory_count;
    int resident; /* groups that run side by side */
    bool late;    /* asynchronous work is done when it is waited for; else at once */
};

enum e2b_status ptx_run(
    const struct ptx_program *program, const struct ptx_launch *launch, struct e2b_error *err);

#endif
