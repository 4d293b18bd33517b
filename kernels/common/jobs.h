/* How a product of tiles of rows by panels of columns is cut into jobs, one work-item each, for
 * CPUs. */
#ifndef E2B_KERNELS_COMMON_JOBS_H
#define E2B_KERNELS_COMMON_JOBS_H

#include "kernels/traits.h"

struct e2b_jobs {
    int64_t panel_blocks, tile_blocks; /* job = one of each */
};

/* Weights of one job's panels stay in half the L2 cache, each compute unit gets several jobs so
 * that all end together, and no block is empty. tiles, panels and panel_bytes are 1 or more;
 * `times` is how often the whole product is done in one launch. */
struct e2b_jobs e2b_jobs_cut(const struct e2b_traits *traits, int64_t tiles, int64_t panels,
    int64_t panel_bytes, int64_t times);

static inline int64_t e2b_ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

#endif
