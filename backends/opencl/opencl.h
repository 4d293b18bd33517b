/* Real devices, driven through OpenCL 1.2. Enumeration and choice of a device, and the device
 * itself behind backends/device.h. No OpenCL types here: nobody else includes CL headers.
 *
 * Time: now_ns is the process's clock (e2b_clock_ns), and event times are translated onto it. The
 * offset between a device's clock and ours is measured by markers when the device is opened and
 * then corrected by every event whose times are read: an event cannot have been queued before its
 * enqueue call nor have ended after we saw it end. So drift stays within the time of such a call.
 */
#ifndef E2B_BACKENDS_OPENCL_OPENCL_H
#define E2B_BACKENDS_OPENCL_OPENCL_H

#include "backends/device.h"

struct e2b_opencl_info {
    char platform[96], platform_version[128];
    char device[128], device_version[96], driver[64];
    bool is_cpu, is_gpu;
    int compute_units;
    int64_t memory_bytes;
    int score;        /* the higher the better for "auto"; negative: cannot be used */
    char reason[160]; /* what the score comes from */
};

/* All devices of all platforms, in an order that stays while the installation does. Fills at most
 * capacity rows; *count is how many there are, 0 is no error. Any thread. */
enum e2b_status e2b_opencl_list(
    struct e2b_opencl_info *infos, int capacity, int *count, struct e2b_error *err);

/* Which of the rows `select` means, by its index: "auto" (also NULL or ""; best GPU, else the best
 * of the rest), "gpu", "cpu", a number (the index itself), or a part of "platform device", case
 * ignored. NOT_FOUND names what there is. Pure. */
enum e2b_status e2b_opencl_choose(const struct e2b_opencl_info *infos, int count,
    const char *select, int *index, struct e2b_error *err);

struct e2b_opencl_options {
    const char *select;         /* as in e2b_opencl_choose */
    const char *cache_folder;   /* NULL or "": e2b_file_cache_folder decides */
    bool no_cache;              /* neither read nor write program binaries and probe results */
    int64_t memory_limit_bytes; /* 0: all that the device has */
    bool no_times;              /* queues without profiling: event times read 0 */
};

/* Open a device: choose, probe what it can do (a second or two the first time, then cached), fill
 * its traits. A zeroed options is fine. Destroy by (*out)->ops->destroy(*out). */
enum e2b_status e2b_opencl_open(
    const struct e2b_opencl_options *options, struct e2b_device **out, struct e2b_error *err);

#endif
