/* Instructions of a target that a driver's compiler does not choose, though its assembler knows it.
 * A program with -DPTX_TARGET=sm_90a among its options writes them as inline assembly behind
 * "// @ptx ", operands and all: a comment to the compiler, which yet gives it registers. The PTX
 * text that comes out is then built again with the comments opened and the target changed. */
#ifndef E2B_BACKENDS_OPENCL_PTX_H
#define E2B_BACKENDS_OPENCL_PTX_H

#include <stdbool.h>
#include <stddef.h>

/* The target that the options ask for; false if none. */
bool e2b_ptx_target(const char *options, char *target, size_t capacity);

/* The text for that target, NUL-terminated and malloc'ed; NULL when out of memory. text need not be
 * terminated. bytes receives its length with the NUL. */
char *e2b_ptx_retarget(const char *text, size_t length, const char *target, size_t *bytes);

#endif
