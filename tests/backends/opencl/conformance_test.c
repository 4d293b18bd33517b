/* backends/opencl keeps the contract of backends/device.h. */
#include "tests/backends/conformance.h"

#include "backends/opencl/object.h"
#include "backends/opencl/waiter.h"
#include "tests/backends/opencl/device.h"

static const char kernels[] =
    "__kernel void conform_count(__global int *x, uint x_offset, int first) {\n"
    "    x[x_offset + get_global_id(0)] = first + (int)get_global_id(0);\n"
    "}\n"
    "__kernel void conform_add(__global int *x, uint x_offset, __global const int *y,\n"
    "    uint y_offset, int times) {\n"
    "    x[x_offset + get_global_id(0)] += times * y[y_offset + get_global_id(0)];\n"
    "}\n"
    "__kernel void conform_slow(__global int *x, uint x_offset, int steps) {\n"
    "    uint state = get_global_id(0) + 1;\n"
    "    for (int i = 0; i < steps; i++)\n"
    "        state = state * 1664525u + 1013904223u ^ state >> 16;\n"
    "    x[x_offset + get_global_id(0)] += 1 + (state == 0x12345u && steps < 0);\n"
    "}\n";
static const char nonsense[] = "__kernel void broken(__global int *x) {\n    x[0] = unknown;\n}\n";

static const struct e2b_source source = {"tests/conformance.cl", kernels, sizeof kernels - 1};
static const struct e2b_source broken = {"tests/broken.cl", nonsense, sizeof nonsense - 1};

/* As open, but a thread polls for ended events, whatever the device's profile prefers. */
static enum e2b_status open_polling(struct e2b_device **out, struct e2b_error *err) {
    if (e2b_test_open(out, err) != E2B_OK)
        return err->status;
    e2b_cl_waiter_destroy(e2b_opencl_of(*out)->waiter);
    return e2b_cl_waiter_create("", true, &e2b_opencl_of(*out)->waiter, err);
}

int main(void) {
    struct e2b_conformance subject = {
        .name = "opencl",
        .open = e2b_test_open,
        .source = &source,
        .options = "",
        .broken = &broken,
    };
    int failed = e2b_conformance_run(&subject);
    subject.name = "opencl, polling";
    subject.open = open_polling;
    return failed + e2b_conformance_run(&subject);
}
