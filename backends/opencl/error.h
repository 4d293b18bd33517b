/* OpenCL error codes as statuses and one clear line: the call, the code's name and the way out. */
#ifndef E2B_BACKENDS_OPENCL_ERROR_H
#define E2B_BACKENDS_OPENCL_ERROR_H

#include "runtime/base/status.h"

const char *e2b_cl_error_name(int code); /* "CL_OUT_OF_RESOURCES" */

/* Fail with "<what>: <name>: <way out>"; what names the call and its object. */
enum e2b_status e2b_cl_fail_at(struct e2b_error *err, int code, const char *where, const char *what,
    ...) __attribute__((format(printf, 4, 5)));
#define e2b_cl_fail(err, code, ...) e2b_cl_fail_at(err, code, E2B_HERE, __VA_ARGS__)

#endif
