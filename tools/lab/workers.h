/* Work on several processors for what shares nothing: pieces that child processes do. The caller
 * has no threads and no device open, as children have none of the threads that were there. */
#ifndef E2B_TOOLS_LAB_WORKERS_H
#define E2B_TOOLS_LAB_WORKERS_H

#include "runtime/base/status.h"
#include <stddef.h>

/* Zeroed memory that children share, where pieces leave what they found. NULL when out of memory.
 */
void *e2b_lab_shared_create(size_t bytes);
void e2b_lab_shared_destroy(void *memory, size_t bytes);

typedef enum e2b_status e2b_lab_piece_fn(void *context, int piece, struct e2b_error *err);

/* Do pieces 0 .. count - 1, each in a child, as many at once as there are processors. The first
 * failure is told; INTERNAL if a child died. */
enum e2b_status e2b_lab_workers_run(
    int count, e2b_lab_piece_fn *piece, void *context, struct e2b_error *err);

#endif
