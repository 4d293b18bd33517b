/* A model being served on a device: its pool, its plans for several batch sizes sharing one set of
 * weights, and their instances. Internal to the engine. */
#ifndef E2B_ENGINE_SERVED_H
#define E2B_ENGINE_SERVED_H

#include "runtime/base/bitset.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/instance.h"
#include "runtime/engine/profiler.h"
#include "runtime/pool/pool.h"
#include <pthread.h>
#include <stdatomic.h>

struct e2b_dispatcher;

/* The plan of one batch size, and its instances. */
struct e2b_granularity {
    int size;
    struct e2b_graph *graph;
    struct e2b_plan *plan;
    struct e2b_instance **instances;
    struct e2b_queue **downloads; /* one an instance: no answer waits for another batch to end */
    int instance_count;
};

/* What an instance runs, from its dispatch until its outputs are on the host: `count` slots among
 * first .. first + span - 1, which e2b_batch_next lists. The dispatcher's. */
struct e2b_batch {
    struct e2b_served *served;
    int first, span, count;
    int size_index, instance;      /* as the policy names them */
    bool gather;                   /* its inputs are on the host yet */
    struct e2b_event *begin, *end; /* first and last kernel, for times; begin NULL if one is both */
    struct e2b_event *copy;        /* of its last output to the host, for times */
    bool computed;                 /* its notification has come, */
    int64_t started_ns, ended_ns;  /* and told when it ran */
    int64_t enqueue_ns;            /* of the dispatcher's thread; 0 until it is enqueued */
    int copies;                    /* those of copies that are still to come */
    bool failed;                   /* one of them told so */
    struct e2b_batch *next;        /* to be started after it */
};

/* Neighbouring slots whose inputs travel to the device as one copy. The dispatcher's. */
struct e2b_upload {
    struct e2b_served *served;
    int first, count;
    struct e2b_event *event;
};

struct e2b_served {
    struct e2b_dispatcher *dispatcher; /* NULL until the engine starts */
    struct e2b_device *device;
    struct e2b_model *model;
    char *name;
    int index;      /* as the policy names it */
    bool batchable; /* a slot holds one sample, else the whole fixed batch */
    struct e2b_serve_options options;
    struct e2b_io *inputs, *outputs; /* as clients see them */
    int input_count, output_count;
    int64_t *input_bytes, *output_bytes; /* of one sample */
    struct e2b_pool *pool;
    struct e2b_weights *weights;
    struct e2b_granularity sizes[E2B_SCHED_MAX_SIZES];
    int size_count;
    struct e2b_profile profile;
    struct e2b_batch *batches; /* one a slot: that which begins there */
    int64_t answer_ns;         /* see struct e2b_sched_event */
    int *batch_of;             /* by slot: where the batch that it is part of begins, -1: of none */
    struct e2b_event **copies; /* by slot: of the outputs of the neighbours that begin there */
    struct e2b_upload *uploads; /* one a slot: that which begins there */
    struct e2b_bitset unsent;   /* slots submitted whose inputs are not on their way; */
    struct e2b_bitset waiting;  /* slots that the policy knows as ready; both the dispatcher's */
    pthread_mutex_t stats_lock;
    struct e2b_served_stats stats;
    atomic_int pending;     /* requests open */
    atomic_int coming;      /* samples submitted that are not READY yet, */
    atomic_int room;        /* and how many may be: more would be refused by the policy */
    atomic_int turned_away; /* refused therefore, and not yet told to the policy */
};

enum e2b_status e2b_served_create(struct e2b_device *device, struct e2b_programs *programs,
    struct e2b_model *model, const struct e2b_serve_options *options, struct e2b_served **out,
    struct e2b_error *err);
void e2b_served_destroy(struct e2b_served *served); /* nothing runs */

/* Run every size on seeded inputs and compare it with the smallest size's answers. */
enum e2b_status e2b_served_warm_up(struct e2b_served *served, struct e2b_error *err);

/* Why a request gets no answer: the policy's reason. */
enum e2b_status e2b_served_refuse(
    const struct e2b_served *served, enum e2b_sched_reason reason, struct e2b_error *err);

/* What the policy needs to know of it. */
void e2b_served_describe(const struct e2b_served *served, struct e2b_sched_model *out);

#endif
