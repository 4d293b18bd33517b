/* backends/sim keeps the contract of backends/device.h; in real time, as the suite waits for
 * notices. */
#include "tests/backends/conformance.h"

#include "backends/sim/sim.h"

static void count(void *context, const struct e2b_sim_args *args) {
    (void)context;
    int32_t *x = (int32_t *)args->list[0].buffer + e2b_sim_int(args, 1);
    for (size_t i = 0; i < args->global[0]; i++)
        x[i] = e2b_sim_int(args, 2) + (int32_t)i;
}

static void add(void *context, const struct e2b_sim_args *args) {
    (void)context;
    int32_t *x = (int32_t *)args->list[0].buffer + e2b_sim_int(args, 1);
    const int32_t *y = (const int32_t *)args->list[2].buffer + e2b_sim_int(args, 3);
    for (size_t i = 0; i < args->global[0]; i++)
        x[i] += e2b_sim_int(args, 4) * y[i];
}

static void slow(void *context, const struct e2b_sim_args *args) {
    (void)context;
    int32_t *x = (int32_t *)args->list[0].buffer + e2b_sim_int(args, 1);
    for (size_t i = 0; i < args->global[0]; i++)
        x[i]++;
}

static int64_t slow_cost(void *context, const struct e2b_sim_args *args) {
    (void)context;
    return e2b_sim_int(args, 2);
}

static const struct e2b_sim_kernel kernels[] = {
    {.name = "conform_count", .run = count, .cost_ns = 1000, .arg_count = 3},
    {.name = "conform_add", .run = add, .cost_ns = 1000, .arg_count = 5},
    {.name = "conform_slow", .run = slow, .cost = slow_cost, .arg_count = 3},
};

static enum e2b_status open_sim(struct e2b_device **out, struct e2b_error *err) {
    const struct e2b_sim_options options = {
        .kernels = kernels,
        .kernel_count = 3,
        .copy_ns = 1000,
        .copy_bytes_per_ns = 4,
        .real_time_speed = 1,
    };
    return e2b_sim_create(&options, out, err);
}

int main(void) {
    static const struct e2b_source source = {"conformance.cl", "", 0};
    const struct e2b_conformance subject = {
        .name = "sim", .open = open_sim, .source = &source, .options = ""};
    return e2b_conformance_run(&subject);
}
