#include "kernels/common/octets.h"

#include "kernels/common/jobs.h"

#define GROUP 128           /* work-items, */
#define MAX_LINES 64        /* of which a group may have so many along dimension 2 */
#define ITEMS_PER_UNIT 1024 /* that keep a compute unit's memory accesses busy */
#define MERGED_MAX_COLUMNS 6
#define MERGED_ITEMS_PER_UNIT 256 /* that a merged launch has */
#define MAX_COLUMNS 10            /* inputs of a line that a work-item's registers hold */
#define MAX_OCTETS 256            /* of a group that is as wide as they are */
#define PTX_SM 80

static const int runs[] = {2, 4, 7, 8};
#define RUN_COUNT ((int)(sizeof runs / sizeof runs[0]))

bool e2b_octets_aligned(const struct e2b_tensor *tensor) {
    for (int i = 0; i < tensor->shape.rank; i++)
        if (i != 1 && tensor->stride[i] % E2B_OCTET)
            return false;
    return true;
}

const char *e2b_octets_option(const struct e2b_traits *traits) {
    return traits->ptx_sm >= PTX_SM ? " -DPTX" : "";
}

int e2b_octets_runs(void) {
    return RUN_COUNT;
}

static int64_t columns(const struct e2b_octet_windows *windows, int run) {
    return (run - 1) * windows->stride + (windows->kernel - 1) * windows->dilation + 1;
}

int e2b_octets_run(
    const struct e2b_traits *traits, const struct e2b_octet_windows *windows, int candidate) {
    int64_t wanted =
        (int64_t)traits->compute_units * (windows->merged ? MERGED_ITEMS_PER_UNIT : ITEMS_PER_UNIT);
    int64_t width = windows->width;
    if (candidate > 0 && candidate <= RUN_COUNT)
        return runs[candidate - 1];
    int best = 1;
    int most = windows->merged ? MERGED_MAX_COLUMNS : MAX_COLUMNS;
    for (int i = 0; i < RUN_COUNT && columns(windows, runs[i]) <= most; i++) {
        int64_t items = e2b_ceil_div(width, runs[i]);
        if (windows->lines * windows->octets * items >= wanted
            && (items * runs[i] - width) * 8 <= width)
            best = runs[i];
    }
    return best;
}

void e2b_octets_grid(struct e2b_launch *launch, const struct e2b_octet_windows *windows, int run) {
    size_t octets = (size_t)windows->octets, width = (size_t)windows->width, x = 1, y = 1;
    e2b_launch_grid(
        launch, octets, (width + (size_t)run - 1) / (size_t)run, (size_t)windows->lines);
    if (windows->merged && octets <= MAX_OCTETS) {
        size_t lines = (GROUP + octets - 1) / octets;
        e2b_launch_group(launch, octets, 1, lines < MAX_LINES ? lines : MAX_LINES);
        return;
    }
    while (x < octets && x < GROUP)
        x *= 2;
    while (x * y < GROUP && y * (size_t)run < width)
        y *= 2;
    size_t lines = GROUP / (x * y);
    e2b_launch_group(launch, x, y, lines < MAX_LINES ? lines : MAX_LINES);
}
