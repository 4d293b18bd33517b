#include "kernels/common/windows.h"

#include "kernels/common/jobs.h"
#include "kernels/common/octets.h"

#include <stdio.h>

#define GROUP 128          /* work-items */
#define ITEMS_PER_UNIT 256 /* that a compute unit, or a merged launch on it, has at once */
#define MOST_INPUTS 56     /* of a tile, as they are in registers or on their way there at once */
#define MOST_TRIED 96      /* by the tuner */
#define OVERHEAD 16        /* of a work-item, in loads */
#define MOST_REGISTERS 128 /* of a work-item, so that enough of them share a unit */

/* The first is for windows that are too large for others. */
static const struct e2b_windows_tile tiles[] = {{2, 1, 1}, {2, 1, 4}, {2, 2, 2}, {2, 2, 4},
    {2, 2, 7}, {2, 4, 4}, {2, 3, 6}, {2, 4, 6}, {2, 5, 5}, {2, 4, 7}, {2, 7, 7}, {4, 4, 4}};
/* Of merged launches. They are short, so that it counts how much a compute unit has to fetch that
 * runs a kernel for the first time: few instructions. */
static const struct e2b_windows_tile merged[2][3] = {
    {{8, 1, 1}, {8, 1, 2}, {8, 2, 2}}, {{4, 1, 2}, {4, 2, 2}, {4, 2, 4}}};
#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

int e2b_windows_candidates(void) {
    return 1 + COUNT(tiles);
}

static int64_t items_of(const struct e2b_windows *windows, const struct e2b_windows_tile *tile) {
    return windows->samples * e2b_ceil_div(windows->out[0], tile->rows)
        * e2b_ceil_div(windows->out[1], tile->pixels) * (windows->channels / tile->lanes);
}

/* Lines or columns that a tile reads. */
static int64_t span(const struct e2b_windows *windows, int dimension, int outputs) {
    int64_t taps = windows->kernel[dimension];
    return outputs == 1 ? taps
                        : (outputs - 1) * windows->stride[dimension]
            + (taps - 1) * windows->dilation[dimension] + 1;
}

static int64_t inputs_of(const struct e2b_windows *windows, const struct e2b_windows_tile *tile) {
    return span(windows, 0, tile->rows) * span(windows, 1, tile->pixels);
}

/* Loads that a work-item makes, and those that run after it in its place. */
static double cost(
    const struct e2b_windows *windows, const struct e2b_windows_tile *tile, int64_t at_once) {
    int64_t taps = windows->weighted ? windows->kernel[0] * windows->kernel[1] : 0;
    double rounds = (double)items_of(windows, tile) / (double)at_once;
    return (double)(OVERHEAD + inputs_of(windows, tile) + taps) * (rounds > 1 ? rounds : 1);
}

static const struct e2b_windows_tile *best(const struct e2b_windows *windows, int64_t at_once) {
    int chosen = 0;
    for (int i = 1; i < COUNT(tiles); i++)
        if (inputs_of(windows, &tiles[i]) <= MOST_INPUTS && tiles[i].lanes == tiles[0].lanes
            && (chosen == 0
                || cost(windows, &tiles[i], at_once) < cost(windows, &tiles[chosen], at_once)))
            chosen = i;
    return &tiles[chosen];
}

/* The smallest whose work-items are all at once on the device. */
static const struct e2b_windows_tile *best_merged(
    const struct e2b_windows *windows, int64_t at_once) {
    const struct e2b_windows_tile *from = merged[windows->weighted];
    int chosen = 0;
    while (chosen + 1 < COUNT(merged[0]) && items_of(windows, &from[chosen]) > at_once
        && inputs_of(windows, &from[chosen + 1]) <= MOST_INPUTS)
        chosen++;
    return &from[chosen];
}

struct e2b_windows_tile e2b_windows_tile(
    const struct e2b_traits *traits, const struct e2b_windows *windows, int candidate) {
    int64_t at_once = (int64_t)ITEMS_PER_UNIT * traits->compute_units;
    if (candidate > 0 && inputs_of(windows, &tiles[candidate - 1]) <= MOST_TRIED)
        return tiles[candidate - 1];
    return windows->merged ? *best_merged(windows, at_once) : *best(windows, at_once);
}

void e2b_windows_options(const struct e2b_traits *traits, const struct e2b_windows *windows,
    const struct e2b_windows_tile *tile, char options[E2B_WINDOWS_OPTIONS]) {
    int length = snprintf(options, E2B_WINDOWS_OPTIONS,
        "-DTILE=%d,%d,%d -DKERNEL=%d,%d -DSTRIDES=%d,%d -DDILATIONS=%d,%d%s", tile->lanes,
        tile->rows, tile->pixels, (int)windows->kernel[0], (int)windows->kernel[1],
        (int)windows->stride[0], (int)windows->stride[1], (int)windows->dilation[0],
        (int)windows->dilation[1], e2b_octets_option(traits));
    if (windows->merged)
        return;
    char limit[32] = "";
    if (traits->ptx_sm > 0)
        snprintf(limit, sizeof limit, " -cl-nv-maxrregcount=%d", MOST_REGISTERS);
    int room = E2B_WINDOWS_OPTIONS - length;
    int more = snprintf(options + length, (size_t)room,
        "%s -DCHANNELS=%d -DIMAGE=%d,%d -DRESULT=%d,%d -DPADS=%d,%d -DSTEPS=%d,%d,%d,%d", limit,
        (int)windows->channels, (int)windows->in[0], (int)windows->in[1], (int)windows->out[0],
        (int)windows->out[1], (int)windows->pad[0], (int)windows->pad[1], (int)windows->in_step[0],
        (int)windows->in_step[1], (int)windows->out_step[0], (int)windows->out_step[1]);
    if (more >= room)
        options[length] = 0;
}

void e2b_windows_grid(struct e2b_launch *launch, const struct e2b_windows *windows,
    const struct e2b_windows_tile *tile) {
    e2b_launch_grid(launch, (size_t)items_of(windows, tile), 1, 1);
    e2b_launch_group(launch, GROUP, 1, 1);
}
