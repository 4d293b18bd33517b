/* Small kernels that find out what a device can do beyond what it reports. Each is compiled, run
 * and its numbers checked; whatever goes wrong means "cannot". */
#ifndef E2B_BACKENDS_OPENCL_PROBE_H
#define E2B_BACKENDS_OPENCL_PROBE_H

#include "backends/device.h"
#include "backends/opencl/cache.h"

/* The device computes at all, and its work-items run in steps of *warp. Fails if it does not. */
enum e2b_status e2b_cl_probe_basic(struct e2b_device *device, int *warp, struct e2b_error *err);
bool e2b_cl_probe_half(struct e2b_device *device); /* `half` + - * / */
bool e2b_cl_probe_prefetch(struct e2b_device *device);
int e2b_cl_probe_ptx(struct e2b_device *device);   /* 0, 75, 80 or 90, as in struct e2b_traits */
/* Bytes that a static local array may have; not less than reported. */
int64_t e2b_cl_probe_local(struct e2b_device *device, int64_t reported);

/* What results depend on: the probes' source and sizes. */
void e2b_cl_probe_version(struct e2b_cl_key *key);

#endif
