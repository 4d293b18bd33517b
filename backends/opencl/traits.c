#include "backends/opencl/traits.h"

#include "backends/opencl/object.h"
#include "backends/opencl/probe.h"
#include "runtime/base/log.h"
#include "runtime/base/thread.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cl_nv_device_attribute_query, of which headers lack a part. */
#define NV_PCI_BUS_ID 0x4008
#define NV_PCI_SLOT_ID 0x4009
#define NV_PCI_DOMAIN_ID 0x400A

static void find_pci_address(cl_device_id device, char *out, size_t capacity) {
    cl_device_pci_bus_info_khr pci;
    out[0] = '\0';
    if (e2b_cl_device_extension(device, "cl_khr_pci_bus_info")
        && clGetDeviceInfo(device, CL_DEVICE_PCI_BUS_INFO_KHR, sizeof pci, &pci, NULL)
            == CL_SUCCESS) {
        snprintf(out, capacity, "%04x:%02x:%02x.%x", pci.pci_domain & 0xffff, pci.pci_bus & 0xff,
            pci.pci_device & 0x1f, pci.pci_function & 7);
    } else if (e2b_cl_device_extension(device, "cl_nv_device_attribute_query")) {
        unsigned domain = (unsigned)e2b_cl_device_number(device, NV_PCI_DOMAIN_ID);
        unsigned bus = (unsigned)e2b_cl_device_number(device, NV_PCI_BUS_ID);
        unsigned slot = (unsigned)e2b_cl_device_number(device, NV_PCI_SLOT_ID);
        snprintf(out, capacity, "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff, slot >> 3 & 0x1f,
            slot & 7);
    }
}

void e2b_cl_identify(struct e2b_device *device, const struct e2b_cl_found *found) {
    const struct e2b_opencl_info *info = &found->info;
    snprintf(device->identity, sizeof device->identity, "%.30s | %.90s | %.60s | %.30s | %.30s",
        info->platform, info->platform_version, info->device, info->device_version, info->driver);
    find_pci_address(found->device, device->pci_address, sizeof device->pci_address);
}

static void query_cpu(cl_device_id id, struct e2b_traits *traits) {
    const struct e2b_topology *machine = e2b_topology_get();
    int floats = (int)e2b_cl_device_number(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    traits->vector_bytes = floats > 1 ? floats * 4 : 32;
    traits->channel_align = traits->vector_bytes / 4;
    traits->warp = 1;
    traits->l1_bytes = (int64_t)machine->l1_bytes;
    traits->l2_bytes = (int64_t)machine->l2_bytes;
    traits->l3_bytes = (int64_t)machine->l3_bytes;
    if (machine->cores > 0 && traits->compute_units > machine->cores)
        traits->compute_units = machine->cores;
}

static void query_gpu(const struct e2b_opencl *device, struct e2b_traits *traits) {
    traits->channel_align = 8;
    if (!device->profile->hides_l2)
        traits->l2_bytes = e2b_cl_device_number(device->id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int alignment(const struct e2b_opencl *device) {
    int bytes = (int)(e2b_cl_device_number(device->id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8);
    if (device->profile->base_align_bytes)
        bytes = device->profile->base_align_bytes;
    return bytes < 64 ? 64 : bytes;
}

void e2b_cl_traits_query(struct e2b_opencl *device, const struct e2b_opencl_info *info) {
    struct e2b_traits *traits = &device->base.traits;
    cl_device_id id = device->id;
    snprintf(traits->device, sizeof traits->device, "%s", info->device);
    traits->is_cpu = info->is_cpu;
    traits->host_unified = e2b_cl_device_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    traits->compute_units = info->compute_units > 0 ? info->compute_units : 1;
    traits->max_group = e2b_cl_device_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    traits->parameter_bytes = e2b_cl_device_number(id, CL_DEVICE_MAX_PARAMETER_SIZE);
    traits->local_bytes = e2b_cl_device_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    traits->memory_bytes = info->memory_bytes;
    if (device->memory_limit_bytes > 0)
        traits->memory_bytes = smaller(traits->memory_bytes, device->memory_limit_bytes);
    device->memory_limit_bytes = traits->memory_bytes;
    traits->max_buffer_bytes =
        smaller(e2b_cl_device_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE), traits->memory_bytes);
    traits->fp64 = e2b_cl_device_extension(id, "cl_khr_fp64");
    traits->half_arithmetic = e2b_cl_device_extension(id, "cl_khr_fp16");
    traits->subgroups = e2b_cl_device_extension(id, "cl_khr_subgroups");
    traits->base_align_bytes = alignment(device);
    traits->launch_ns = device->profile->launch_ns;
    traits->few_arguments = device->profile->few_arguments;
    if (traits->is_cpu)
        query_cpu(id, traits);
    else
        query_gpu(device, traits);
}

#define RESULT "half %d local %lld ptx %d warp %d prefetch %d"

static struct e2b_cl_key key_of(const struct e2b_opencl *device) {
    struct e2b_cl_key key;
    e2b_cl_key_start(&key);
    e2b_cl_key_add(&key, "probe", 5);
    e2b_cl_key_add(&key, device->base.identity, strlen(device->base.identity));
    e2b_cl_probe_version(&key);
    return key;
}

static bool recall(struct e2b_opencl *device, const struct e2b_cl_key *key) {
    struct e2b_traits *traits = &device->base.traits;
    size_t bytes;
    int half, ptx, warp, prefetch;
    long long local;
    char *text = e2b_cl_cache_load(&device->cache, key, &bytes);
    if (!text)
        return false;
    text[bytes] = '\0';
    bool known = sscanf(text, RESULT, &half, &local, &ptx, &warp, &prefetch) == 5;
    free(text);
    if (!known)
        return false;
    traits->half_arithmetic = half;
    traits->local_bytes = local;
    traits->ptx_sm = ptx;
    traits->warp = warp;
    traits->prefetch = prefetch;
    return true;
}

static void remember(struct e2b_opencl *device, const struct e2b_cl_key *key) {
    const struct e2b_traits *traits = &device->base.traits;
    char text[128];
    int length = snprintf(text, sizeof text, RESULT, traits->half_arithmetic,
        (long long)traits->local_bytes, traits->ptx_sm, traits->warp, traits->prefetch);
    e2b_cl_cache_save(&device->cache, key, text, (size_t)length);
}

enum e2b_status e2b_cl_traits_probe(struct e2b_opencl *device, struct e2b_error *err) {
    struct e2b_traits *traits = &device->base.traits;
    const struct e2b_profile *profile = device->profile;
    struct e2b_cl_key key = key_of(device);
    if (recall(device, &key))
        return E2B_OK;
    if (e2b_cl_probe_basic(&device->base, &traits->warp, err) != E2B_OK)
        return err->status;
    if (traits->is_cpu) {
        traits->warp = 1;
        traits->prefetch = e2b_cl_probe_prefetch(&device->base);
    }
    if (traits->half_arithmetic || profile->hides_half)
        traits->half_arithmetic = e2b_cl_probe_half(&device->base);
    if (profile->inline_ptx)
        traits->ptx_sm = e2b_cl_probe_ptx(&device->base);
    if (profile->hides_local)
        traits->local_bytes = e2b_cl_probe_local(&device->base, traits->local_bytes);
    e2b_log(E2B_LOG_DEBUG, "opencl", "probed %s: " RESULT, traits->device, traits->half_arithmetic,
        (long long)traits->local_bytes, traits->ptx_sm, traits->warp, traits->prefetch);
    remember(device, &key);
    return E2B_OK;
}
