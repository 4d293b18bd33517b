/* The OpenCL devices of this machine with the handles that opencl.h hides. */
#ifndef E2B_BACKENDS_OPENCL_PLATFORM_H
#define E2B_BACKENDS_OPENCL_PLATFORM_H

#include "backends/opencl/opencl.h"
#include <CL/cl.h>

struct e2b_cl_found {
    cl_platform_id platform;
    cl_device_id device;
    struct e2b_opencl_info info;
};

/* All devices, in the order of e2b_opencl_list; *out is freed by the caller. */
enum e2b_status e2b_cl_find(struct e2b_cl_found **out, int *count, struct e2b_error *err);

/* A text property, "" where the device has none. */
void e2b_cl_device_text(cl_device_id device, cl_device_info what, char *out, size_t capacity);
/* A number of any integer width, 0 where the device has none. */
int64_t e2b_cl_device_number(cl_device_id device, cl_device_info what);
bool e2b_cl_device_extension(cl_device_id device, const char *name);

#endif
