#include "backends/opencl/probe.h"

#include "backends/opencl/object.h"

#include <stdio.h>
#include <string.h>

extern const struct e2b_source e2b_source_probe;

/* One work-group of `items` runs `kernel`(in, out); out comes back, zero where it was not written.
 */
struct trial {
    const char *kernel, *options;
    const void *in;
    size_t in_bytes;
    void *out;
    size_t out_bytes, items;
};

struct bench {
    struct e2b_queue *queue;
    struct e2b_program *program;
    struct e2b_kernel *kernel;
    struct e2b_buffer *in, *out;
};

static enum e2b_status launch(struct e2b_device *device, const struct bench *bench,
    const struct trial *trial, struct e2b_error *err) {
    const struct e2b_device_ops *ops = device->ops;
    const size_t items[3] = {trial->items, 1, 1};
    if (ops->enqueue_write(bench->queue, bench->in, 0, trial->in, trial->in_bytes, NULL, err)
        == E2B_OK)
        ops->enqueue_fill(bench->queue, bench->out, 0, trial->out_bytes, 0, err);
    if (err->status == E2B_OK
        && ops->enqueue_kernel(bench->queue, bench->kernel, items, items, NULL, err) == E2B_OK)
        ops->enqueue_read(bench->queue, bench->out, 0, trial->out, trial->out_bytes, NULL, err);
    struct e2b_error late = {0};
    if (ops->finish(bench->queue, &late) != E2B_OK && err->status == E2B_OK)
        *err = late;
    return err->status;
}

static enum e2b_status set_up(struct e2b_device *device, struct bench *bench,
    const struct trial *trial, struct e2b_error *err) {
    const struct e2b_device_ops *ops = device->ops;
    if (ops->program_build(device, &e2b_source_probe, trial->options, &bench->program, err)
            == E2B_OK
        && ops->kernel_create(device, bench->program, trial->kernel, &bench->kernel, err) == E2B_OK
        && ops->queue_create(device, &bench->queue, err) == E2B_OK
        && ops->buffer_create(device, E2B_MEMORY_DEVICE, trial->in_bytes, &bench->in, err) == E2B_OK
        && ops->buffer_create(device, E2B_MEMORY_DEVICE, trial->out_bytes, &bench->out, err)
            == E2B_OK
        && ops->kernel_set_buffer(device, bench->kernel, 0, bench->in, err) == E2B_OK)
        ops->kernel_set_buffer(device, bench->kernel, 1, bench->out, err);
    return err->status;
}

static void tear_down(struct e2b_device *device, struct bench *bench) {
    const struct e2b_device_ops *ops = device->ops;
    ops->queue_destroy(device, bench->queue);
    ops->buffer_destroy(device, bench->in);
    ops->buffer_destroy(device, bench->out);
    ops->kernel_destroy(device, bench->kernel);
    ops->program_destroy(device, bench->program);
}

static int warp_of(struct e2b_device *device, const struct bench *bench) {
    size_t step = 1;
    clGetKernelWorkGroupInfo(bench->kernel->kernel, e2b_opencl_of(device)->id,
        CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, sizeof step, &step, NULL);
    return step > 0 ? (int)step : 1;
}

/* warp may be NULL. */
static enum e2b_status run(
    struct e2b_device *device, const struct trial *trial, int *warp, struct e2b_error *err) {
    struct bench bench = {0};
    memset(trial->out, 0, trial->out_bytes);
    if (set_up(device, &bench, trial, err) == E2B_OK)
        launch(device, &bench, trial, err);
    if (warp && err->status == E2B_OK)
        *warp = warp_of(device, &bench);
    tear_down(device, &bench);
    return err->status;
}

enum e2b_status e2b_cl_probe_basic(struct e2b_device *device, int *warp, struct e2b_error *err) {
    float in[64], out[64];
    int items = device->traits.max_group < 64 ? 1 : 64;
    for (int i = 0; i < 64; i++)
        in[i] = (float)i;
    struct trial trial = {
        "probe_basic", "-DPROBE_BASIC", in, sizeof in, out, sizeof out, (size_t)items};
    if (run(device, &trial, warp, err) != E2B_OK)
        return e2b_error_while(err, "trying the device");
    for (int i = 0; i < items; i++)
        if (out[i] != 2.0f * in[i] + 1.0f)
            return e2b_fail(err, E2B_DEVICE,
                "%s computes wrong: 2 * %g + 1 gave %g; update its driver or choose another device",
                device->traits.device, in[i], out[i]);
    return E2B_OK;
}

bool e2b_cl_probe_half(struct e2b_device *device) {
    float in[64], out[64];
    struct e2b_error err = {0};
    for (int i = 0; i < 64; i++)
        in[i] = (float)i;
    struct trial trial = {"probe_half", "-DPROBE_HALF", in, sizeof in, out, sizeof out, 64};
    if (run(device, &trial, NULL, &err) != E2B_OK)
        return false;
    for (int i = 0; i < 64; i++)
        if (out[i] != (3.0f * in[i] + 0.5f) / 2.0f)
            return false;
    return true;
}

bool e2b_cl_probe_prefetch(struct e2b_device *device) {
    float in[64] = {1}, out = 0;
    struct e2b_error err = {0};
    struct trial trial = {"probe_prefetch", "-DPROBE_PREFETCH", in, sizeof in, &out, sizeof out, 1};
    return run(device, &trial, NULL, &err) == E2B_OK && out == in[0];
}

static bool local_works(struct e2b_device *device, int64_t bytes) {
    const uint32_t factor = 2654435761U;
    uint32_t out[128], sum = 0;
    char options[64];
    struct e2b_error err = {0};
    snprintf(options, sizeof options, "-DPROBE_LOCAL=%lld", (long long)bytes);
    struct trial trial = {"probe_local", options, &factor, sizeof factor, out, sizeof out, 128};
    if (run(device, &trial, NULL, &err) != E2B_OK)
        return false;
    for (int i = 0; i < 128; i++)
        sum ^= out[i];
    for (uint32_t i = 0; i < bytes / 4; i++)
        sum ^= i * factor;
    return sum == 0;
}

static const int local_kib[] = {227, 226, 225, 224, 163, 162, 160, 99, 98, 96, 64};

int64_t e2b_cl_probe_local(struct e2b_device *device, int64_t reported) {
    for (size_t i = 0; i < sizeof local_kib / sizeof local_kib[0]; i++)
        if (local_kib[i] * 1024 > reported && local_works(device, local_kib[i] * 1024))
            return local_kib[i] * 1024;
    return reported;
}

/* Small integers as halves: A[16][16] then B[16][8]. */
static int a_at(int row, int k) {
    return (row * 3 + k) % 7;
}

static int b_at(int k, int column) {
    return (k * 5 + column * 2) % 6;
}

static bool ptx_works(struct e2b_device *device, int level) {
    static const uint16_t halves[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
    uint16_t in[256 + 128];
    float out[128];
    char options[32];
    struct e2b_error err = {0};
    for (int i = 0; i < 256; i++)
        in[i] = halves[a_at(i / 16, i % 16)];
    for (int i = 0; i < 128; i++)
        in[256 + i] = halves[b_at(i / 8, i % 8)];
    snprintf(options, sizeof options, "-DPROBE_PTX=%d", level);
    struct trial trial = {"probe_ptx", options, in, sizeof in, out, sizeof out, 32};
    if (run(device, &trial, NULL, &err) != E2B_OK)
        return false;
    for (int i = 0; i < 128; i++) {
        int sum = 0;
        for (int k = 0; k < 16; k++)
            sum += a_at(i / 8, k) * b_at(k, i % 8);
        if (out[i] != (float)sum)
            return false;
    }
    return true;
}

static bool warpgroups_work(struct e2b_device *device) {
    static const uint16_t halves[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};
    uint16_t in[72 * 64];
    float out[64 * 8];
    struct e2b_error err = {0};
    for (int i = 0; i < 64 * 64; i++)
        in[i] = halves[a_at(i / 64, i % 64)];
    for (int i = 0; i < 8 * 64; i++)
        in[64 * 64 + i] = halves[b_at(i % 64, i / 64)];
    struct trial trial = {"probe_warpgroup", "-DPROBE_WARPGROUP -DPTX_TARGET=sm_90a", in, sizeof in,
        out, sizeof out, 128};
    if (run(device, &trial, NULL, &err) != E2B_OK)
        return false;
    for (int i = 0; i < 64 * 8; i++) {
        int sum = 0;
        for (int k = 0; k < 64; k++)
            sum += a_at(i / 8, k) * b_at(k, i % 8);
        if (out[i] != (float)sum)
            return false;
    }
    return true;
}

int e2b_cl_probe_ptx(struct e2b_device *device) {
    if (!ptx_works(device, 75))
        return 0;
    if (!ptx_works(device, 80))
        return 75;
    return ptx_works(device, 90) && warpgroups_work(device) ? 90 : 80;
}

void e2b_cl_probe_version(struct e2b_cl_key *key) {
    e2b_cl_key_add(key, e2b_source_probe.text, e2b_source_probe.bytes);
    e2b_cl_key_add(key, local_kib, sizeof local_kib);
}
