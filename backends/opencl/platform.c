#include "backends/opencl/platform.h"

#include "backends/opencl/error.h"
#include "backends/opencl/profile.h"
#include "runtime/base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PLATFORMS 32
#define MAX_DEVICES 64 /* a platform */

void e2b_cl_device_text(cl_device_id device, cl_device_info what, char *out, size_t capacity) {
    size_t bytes = 0;
    out[0] = '\0';
    if (clGetDeviceInfo(device, what, 0, NULL, &bytes) != CL_SUCCESS || bytes == 0)
        return;
    char *text = calloc(bytes + 1, 1);
    if (text && clGetDeviceInfo(device, what, bytes, text, NULL) == CL_SUCCESS)
        snprintf(out, capacity, "%s", text);
    free(text);
}

int64_t e2b_cl_device_number(cl_device_id device, cl_device_info what) {
    uint64_t value = 0;
    if (clGetDeviceInfo(device, what, sizeof value, &value, NULL) != CL_SUCCESS)
        return 0;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

bool e2b_cl_device_extension(cl_device_id device, const char *name) {
    char text[8192];
    size_t length = strlen(name);
    e2b_cl_device_text(device, CL_DEVICE_EXTENSIONS, text, sizeof text);
    for (const char *at = text; (at = strstr(at, name)); at += length)
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void score(cl_device_id device, struct e2b_opencl_info *info) {
    bool works = e2b_cl_device_number(device, CL_DEVICE_AVAILABLE)
        && e2b_cl_device_number(device, CL_DEVICE_COMPILER_AVAILABLE);
    if (!works) {
        info->score = -1;
        snprintf(info->reason, sizeof info->reason, "not available, or without a compiler");
        return;
    }
    bool own_memory = !e2b_cl_device_number(device, CL_DEVICE_HOST_UNIFIED_MEMORY);
    int kind = info->is_gpu ? 10000 : info->is_cpu ? 1000 : 500;
    int memory = info->is_gpu && own_memory ? 5000 : 0;
    int units = info->compute_units < 999 ? info->compute_units : 999;
    int penalty = e2b_profile_find(info->platform)->penalty * 20;
    info->score = kind + memory + units - penalty;
    snprintf(info->reason, sizeof info->reason, "%s %d%s, %d compute units%s",
        info->is_gpu       ? "GPU"
            : info->is_cpu ? "CPU"
                           : "accelerator",
        kind, memory ? ", memory of its own 5000" : "", units,
        penalty ? ", less for a platform that simulates" : "");
    if (info->score < 0)
        info->score = 0;
}

static void platform_text(
    cl_platform_id platform, cl_platform_info what, char *out, size_t capacity) {
    char text[1024] = "";
    clGetPlatformInfo(platform, what, sizeof text, text, NULL);
    snprintf(out, capacity, "%s", text);
}

static void describe(cl_platform_id platform, cl_device_id device, struct e2b_opencl_info *info) {
    platform_text(platform, CL_PLATFORM_NAME, info->platform, sizeof info->platform);
    platform_text(
        platform, CL_PLATFORM_VERSION, info->platform_version, sizeof info->platform_version);
    e2b_cl_device_text(device, CL_DEVICE_NAME, info->device, sizeof info->device);
    e2b_cl_device_text(
        device, CL_DEVICE_VERSION, info->device_version, sizeof info->device_version);
    e2b_cl_device_text(device, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    int64_t type = e2b_cl_device_number(device, CL_DEVICE_TYPE);
    info->is_cpu = type & CL_DEVICE_TYPE_CPU;
    info->is_gpu = (type & CL_DEVICE_TYPE_GPU) && !info->is_cpu;
    info->compute_units = (int)e2b_cl_device_number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->memory_bytes = e2b_cl_device_number(device, CL_DEVICE_GLOBAL_MEM_SIZE);
    score(device, info);
}

static enum e2b_status add_devices(
    cl_platform_id platform, struct e2b_cl_found **found, int *count, struct e2b_error *err) {
    cl_device_id devices[MAX_DEVICES];
    cl_uint n = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices, &n) != CL_SUCCESS)
        return E2B_OK;
    n = n > MAX_DEVICES ? MAX_DEVICES : n;
    struct e2b_cl_found *more = realloc(*found, ((size_t)*count + n + 1) * sizeof *more);
    if (!more)
        return e2b_fail_memory(err, "the list of OpenCL devices");
    *found = more;
    for (cl_uint i = 0; i < n; i++) {
        struct e2b_cl_found *one = &more[(*count)++];
        *one = (struct e2b_cl_found){.platform = platform, .device = devices[i]};
        describe(platform, devices[i], &one->info);
    }
    return E2B_OK;
}

enum e2b_status e2b_cl_find(struct e2b_cl_found **out, int *count, struct e2b_error *err) {
    cl_platform_id platforms[MAX_PLATFORMS];
    cl_uint n = 0;
    *out = NULL;
    *count = 0;
    if (clGetPlatformIDs(MAX_PLATFORMS, platforms, &n) != CL_SUCCESS)
        n = 0;
    for (cl_uint i = 0; i < n && i < MAX_PLATFORMS; i++)
        if (add_devices(platforms[i], out, count, err) != E2B_OK) {
            free(*out);
            *out = NULL;
            return err->status;
        }
    return E2B_OK;
}

enum e2b_status e2b_opencl_list(
    struct e2b_opencl_info *infos, int capacity, int *count, struct e2b_error *err) {
    struct e2b_cl_found *found;
    e2b_profile_prepare();
    if (e2b_cl_find(&found, count, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < *count && i < capacity; i++)
        infos[i] = found[i].info;
    free(found);
    return E2B_OK;
}

static bool fits(const struct e2b_opencl_info *info, const char *select) {
    char name[sizeof info->platform + sizeof info->device + 1];
    if (!strcasecmp(select, "auto"))
        return true;
    if (!strcasecmp(select, "gpu"))
        return info->is_gpu;
    if (!strcasecmp(select, "cpu"))
        return info->is_cpu;
    snprintf(name, sizeof name, "%s %s", info->platform, info->device);
    return strcasestr(name, select);
}

static enum e2b_status nothing(
    const struct e2b_opencl_info *infos, int count, const char *select, struct e2b_error *err) {
    struct e2b_text names = {0};
    if (count == 0)
        return e2b_fail(err, E2B_NOT_FOUND,
            E2B_PROFILE_INSTALL " (or, if clinfo lists one, its devices cannot be opened)");
    for (int i = 0; i < count; i++)
        e2b_text_add(&names, "%s%d \"%s %s\"%s", i ? ", " : "", i, infos[i].platform,
            infos[i].device, infos[i].score < 0 ? " (unusable)" : "");
    enum e2b_status status = e2b_fail(err, E2B_NOT_FOUND,
        "device \"%s\" is none of auto, gpu, cpu, or by number or part of the name: %s", select,
        names.failed ? "?" : names.data);
    e2b_text_finish(&names);
    return status;
}

enum e2b_status e2b_opencl_choose(const struct e2b_opencl_info *infos, int count,
    const char *select, int *index, struct e2b_error *err) {
    if (!select || !select[0])
        select = "auto";
    char *end;
    long number = strtol(select, &end, 10);
    bool by_number = *end == '\0';
    int best = -1;
    for (int i = 0; i < count; i++) {
        bool wanted = by_number ? number == i : fits(&infos[i], select);
        if (wanted && infos[i].score >= 0 && (best < 0 || infos[i].score > infos[best].score))
            best = i;
    }
    if (best < 0)
        return nothing(infos, count, select, err);
    *index = best;
    return E2B_OK;
}
