/* A device and a model, and the model made ready to run at one batch size without a server. */
#ifndef E2B_TOOLS_SESSION_H
#define E2B_TOOLS_SESSION_H

#include "backends/device.h"
#include "runtime/engine/instance.h"
#include "runtime/model/graph.h"

struct session {
    struct e2b_device *device;
    struct e2b_programs *programs;
    struct e2b_model *model;
    struct e2b_weights *weights;
    struct e2b_tuning *tuning; /* what is known of the device */
};

/* device: as in e2b_opencl_choose. */
enum e2b_status session_open(
    const char *model, const char *device, struct session *out, struct e2b_error *err);
void session_close(struct session *session); /* zeroed is fine */

/* "fp32" or "fp16". */
enum e2b_status session_precision(const char *name, enum e2b_dtype *out, struct e2b_error *err);

/* "auto", "never" or "always". */
enum e2b_status session_merge_rule(
    const char *name, enum e2b_merge_rule *out, struct e2b_error *err);

struct execution_options {
    int batch; /* ignored by a model whose batch is fixed */
    enum e2b_dtype precision;
    const struct e2b_image_input *image; /* NULL: none */
    struct e2b_text *explain;            /* NULL: none */
    const char *force_variant;           /* NULL, or as in struct e2b_plan_options */
    enum e2b_merge_rule merge;
    bool times; /* as in struct e2b_plan_options */
};

struct execution {
    struct session *session;
    struct e2b_graph *graph;
    struct e2b_plan *plan;
    struct e2b_instance *instance;
    struct e2b_buffer **inputs, **outputs;
    int64_t *input_bytes, *output_bytes; /* whole tensors, dense */
};

enum e2b_status execution_create(struct session *session, const struct execution_options *options,
    struct execution *out, struct e2b_error *err);
void execution_finish(struct execution *execution); /* zeroed is fine */

/* A graph input or output as its user sees it: a dense tensor. */
const struct e2b_tensor *execution_input(const struct execution *execution, int index);
const struct e2b_tensor *execution_output(const struct execution *execution, int index);

enum e2b_status execution_write(
    struct execution *execution, int input, const void *data, struct e2b_error *err);
/* Seeded random numbers into every input: floats in 0..1, bytes in 0..255, other integers zero. */
enum e2b_status execution_fill(struct execution *execution, uint32_t seed, struct e2b_error *err);
/* Enqueues a run, behind those before. */
enum e2b_status execution_start(struct execution *execution, struct e2b_error *err);
/* Runs, and waits until this and all runs before have ended. */
enum e2b_status execution_run(struct execution *execution, struct e2b_error *err);
enum e2b_status execution_read(
    struct execution *execution, int output, void *data, struct e2b_error *err);

#endif
