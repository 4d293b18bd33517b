/* How a product of tiles of rows by panels of columns is cut into jobs, one work-item each, for
 * CPUs. */
#ifndef E2B_KERNELS_COMMON_JOBS_H
#define E2B_KERNELS_COMMON_JOBS_H

#include "kernels/launch.h"
#include "kernels/traits.h"

struct e2b_jobs {
    int64_t panel_blocks, tile_blocks; /* job = one of each */
};

/* Of a product of `tiles` by `panels`, done `times` times in one launch. Weights of one job's
 * panels stay in half the L2 cache, each compute unit gets several jobs so that all end together,
 * and no block is empty. Among such cuts the one that is most even and fetches least: weights once
 * a block of tiles, rows once a block of panels. tiles, panels and panel_bytes are 1 or more;
 * tile_bytes is what the rows of a tile take. */
struct e2b_jobs e2b_jobs_cut(const struct e2b_traits *traits, int64_t tiles, int64_t tile_bytes,
    int64_t panels, int64_t panel_bytes, int64_t times);

/* Work-groups that a launch of so many jobs has. */
int64_t e2b_job_groups(const struct e2b_traits *traits, int64_t jobs);
/* The arguments JOBS of jobs.clh, at this place among the launch's, and its grid. */
void e2b_launch_jobs(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct e2b_traits *traits, int64_t jobs);

static inline int64_t e2b_ceil_div(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

#endif
