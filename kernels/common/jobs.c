#include "kernels/common/jobs.h"

#define JOBS_PER_UNIT 8
#define DEFAULT_L2_BYTES (256 * 1024)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

struct e2b_jobs e2b_jobs_cut(const struct e2b_traits *traits, int64_t tiles, int64_t panels,
    int64_t panel_bytes, int64_t times) {
    int64_t l2 = traits->l2_bytes > 0 ? traits->l2_bytes : DEFAULT_L2_BYTES;
    int64_t units = traits->compute_units > 0 ? traits->compute_units : 1;
    int64_t wanted = e2b_ceil_div(JOBS_PER_UNIT * units, times);
    struct e2b_jobs jobs;
    jobs.panel_blocks = e2b_ceil_div(panels, clamp(l2 / 2 / panel_bytes, 1, panels));
    jobs.tile_blocks = clamp(e2b_ceil_div(wanted, jobs.panel_blocks), 1, tiles);
    if (jobs.panel_blocks * jobs.tile_blocks < wanted)
        jobs.panel_blocks = clamp(e2b_ceil_div(wanted, jobs.tile_blocks), 1, panels);
    return jobs;
}
