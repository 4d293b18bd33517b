/* A device that does not exist: host memory, C functions as kernels, and a clock of its own, so
 * that what happens when is exact, repeatable and fast. Queues run side by side, each in order.
 * Work that was not flushed does not start. The effect of a command shows when it ends: changing
 * pinned memory too early shows as wrong data. Kernels that run together share the device: each
 * advances at 1 / slowdown of its speed, slowdown = max(1, sum of their demands), 1 for a lone one.
 *
 * Virtual time moves only in e2b_sim_advance, e2b_sim_run_until_idle, finish, event_wait,
 * queue_destroy and the enqueueing of what has a cost for that; notifications are called from
 * them. In real time a thread of the device moves it and calls notifications. */
#ifndef E2B_BACKENDS_SIM_SIM_H
#define E2B_BACKENDS_SIM_SIM_H

#include "backends/device.h"

#define E2B_SIM_MAX_ARGS 64

struct e2b_sim_arg {
    void *buffer; /* memory of a buffer argument, NULL for a value */
    size_t bytes; /* of the buffer or the value */
    unsigned char value[16];
};

struct e2b_sim_args {
    const size_t *global, *local;
    int count;
    const struct e2b_sim_arg *list;
    int running; /* kernels of other queues that run when this one starts */
};

int32_t e2b_sim_int(const struct e2b_sim_args *args, int index);
float e2b_sim_float(const struct e2b_sim_args *args, int index);

/* Called with the device locked: it must not call the device. */
typedef void e2b_sim_kernel_fn(void *context, const struct e2b_sim_args *args);
typedef int64_t e2b_sim_cost_fn(void *context, const struct e2b_sim_args *args); /* ns */
typedef double e2b_sim_demand_fn(void *context, const struct e2b_sim_args *args);

struct e2b_sim_kernel {
    const char *name;       /* of a kernel or a library routine */
    e2b_sim_kernel_fn *run; /* NULL: no effect */
    e2b_sim_cost_fn *cost;  /* NULL: cost_ns */
    int64_t cost_ns;
    e2b_sim_demand_fn *demand; /* share of the device that it takes; NULL: none */
    /* Time of the thread that enqueues it, in which it may run already: it stands for many
     * launches, and its queue is flushed. At most what it takes alone. NULL: none. */
    e2b_sim_cost_fn *enqueue_cost;
    int arg_count; /* 0: as many as are set */
    void *context;
};

struct e2b_sim_options {
    const struct e2b_sim_kernel *kernels; /* copied, with their names */
    int kernel_count;
    bool any_kernel; /* kernels of other names exist too, have no effect and take any_kernel_ns */
    int64_t any_kernel_ns;
    int64_t copy_ns;                 /* of any copy, before its first byte */
    int64_t copy_enqueue_ns;         /* of the thread that enqueues a copy, see enqueue_cost */
    double copy_bytes_per_ns;        /* 0: copies take no time beyond copy_ns */
    const struct e2b_traits *traits; /* NULL: a small GPU with 1 GiB */
    uint64_t seed;                   /* of random faults */
    double real_time_speed; /* 0: virtual time; 1: as the wall clock; 10: ten times faster */
};

/* Destroy with device->ops->destroy. */
enum e2b_status e2b_sim_create(
    const struct e2b_sim_options *options, struct e2b_device **out, struct e2b_error *err);

/* Virtual time only. Move the clock to until_ns (never back), doing what ends by then. */
void e2b_sim_advance(struct e2b_device *device, int64_t until_ns);
/* Virtual time only. Move the clock to the end of all flushed work. */
void e2b_sim_run_until_idle(struct e2b_device *device);
/* When the next command ends; INT64_MAX if none runs. */
int64_t e2b_sim_next_ns(struct e2b_device *device);

enum e2b_sim_fault {
    E2B_SIM_FAULT_ALLOCATION, /* buffer_create: NO_MEMORY */
    E2B_SIM_FAULT_BUILD,      /* program_build: DEVICE */
    E2B_SIM_FAULT_ENQUEUE,    /* any enqueue: DEVICE, nothing was queued */
    E2B_SIM_FAULT_EVENT,      /* a kernel or copy: has no effect, its event fails */
    E2B_SIM_FAULT_COUNT
};

/* The nth one from now on fails: 1 is the next, 0 none. */
void e2b_sim_fail_nth(struct e2b_device *device, enum e2b_sim_fault fault, int64_t nth);
/* Each one fails with a probability. */
void e2b_sim_fail_randomly(struct e2b_device *device, enum e2b_sim_fault fault, double probability);

/* What was made and not yet destroyed, for leak checks. */
struct e2b_sim_objects {
    int buffers, queues, programs, kernels, events;
    size_t device_bytes, pinned_bytes;
};
struct e2b_sim_objects e2b_sim_objects(struct e2b_device *device);

#endif
