/* Library routines behind a kernel's interface. Without CLBlast at build time there are none. */
#ifndef E2B_BACKENDS_OPENCL_ROUTINE_H
#define E2B_BACKENDS_OPENCL_ROUTINE_H

#include "backends/opencl/object.h"

void e2b_routine_destroy(struct e2b_routine *routine);
enum e2b_status e2b_routine_set_buffer(
    struct e2b_routine *routine, int index, struct e2b_buffer *buffer, struct e2b_error *err);
enum e2b_status e2b_routine_set_value(
    struct e2b_routine *routine, int index, const void *value, size_t bytes, struct e2b_error *err);
/* event as in clEnqueueNDRangeKernel. */
enum e2b_status e2b_routine_enqueue(const struct e2b_routine *routine, cl_command_queue queue,
    cl_event *event, struct e2b_error *err);

#endif
