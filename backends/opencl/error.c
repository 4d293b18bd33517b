#include "backends/opencl/error.h"

#include "backends/opencl/profile.h"

#include <CL/cl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#define NO_PLATFORM -1001 /* CL_PLATFORM_NOT_FOUND_KHR, of the loader */

static const char ours[] = "this is a fault of e2bird, please report it";
static const char lost[] =
    "the device was lost or reset; restart the server, and see the kernel log";

/* Codes that need a status or a way out of their own come first; all others are our own misuse. */
static const struct row {
    int code;
    const char *name;
    enum e2b_status status;
    const char *way_out;
} rows[] = {
#define ROW(name, status, way_out) {name, #name, status, way_out},
    ROW(CL_DEVICE_NOT_FOUND, E2B_NOT_FOUND, "the platform has no such device") ROW(
        CL_DEVICE_NOT_AVAILABLE, E2B_DEVICE,
        "another process may hold the device alone") ROW(CL_COMPILER_NOT_AVAILABLE, E2B_UNSUPPORTED,
        "the platform was installed without compiler") ROW(CL_LINKER_NOT_AVAILABLE, E2B_UNSUPPORTED,
        "the platform was installed without linker") ROW(CL_MEM_OBJECT_ALLOCATION_FAILURE,
        E2B_NO_MEMORY, "the device is out of memory; serve fewer models or smaller batches")
        ROW(CL_OUT_OF_HOST_MEMORY, E2B_NO_MEMORY, "the host is out of memory") ROW(
            CL_OUT_OF_RESOURCES, E2B_DEVICE,
            "the launch needs more registers, local memory or memory than there is, or the device "
            "was lost") ROW(CL_INVALID_COMMAND_QUEUE, E2B_DEVICE, lost) ROW(CL_INVALID_CONTEXT,
            E2B_DEVICE, lost) ROW(CL_INVALID_DEVICE, E2B_DEVICE,
            lost) ROW(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, E2B_DEVICE,
            "work that it waited for failed") ROW(CL_BUILD_PROGRAM_FAILURE, E2B_INTERNAL,
            "see the build log (log level debug)") ROW(CL_INVALID_BUFFER_SIZE, E2B_NO_MEMORY,
            "larger than the device's largest buffer") ROW(CL_INVALID_WORK_GROUP_SIZE, E2B_INVALID,
            "the work-group is too large or divides not the grid") ROW(CL_INVALID_WORK_ITEM_SIZE,
            E2B_INVALID, "a side of the work-group is too large") ROW(CL_INVALID_GLOBAL_WORK_SIZE,
            E2B_INVALID, "a side of the grid is 0 or too large") ROW(CL_INVALID_KERNEL_NAME,
            E2B_NOT_FOUND, "the program has no kernel of this name") ROW(CL_INVALID_KERNEL_ARGS,
            E2B_INVALID, "not all arguments were set") ROW(CL_INVALID_ARG_INDEX, E2B_INVALID,
            "the kernel has fewer arguments") ROW(CL_INVALID_ARG_SIZE, E2B_INVALID,
            "the value's size is not that of the argument") ROW(CL_INVALID_ARG_VALUE, E2B_INVALID,
            "the value does not suit the argument") ROW(CL_INVALID_VALUE, E2B_INVALID,
            "a size or an offset is outside the buffer") ROW(CL_INVALID_BINARY, E2B_INTERNAL,
            "delete the program cache") ROW(NO_PLATFORM, E2B_NOT_FOUND,
            E2B_PROFILE_INSTALL) ROW(CL_IMAGE_FORMAT_MISMATCH, E2B_INTERNAL,
            ours) ROW(CL_IMAGE_FORMAT_NOT_SUPPORTED, E2B_INTERNAL,
            ours) ROW(CL_PROFILING_INFO_NOT_AVAILABLE, E2B_INTERNAL, ours) ROW(CL_MEM_COPY_OVERLAP,
            E2B_INTERNAL, ours) ROW(CL_MAP_FAILURE, E2B_NO_MEMORY,
            "host memory could not be pinned; see ulimit -l") ROW(CL_MISALIGNED_SUB_BUFFER_OFFSET,
            E2B_INTERNAL, ours) ROW(CL_COMPILE_PROGRAM_FAILURE, E2B_INTERNAL,
            ours) ROW(CL_LINK_PROGRAM_FAILURE, E2B_INTERNAL, ours) ROW(CL_DEVICE_PARTITION_FAILED,
            E2B_INTERNAL, ours) ROW(CL_KERNEL_ARG_INFO_NOT_AVAILABLE, E2B_INTERNAL, ours)
            ROW(CL_INVALID_DEVICE_TYPE, E2B_INTERNAL, ours) ROW(CL_INVALID_PLATFORM, E2B_INTERNAL,
                ours) ROW(CL_INVALID_QUEUE_PROPERTIES, E2B_UNSUPPORTED,
                "the device has no such queues") ROW(CL_INVALID_HOST_PTR, E2B_INTERNAL, ours)
                ROW(CL_INVALID_MEM_OBJECT, E2B_INTERNAL, ours) ROW(CL_INVALID_BUILD_OPTIONS,
                    E2B_INVALID, "the compiler does not know one of the options")
                    ROW(CL_INVALID_PROGRAM, E2B_INTERNAL, ours) ROW(CL_INVALID_PROGRAM_EXECUTABLE,
                        E2B_INTERNAL, ours) ROW(CL_INVALID_KERNEL_DEFINITION, E2B_INTERNAL, ours)
                        ROW(CL_INVALID_KERNEL, E2B_INTERNAL, ours) ROW(CL_INVALID_WORK_DIMENSION,
                            E2B_INTERNAL, ours) ROW(CL_INVALID_GLOBAL_OFFSET, E2B_INTERNAL, ours)
                            ROW(CL_INVALID_EVENT_WAIT_LIST, E2B_INTERNAL, ours)
                                ROW(CL_INVALID_EVENT, E2B_INTERNAL, ours) ROW(CL_INVALID_OPERATION,
                                    E2B_INTERNAL, ours) ROW(CL_INVALID_PROPERTY, E2B_INTERNAL, ours)
#undef ROW
};

static const struct row *find(int code) {
    static const struct row unknown = {0, "an unknown OpenCL error", E2B_DEVICE, lost};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return &rows[i];
    return &unknown;
}

const char *e2b_cl_error_name(int code) {
    return find(code)->name;
}

enum e2b_status e2b_cl_fail_at(
    struct e2b_error *err, int code, const char *where, const char *what, ...) {
    const struct row *row = find(code);
    char text[160];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    return e2b_error_set(
        err, row->status, code, where, "%s: %s (%d): %s", text, row->name, code, row->way_out);
}
