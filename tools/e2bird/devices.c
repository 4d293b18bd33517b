#include "tools/e2bird/command.h"

#include "backends/opencl/opencl.h"
#include "tools/e2bird/args.h"

#include <stdio.h>

#define MAX_DEVICES 64

static void print_traits(const struct e2b_device *device) {
    const struct e2b_traits *traits = &device->traits;
    printf("    kernels      %s, %d bytes vectors, %d in lock step, groups up to %lld\n",
        traits->is_cpu ? "shaped for a CPU" : "shaped for a GPU", traits->vector_bytes,
        traits->warp, (long long)traits->max_group);
    printf("    memory       local %lld KiB, caches %lld/%lld/%lld KiB, largest buffer %lld MiB\n",
        (long long)traits->local_bytes >> 10, (long long)traits->l1_bytes >> 10,
        (long long)traits->l2_bytes >> 10, (long long)traits->l3_bytes >> 10,
        (long long)traits->max_buffer_bytes >> 20);
    printf("    can do       fp16 storage%s%s%s",
        traits->half_arithmetic ? ", fp16 arithmetic" : "", traits->fp64 ? ", fp64" : "",
        traits->subgroups ? ", subgroups" : "");
    if (traits->ptx_sm)
        printf(", inline assembly sm_%d", traits->ptx_sm);
    printf("\n    alignment    offsets %d bytes, channels %d\n", traits->base_align_bytes,
        traits->channel_align);
    if (device->pci_address[0])
        printf("    PCI          %s\n", device->pci_address);
}

static void probe(int index) {
    char select[16];
    snprintf(select, sizeof select, "%d", index);
    struct e2b_error err = {0};
    struct e2b_device *device;
    if (e2b_opencl_open(&(struct e2b_opencl_options){.select = select}, &device, &err) != E2B_OK) {
        printf("    cannot be opened: %s\n", err.text);
        return;
    }
    print_traits(device);
    device->ops->destroy(device);
}

static void print_device(int index, const struct e2b_opencl_info *info, bool chosen) {
    printf("%s[%d] %s\n", chosen ? "* " : "  ", index, info->device);
    printf("    platform     %s, %s\n", info->platform, info->platform_version);
    printf("    driver       %s, %s\n", info->driver, info->device_version);
    printf("    kind         %s, %d compute units, %lld MiB\n",
        info->is_gpu       ? "GPU"
            : info->is_cpu ? "CPU"
                           : "accelerator",
        info->compute_units, (long long)info->memory_bytes >> 20);
    printf("    score        %d: %s\n", info->score, info->reason);
    probe(index);
}

static int devices(int argc, char **argv) {
    const char *select = "auto";
    const struct arg args[] = {
        {"--device", "SELECT", "what to choose: auto, gpu, cpu, an index or a part of a name",
            ARG_TEXT, &select, 0, 0},
        {0}};
    const struct arg_table table = {"devices",
        "Lists every OpenCL device, what it can do, and marks with * the one that would be chosen.",
        "  e2bird devices\n  e2bird devices --device cpu\n", args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_opencl_info infos[MAX_DEVICES];
    struct e2b_error err = {0};
    int count, chosen = -1;
    if (e2b_opencl_list(infos, MAX_DEVICES, &count, &err) != E2B_OK)
        return command_failed(&err);
    count = count < MAX_DEVICES ? count : MAX_DEVICES;
    bool found = e2b_opencl_choose(infos, count, select, &chosen, &err) == E2B_OK;
    for (int i = 0; i < count; i++)
        print_device(i, &infos[i], found && i == chosen);
    if (!found)
        return command_failed(&err);
    printf("\n\"%s\" chooses [%d] %s: %s\n", select, chosen, infos[chosen].device,
        infos[chosen].reason);
    return 0;
}

const struct command command_devices = {
    "devices", "list OpenCL devices, what they can do, and which one is chosen", devices};
