/* Constants as implicit GEMM on tensor cores reads them (mma.h): weights in the order of a tile's
 * stages, and numbers for each column. Internal to mma.c. */
#ifndef E2B_KERNELS_COMMON_MMA_PACK_H
#define E2B_KERNELS_COMMON_MMA_PACK_H

#include "kernels/common/mma_tile.h"

/* Weights, in two halves followed by the power of two that each column is multiplied with. Returns
 * the packing's index, -1 when out of memory. */
int e2b_mma_add_weights(const struct e2b_call *call, const struct e2b_mma_problem *problem,
    const struct e2b_mma_tile *tile, const struct e2b_mma_shape *shape,
    struct e2b_launch_list *list);

/* A float for each column up to `bytes`: the sum over channels of from[0], the weights, times
 * from[1], plus `scale` times from[2], plus from[3]; any may be NULL. `rounded`: weights to fp16,
 * as they are multiplied. Returns as above. */
int e2b_mma_add_columns(const struct e2b_mma_problem *problem,
    const struct e2b_constant *const from[4], float scale, bool rounded, size_t bytes,
    struct e2b_launch_list *list);

#endif
