/* Checks of backends/device.h that every backend must pass. A backend says how to open a device and
 * gives the kernels; the suite knows nothing of either's language. */
#ifndef E2B_TESTS_BACKENDS_CONFORMANCE_H
#define E2B_TESTS_BACKENDS_CONFORMANCE_H

#include "backends/device.h"

/* The kernels that the suite launches. Buffers are of int32, offsets are uint32 in elements, i is
 * the work-item's place on the first axis: conform_count(x, x_offset, int first) x[x_offset + i] =
 * first + i conform_add(x, x_offset, y, y_offset, int times)       x[x_offset + i] += times *
 * y[y_offset + i] conform_slow(x, x_offset, int steps)                   spend time that grows with
 * steps, at 100000 more than a copy of 4 KiB; then x[x_offset + i] += 1
 */
struct e2b_conformance {
    const char *name; /* of the group of tests */
    enum e2b_status (*open)(struct e2b_device **out, struct e2b_error *err);
    const struct e2b_source *source; /* has the kernels above */
    const char *options;             /* to build it with */
    const struct e2b_source *broken; /* has an error in line 2; NULL: nothing is compiled */
};

/* Run all checks as one cmocka group on a device of its own; returns how many failed. */
int e2b_conformance_run(const struct e2b_conformance *subject);

#endif
