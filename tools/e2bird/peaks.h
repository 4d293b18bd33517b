/* The device's measured limits, for reports. */
#ifndef E2B_TOOLS_PEAKS_H
#define E2B_TOOLS_PEAKS_H

#include "backends/device.h"

struct peaks {
    double gflops;       /* fp32 fused multiply-adds, two operations each */
    double gbytes_per_s; /* reading a block of memory far larger than the caches */
};

/* Takes about a second. */
enum e2b_status peaks_measure(struct e2b_device *device, struct peaks *out, struct e2b_error *err);

#endif
