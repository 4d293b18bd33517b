/* Inside the pooling family: variants that have a file of their own. */
#ifndef E2B_KERNELS_POOL_VARIANTS_H
#define E2B_KERNELS_POOL_VARIANTS_H

#include "kernels/pool/pool.h"

/* GPU: a work-item makes a tile of outputs; small windows. */
bool e2b_pool_tiles_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes);
enum e2b_status e2b_pool_tiles_emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err);
int e2b_pool_tiles_candidates(const struct e2b_call *call);

/* Work and least traffic of a pool's launch. */
void e2b_pool_count_work(const struct e2b_call *call, struct e2b_launch *launch);

#endif
