/* State of the simulated device, shared by its files. All of it is under sim->lock. */
#ifndef E2B_BACKENDS_SIM_STATE_H
#define E2B_BACKENDS_SIM_STATE_H

#include "backends/sim/sim.h"
#include <pthread.h>

struct sim {
    struct e2b_device device;
    struct e2b_sim_options options;
    struct e2b_sim_kernel *kernels; /* names owned */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a command started or ended, or `stopping` */
    int64_t now_ns;         /* virtual time */
    int64_t origin_ns;      /* real time: wall clock at creation */
    pthread_t thread;       /* real time */
    bool threaded, stopping;
    struct e2b_queue *queues;
    int running_kernels;
    double demand;     /* of those, together */
    int64_t shared_ns; /* up to when their left_ns are known */
    uint64_t sequence; /* orders commands that end at the same time */
    int64_t nth[E2B_SIM_FAULT_COUNT];
    double probability[E2B_SIM_FAULT_COUNT];
    uint64_t random;
    struct e2b_sim_objects objects;
};

struct e2b_buffer {
    enum e2b_memory memory;
    bool is_part; /* of memory that another buffer has */
    size_t bytes;
    unsigned char *data;
};

struct e2b_program {
    struct sim *sim;
};

struct e2b_kernel {
    struct e2b_sim_kernel row;
    int arg_count;
    bool is_set[E2B_SIM_MAX_ARGS];
    struct e2b_sim_arg args[E2B_SIM_MAX_ARGS];
};

struct notification {
    void (*done)(void *context, enum e2b_event_state state);
    void *context;
    struct notification *next;
};

struct e2b_event {
    struct sim *sim;
    struct e2b_queue *queue; /* while pending */
    int references;
    enum e2b_event_state state;
    struct e2b_event_times times;
    struct notification *notifications;
};

enum command_kind { COMMAND_KERNEL, COMMAND_COPY, COMMAND_FILL, COMMAND_WAIT };

struct command {
    enum command_kind kind;
    struct command *next;
    struct e2b_event *event;
    bool flushed, started, fails;
    uint64_t sequence;
    int64_t ends_ns;
    /* COPY, FILL */
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
    unsigned char value;
    /* KERNEL */
    struct e2b_sim_kernel row;
    size_t global[3], local[3];
    struct e2b_sim_arg *args;
    int arg_count;
    double demand, left_ns; /* left_ns: of its time alone, at sim->shared_ns */
    /* WAIT */
    struct e2b_event **waits;
    int wait_count;
};

struct e2b_queue {
    struct sim *sim;
    struct e2b_queue *next;
    struct command *first, *last;
};

static inline struct sim *sim_of(struct e2b_device *device) {
    return (struct sim *)device;
}

/* Whether the fault strikes now. Locked. */
bool e2b_sim_strikes(struct sim *sim, enum e2b_sim_fault fault);

/* The operations that command.c and clock.c hold. */
enum e2b_status e2b_sim_enqueue_kernel(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t global[3], const size_t local[3], struct e2b_event **event, struct e2b_error *err);
enum e2b_status e2b_sim_enqueue_write(struct e2b_queue *queue, struct e2b_buffer *to,
    size_t to_offset, const void *from, size_t bytes, struct e2b_event **event,
    struct e2b_error *err);
enum e2b_status e2b_sim_enqueue_read(struct e2b_queue *queue, struct e2b_buffer *from,
    size_t from_offset, void *to, size_t bytes, struct e2b_event **event, struct e2b_error *err);
enum e2b_status e2b_sim_enqueue_fill(struct e2b_queue *queue, struct e2b_buffer *buffer,
    size_t offset, size_t bytes, unsigned char value, struct e2b_error *err);
enum e2b_status e2b_sim_enqueue_wait(
    struct e2b_queue *queue, struct e2b_event *const *events, int count, struct e2b_error *err);
void e2b_sim_command_destroy(struct command *command);
void e2b_sim_event_unref(struct e2b_event *event); /* locked */

/* Fail what is left in a queue: it waits for ever. Locked. */
void e2b_sim_abandon(struct e2b_queue *queue);

int64_t e2b_sim_now_ns(struct e2b_device *device);
enum e2b_status e2b_sim_flush(struct e2b_queue *queue, struct e2b_error *err);
enum e2b_status e2b_sim_finish(struct e2b_queue *queue, struct e2b_error *err);
enum e2b_event_state e2b_sim_event_state(struct e2b_event *event, struct e2b_error *err);
enum e2b_status e2b_sim_event_wait(struct e2b_event *event, struct e2b_error *err);
void e2b_sim_event_times(struct e2b_event *event, struct e2b_event_times *out);
enum e2b_status e2b_sim_event_notify(struct e2b_event *event,
    void (*done)(void *context, enum e2b_event_state state), void *context, struct e2b_error *err);
void e2b_sim_event_release(struct e2b_event *event);
enum e2b_status e2b_sim_start_thread(struct sim *sim, struct e2b_error *err);
void e2b_sim_stop_thread(struct sim *sim);

#endif
