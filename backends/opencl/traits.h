/* Fill a device's traits, address and identity: queries of the runtime, then probes that run small
 * kernels and check what they computed. Probe results are cached. */
#ifndef E2B_BACKENDS_OPENCL_TRAITS_H
#define E2B_BACKENDS_OPENCL_TRAITS_H

#include "backends/opencl/platform.h"

struct e2b_opencl;

void e2b_cl_identify(struct e2b_device *device, const struct e2b_cl_found *found);
/* Needs the identity, the profile and a memory limit (0: none). */
void e2b_cl_traits_query(struct e2b_opencl *device, const struct e2b_opencl_info *info);
/* Needs all of the device but its waiter. */
enum e2b_status e2b_cl_traits_probe(struct e2b_opencl *device, struct e2b_error *err);

#endif
