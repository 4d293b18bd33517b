/* A simulated device with two queues, a buffer and two kernels, made anew for each test. */
#ifndef E2B_TESTS_BACKENDS_SIM_RIG_H
#define E2B_TESTS_BACKENDS_SIM_RIG_H

#include "backends/sim/sim.h"
#include "tests/support.h"

struct rig {
    struct e2b_device *device;
    const struct e2b_device_ops *ops;
    struct e2b_queue *a, *b;
    struct e2b_buffer *buffer;  /* 64 bytes */
    struct e2b_kernel *add;     /* (buffer, int): adds to the first int; 100 ns */
    struct e2b_kernel *crowded; /* 100 ns, and 50 more for each kernel that runs already */
    struct e2b_kernel *shared;  /* 100 ns, takes three quarters of the device */
    struct e2b_kernel *slow;    /* 100 ns, and 40 of who enqueues it */
    struct e2b_error err;
};

static void rig_add(void *context, const struct e2b_sim_args *args) {
    (void)context;
    *(int32_t *)args->list[0].buffer += e2b_sim_int(args, 1);
}

static int64_t rig_crowd(void *context, const struct e2b_sim_args *args) {
    (void)context;
    return 100 + 50 * args->running;
}

static double rig_demand(void *context, const struct e2b_sim_args *args) {
    (void)context, (void)args;
    return 0.75;
}

static int64_t rig_enqueue_cost(void *context, const struct e2b_sim_args *args) {
    (void)context, (void)args;
    return 40;
}

static inline void rig_open(struct rig *rig, double real_time_speed) {
    const struct e2b_sim_kernel kernels[] = {
        {.name = "add", .run = rig_add, .cost_ns = 100, .arg_count = 2},
        {.name = "crowded", .cost = rig_crowd},
        {.name = "shared", .cost_ns = 100, .demand = rig_demand},
        {.name = "slow", .cost_ns = 100, .enqueue_cost = rig_enqueue_cost},
    };
    const struct e2b_sim_options options = {.kernels = kernels,
        .kernel_count = 4,
        .copy_ns = 10,
        .copy_bytes_per_ns = 2,
        .real_time_speed = real_time_speed};
    const int32_t one = 1;
    *rig = (struct rig){0};
    assert_ok(e2b_sim_create(&options, &rig->device, &rig->err), rig->err);
    const struct e2b_device_ops *ops = rig->ops = rig->device->ops;
    assert_ok(ops->queue_create(rig->device, &rig->a, &rig->err), rig->err);
    assert_ok(ops->queue_create(rig->device, &rig->b, &rig->err), rig->err);
    assert_ok(
        ops->buffer_create(rig->device, E2B_MEMORY_DEVICE, 64, &rig->buffer, &rig->err), rig->err);
    assert_ok(ops->kernel_create(rig->device, NULL, "add", &rig->add, &rig->err), rig->err);
    assert_ok(ops->kernel_create(rig->device, NULL, "crowded", &rig->crowded, &rig->err), rig->err);
    assert_ok(ops->kernel_create(rig->device, NULL, "shared", &rig->shared, &rig->err), rig->err);
    assert_ok(ops->kernel_create(rig->device, NULL, "slow", &rig->slow, &rig->err), rig->err);
    assert_ok(ops->kernel_set_buffer(rig->device, rig->add, 0, rig->buffer, &rig->err), rig->err);
    assert_ok(ops->kernel_set_value(rig->device, rig->add, 1, &one, 4, &rig->err), rig->err);
}

static inline void rig_close(struct rig *rig) {
    rig->ops->kernel_destroy(rig->device, rig->add);
    rig->ops->kernel_destroy(rig->device, rig->crowded);
    rig->ops->kernel_destroy(rig->device, rig->shared);
    rig->ops->kernel_destroy(rig->device, rig->slow);
    rig->ops->queue_destroy(rig->device, rig->a);
    rig->ops->queue_destroy(rig->device, rig->b);
    rig->ops->buffer_destroy(rig->device, rig->buffer);
    struct e2b_sim_objects left = e2b_sim_objects(rig->device);
    assert_int_equal(left.buffers + left.queues + left.kernels + left.events, 0);
    rig->ops->destroy(rig->device);
}

static inline struct e2b_event *rig_launch(
    struct rig *rig, struct e2b_queue *queue, struct e2b_kernel *kernel) {
    const size_t one[3] = {1, 1, 1}, any[3] = {0};
    struct e2b_event *event = NULL;
    assert_ok(rig->ops->enqueue_kernel(queue, kernel, one, any, &event, &rig->err), rig->err);
    return event;
}

#endif
