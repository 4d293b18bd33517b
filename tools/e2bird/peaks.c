#include "tools/e2bird/peaks.h"

#include "kernels/launch.h"

#include <stdio.h>

#define REPEATS 7
#define CHAINS 10
#define GPU_GROUP 256
#define GPU_GROUPS_A_UNIT 8
#define CPU_ITEMS_A_UNIT 4
#define CPU_FMA_STEPS 2000000
#define GPU_FMA_STEPS 20000
#define MOST_READ_BYTES (INT64_C(256) << 20)

extern const struct e2b_source e2b_source_peaks;

struct probe {
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct e2b_program *program;
    struct e2b_kernel *kernel;
    struct e2b_buffer *out, *in;
    size_t items, group, read_bytes;
    int lanes; /* floats in a vector */
};

static enum e2b_status prepare(struct probe *probe, struct e2b_error *err) {
    struct e2b_device *device = probe->device;
    const struct e2b_traits *traits = &device->traits;
    size_t units = (size_t)(traits->compute_units > 0 ? traits->compute_units : 1);
    probe->group = traits->is_cpu ? 1 : GPU_GROUP;
    probe->items = units * (traits->is_cpu ? CPU_ITEMS_A_UNIT : GPU_GROUP * GPU_GROUPS_A_UNIT);
    probe->lanes = traits->is_cpu && traits->vector_bytes >= 16 ? traits->vector_bytes / 4 : 4;
    char options[32];
    snprintf(options, sizeof options, "-DVECTOR=float%d", probe->lanes);
    int64_t largest = traits->max_buffer_bytes;
    probe->read_bytes = (size_t)(largest < MOST_READ_BYTES ? largest : MOST_READ_BYTES);
    if (device->ops->queue_create(device, &probe->queue, err) != E2B_OK
        || device->ops->program_build(device, &e2b_source_peaks, options, &probe->program, err)
            != E2B_OK
        || device->ops->buffer_create(
               device, E2B_MEMORY_DEVICE, probe->items * sizeof(float), &probe->out, err)
            != E2B_OK
        || device->ops->buffer_create(device, E2B_MEMORY_DEVICE, probe->read_bytes, &probe->in, err)
            != E2B_OK)
        return err->status;
    return device->ops->enqueue_fill(probe->queue, probe->in, 0, probe->read_bytes, 0, err);
}

static void release(struct probe *probe) {
    const struct e2b_device_ops *ops = probe->device->ops;
    if (probe->queue)
        ops->queue_destroy(probe->device, probe->queue);
    ops->kernel_destroy(probe->device, probe->kernel);
    ops->program_destroy(probe->device, probe->program);
    ops->buffer_destroy(probe->device, probe->in);
    ops->buffer_destroy(probe->device, probe->out);
}

/* Make the kernel and set its first two arguments: out and its offset. */
static enum e2b_status use(struct probe *probe, const char *name, struct e2b_error *err) {
    const struct e2b_device_ops *ops = probe->device->ops;
    uint32_t offset = 0;
    ops->kernel_destroy(probe->device, probe->kernel);
    probe->kernel = NULL;
    if (ops->kernel_create(probe->device, probe->program, name, &probe->kernel, err) != E2B_OK
        || ops->kernel_set_buffer(probe->device, probe->kernel, 0, probe->out, err) != E2B_OK)
        return err->status;
    return ops->kernel_set_value(probe->device, probe->kernel, 1, &offset, sizeof offset, err);
}

static enum e2b_status set_int(struct probe *probe, int index, int value, struct e2b_error *err) {
    return probe->device->ops->kernel_set_value(
        probe->device, probe->kernel, index, &value, sizeof value, err);
}

/* The shortest time of several launches. */
static enum e2b_status fastest(struct probe *probe, double *seconds, struct e2b_error *err) {
    struct e2b_device *device = probe->device;
    const size_t global[3] = {probe->items, 1, 1}, local[3] = {probe->group, 1, 1};
    *seconds = 0;
    for (int i = 0; i < REPEATS; i++) {
        int64_t start = device->ops->now_ns(device);
        if (device->ops->enqueue_kernel(probe->queue, probe->kernel, global, local, NULL, err)
                != E2B_OK
            || device->ops->finish(probe->queue, err) != E2B_OK)
            return err->status;
        double took = (double)(device->ops->now_ns(device) - start) / 1e9;
        *seconds = i == 0 || took < *seconds ? took : *seconds;
    }
    return E2B_OK;
}

static enum e2b_status measure_fma(struct probe *probe, double *gflops, struct e2b_error *err) {
    int steps = probe->device->traits.is_cpu ? CPU_FMA_STEPS : GPU_FMA_STEPS;
    float value = 1;
    double seconds;
    if (use(probe, "peak_fma", err) != E2B_OK || set_int(probe, 2, steps, err) != E2B_OK
        || probe->device->ops->kernel_set_value(
               probe->device, probe->kernel, 3, &value, sizeof value, err)
            != E2B_OK
        || fastest(probe, &seconds, err) != E2B_OK)
        return err->status;
    *gflops = 2.0 * CHAINS * probe->lanes * steps * (double)probe->items / seconds / 1e9;
    return E2B_OK;
}

static enum e2b_status measure_read(struct probe *probe, double *rate, struct e2b_error *err) {
    bool is_cpu = probe->device->traits.is_cpu;
    size_t vectors = probe->read_bytes / sizeof(float) / (size_t)probe->lanes;
    int count = (int)(vectors / probe->items);
    uint32_t offset = 0;
    double seconds;
    if (use(probe, "peak_read", err) != E2B_OK
        || probe->device->ops->kernel_set_buffer(probe->device, probe->kernel, 2, probe->in, err)
            != E2B_OK
        || probe->device->ops->kernel_set_value(
               probe->device, probe->kernel, 3, &offset, sizeof offset, err)
            != E2B_OK
        || set_int(probe, 4, count, err) != E2B_OK
        || set_int(probe, 5, is_cpu ? 1 : (int)probe->items, err) != E2B_OK
        || set_int(probe, 6, is_cpu ? count : 1, err) != E2B_OK
        || fastest(probe, &seconds, err) != E2B_OK)
        return err->status;
    *rate = (double)count * (double)probe->items * probe->lanes * sizeof(float) / seconds / 1e9;
    return E2B_OK;
}

enum e2b_status peaks_measure(struct e2b_device *device, struct peaks *out, struct e2b_error *err) {
    struct probe probe = {.device = device};
    if (prepare(&probe, err) == E2B_OK && measure_fma(&probe, &out->gflops, err) == E2B_OK)
        measure_read(&probe, &out->gbytes_per_s, err);
    release(&probe);
    return err->status == E2B_OK ? E2B_OK : e2b_error_while(err, "measuring the device's limits");
}
