/* The engine of one device: models, their pools and instances, and the dispatcher, the one thread
 * that owns the scheduler's state and every enqueue. Requests are opened, filled, submitted,
 * answered and closed; every submitted request is answered exactly once. */
#ifndef E2B_ENGINE_ENGINE_H
#define E2B_ENGINE_ENGINE_H

#include "backends/device.h"
#include "runtime/engine/plan.h"
#include "runtime/model/graph.h"
#include "sched/policy.h"

struct e2b_engine;
struct e2b_served; /* a model being served */
struct e2b_request;
struct e2b_trace;

struct e2b_engine_options {
    const char *policy;           /* e2b_policy_find's name */
    const int64_t *policy_values; /* one an option of it, NULL: fallbacks */
    bool manual; /* no dispatcher thread: the caller steps it (simulated devices, tests) */
    struct e2b_trace *trace; /* of what the engine does; outlives it; NULL: none */
    /* For comparison: inputs wait on the host; a batch copies them together and uploads them on its
     * own queue when it starts, and keeps its instance until its outputs are back. */
    bool gather;
};

/* The device stays the caller's and outlives the engine. */
enum e2b_status e2b_engine_create(struct e2b_device *device,
    const struct e2b_engine_options *options, struct e2b_engine **out, struct e2b_error *err);
/* All requests are closed. */
void e2b_engine_destroy(struct e2b_engine *engine);

struct e2b_serve_options {
    const char *name;
    int slot_count;
    int size_count;
    int sizes[E2B_SCHED_MAX_SIZES], instances[E2B_SCHED_MAX_SIZES];
    enum e2b_dtype precision;
    struct e2b_image_input image;
    int64_t target_ns;
    double percentile; /* in %, as in sched/policy.h */
    double weight;
    struct e2b_tuning *tuning;  /* the device's measured choices of kernels; NULL: none */
    int64_t tune_ns;            /* how long to measure what tuning lacks before the model runs */
    int64_t profile_ns;         /* how long to time batches side by side; 0: 3 s */
    const char *profile_folder; /* where durations are kept between runs; NULL: nowhere */
};

/* All models are added before start. model outlives the engine. Compiles and warms up: each size is
 * run, timed and compared with the smallest size's result. */
enum e2b_status e2b_engine_add(struct e2b_engine *engine, struct e2b_model *model,
    const struct e2b_serve_options *options, struct e2b_served **out, struct e2b_error *err);
enum e2b_status e2b_engine_start(struct e2b_engine *engine, struct e2b_error *err);
/* A started engine of which no request is open goes on with another policy and trace (manual is
 * ignored), or stays as it was: for comparisons on one set of weights and instances. */
enum e2b_status e2b_engine_restart(
    struct e2b_engine *engine, const struct e2b_engine_options *options, struct e2b_error *err);
/* Open no more requests and wait until those submitted are answered; what has not started by
 * timeout_ns from now is answered CANCELLED. A manual engine does not wait. */
void e2b_engine_drain(struct e2b_engine *engine, int64_t timeout_ns);
/* Manual engines: handle what has happened, without blocking. Returns the time of the next timer on
 * the device's clock, or INT64_MAX. */
int64_t e2b_engine_step(struct e2b_engine *engine);

/* What a client sees of the model: datatypes and shapes as declared, image input included. */
int e2b_served_input_count(const struct e2b_served *served);
int e2b_served_output_count(const struct e2b_served *served);
const struct e2b_io *e2b_served_input(const struct e2b_served *served, int index);
const struct e2b_io *e2b_served_output(const struct e2b_served *served, int index);
/* The time that deadlines and arrivals are given in. */
int64_t e2b_served_now_ns(const struct e2b_served *served);
int e2b_served_max_batch(const struct e2b_served *served); /* 0: batch dimension is fixed */
const char *e2b_served_name(const struct e2b_served *served);
/* Predicted time until the device is done with all that its models' requests wait for: who was
 * refused may come again then. 0 when idle, or if the policy predicts nothing. Any thread. */
int64_t e2b_served_drain_ns(const struct e2b_served *served);

/* Reserve slots for `samples` samples (1 of a model whose batch is fixed: the whole tensor is one).
 * BUSY when the pool is full or the engine drains, DEADLINE while the policy would refuse it. Any
 * thread. */
enum e2b_status e2b_request_open(
    struct e2b_served *served, int samples, struct e2b_request **out, struct e2b_error *err);
int e2b_request_samples(const struct e2b_request *request);
/* Pinned memory of one sample's input, to be written before submit; and of its output, to be read
 * in or after the answer. bytes may be NULL. */
void *e2b_request_input(struct e2b_request *request, int sample, int input, size_t *bytes);
const void *e2b_request_output(
    const struct e2b_request *request, int sample, int output, size_t *bytes);

struct e2b_request_options {
    int64_t arrival_ns;  /* on the device's clock; 0: when it was opened */
    int64_t deadline_ns; /* on the device's clock; 0: none */
    int priority;        /* smaller goes first */
};

/* Hand over. done is called exactly once, by the dispatcher: it is short. err is never NULL; with
 * its status OK the outputs are there. Only after the answer may the request be closed, in done or
 * later. options may be NULL. */
void e2b_request_submit(struct e2b_request *request, const struct e2b_request_options *options,
    void (*done)(void *context, struct e2b_request *request, const struct e2b_error *err),
    void *context);
/* Ask to withdraw a submitted request; it is still answered once (CANCELLED or its result). Not
 * after it was closed. */
void e2b_request_cancel(struct e2b_request *request);
/* Free its slots. Not between submit and the answer. NULL is fine. */
void e2b_request_close(struct e2b_request *request);

/* Where the time went, ns, of the sample that was answered last: written by the client, copied to
 * the device, waited for a batch, waited for the device, computed, copied back. */
struct e2b_request_times {
    int64_t fill, upload, wait, queue, compute, download, total;
};
void e2b_request_times(const struct e2b_request *request, struct e2b_request_times *out);

/* Counters since start, monotonic; read at any time from any thread. */
struct e2b_served_stats {
    uint64_t samples, executions, success, failure[E2B_STATUS_COUNT];
    uint64_t batch_count[E2B_SCHED_MAX_SIZES], batch_compute_ns[E2B_SCHED_MAX_SIZES];
    uint64_t queue_ns, upload_ns, compute_ns, download_ns, request_ns;
    uint64_t padded_samples;
    uint64_t refused[E2B_SCHED_REASON_COUNT]; /* samples that the policy refused, by reason */
    uint64_t gaps;                            /* see e2b_pool_gap_count */
    uint64_t splits; /* batches that a busy slot kept from being larger, as more waited behind it */
    struct e2b_sched_prediction prediction; /* zeroed: the policy predicts nothing */
    int64_t drain_ns;                       /* see e2b_served_drain_ns */
    int pending, free_slots, slot_count;
    int64_t last_inference_ms; /* Unix time */
};
void e2b_served_stats_get(const struct e2b_served *served, struct e2b_served_stats *out);
int64_t e2b_served_device_bytes(const struct e2b_served *served);

#endif
