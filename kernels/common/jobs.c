#include "kernels/common/jobs.h"

#include "kernels/common/unit.h"

#define JOBS_PER_UNIT 12
#define DEFAULT_L2_BYTES (256 * 1024)

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Bytes of weights that a register tile multiplies with in the time that one byte takes to fetch.
 */
#define COMPUTE_BYTES 2.5

static double cost_of(const struct e2b_jobs *jobs, int64_t tiles, int64_t tile_bytes,
    int64_t panels, int64_t panel_bytes) {
    int64_t largest =
        e2b_ceil_div(tiles, jobs->tile_blocks) * e2b_ceil_div(panels, jobs->panel_blocks);
    double computed = (double)(largest * jobs->tile_blocks * jobs->panel_blocks * panel_bytes);
    double fetched = (double)(jobs->tile_blocks * panels * panel_bytes)
        + (double)(jobs->panel_blocks * tiles * tile_bytes);
    return computed / COMPUTE_BYTES + fetched;
}

struct e2b_jobs e2b_jobs_cut(const struct e2b_traits *traits, int64_t tiles, int64_t tile_bytes,
    int64_t panels, int64_t panel_bytes, int64_t times) {
    int64_t l2 = traits->l2_bytes > 0 ? traits->l2_bytes : DEFAULT_L2_BYTES;
    int64_t units = e2b_units(traits);
    int64_t wanted = e2b_ceil_div(JOBS_PER_UNIT * units, times);
    wanted = wanted < tiles * panels ? wanted : tiles * panels;
    struct e2b_jobs best = {0};
    double least = 0;
    int64_t fewest = e2b_ceil_div(panels, clamp(l2 / 2 / panel_bytes, 1, panels));
    for (int64_t blocks = fewest; blocks <= panels; blocks++) {
        struct e2b_jobs jobs = {blocks, clamp(e2b_ceil_div(wanted, blocks), 1, tiles)};
        double cost = cost_of(&jobs, tiles, tile_bytes, panels, panel_bytes);
        if (jobs.panel_blocks * jobs.tile_blocks < wanted || (least > 0 && cost >= least))
            continue;
        best = jobs;
        least = cost;
    }
    return best;
}

int64_t e2b_job_groups(const struct e2b_traits *traits, int64_t jobs) {
    return clamp(traits->compute_units, 1, jobs);
}

void e2b_launch_jobs(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct e2b_traits *traits, int64_t jobs) {
    int taken = list->scratch_count++;
    list->scratch[taken] = (struct e2b_scratch){.bytes = sizeof(uint32_t), .persistent = true};
    e2b_launch_scratch(launch, taken);
    e2b_launch_int(launch, jobs);
    launch->jobs = jobs;
    e2b_launch_grid(launch, (size_t)e2b_job_groups(traits, jobs), 1, 1);
    e2b_launch_group(launch, 1, 1, 1);
}
