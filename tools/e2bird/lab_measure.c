#include "tools/e2bird/lab_measure.h"

#include "tools/e2bird/session.h"

#include <stdio.h>
#include <string.h>

#define RUNS 7
#define COMPANY 4 /* batches at once for the demand, so the least that is seen is a quarter */
#define SEED 1

static int64_t now_of(const struct session *session) {
    return session->device->ops->now_ns(session->device);
}

/* Least time of RUNS in which `count` batches that start together are all done, and of that in
 * which they are enqueued. */
static enum e2b_status time_together(struct session *session, struct execution *executions,
    int count, int64_t *out, int64_t *enqueue_ns, struct e2b_error *err) {
    *out = *enqueue_ns = INT64_MAX;
    for (int run = 0; run < RUNS; run++) {
        int64_t start_ns = now_of(session);
        for (int i = 0; i < count; i++)
            if (e2b_instance_run(executions[i].instance, 0, NULL, NULL, err) != E2B_OK)
                return err->status;
        int64_t enqueued_ns = now_of(session) - start_ns;
        *enqueue_ns = enqueued_ns < *enqueue_ns ? enqueued_ns : *enqueue_ns;
        for (int i = 0; i < count; i++)
            if (session->device->ops->finish(e2b_instance_queue(executions[i].instance), err)
                != E2B_OK)
                return err->status;
        int64_t took_ns = now_of(session) - start_ns;
        *out = took_ns < *out ? took_ns : *out;
    }
    return E2B_OK;
}

static enum e2b_status measure_size(struct session *session,
    const struct lab_measure_options *options, int size, struct e2b_lab_timing *timing,
    struct e2b_error *err) {
    struct execution executions[COMPANY];
    const struct execution_options execution = {.batch = size, .precision = options->precision};
    int64_t alone_ns = 0, together_ns = 0, host_ns = 0, all_ns;
    memset(executions, 0, sizeof executions);
    for (int i = 0; i < COMPANY && err->status == E2B_OK; i++)
        if (execution_create(session, &execution, &executions[i], err) == E2B_OK
            && execution_fill(&executions[i], SEED, err) == E2B_OK)
            execution_run(&executions[i], err);
    if (err->status == E2B_OK
        && time_together(session, executions, 1, &alone_ns, &host_ns, err) == E2B_OK
        && time_together(session, executions, COMPANY, &together_ns, &all_ns, err) == E2B_OK) {
        double demand = (double)together_ns / (COMPANY * (double)alone_ns);
        int index = timing->size_count++;
        timing->sizes[index] = size;
        timing->solo_ns[index] = alone_ns;
        timing->host_ns[index] = host_ns < alone_ns ? host_ns : alone_ns - 1;
        timing->demand[index] = demand < 1 ? demand : 1;
    }
    for (int i = 0; i < COMPANY; i++)
        execution_finish(&executions[i]);
    return err->status;
}

/* Least time of a copy between pinned memory and a buffer. */
static enum e2b_status time_copy(struct execution *execution, struct e2b_buffer *buffer,
    size_t bytes, bool upload, int64_t *out, struct e2b_error *err) {
    struct e2b_device *device = execution->session->device;
    struct e2b_queue *queue = e2b_instance_queue(execution->instance);
    struct e2b_buffer *pinned = NULL;
    if (device->ops->buffer_create(device, E2B_MEMORY_PINNED, bytes, &pinned, err) != E2B_OK)
        return err->status;
    void *host = device->ops->buffer_host(device, pinned);
    memset(host, 0, bytes);
    int64_t least_ns = INT64_MAX;
    for (int run = 0; run < RUNS && err->status == E2B_OK; run++) {
        int64_t start_ns = device->ops->now_ns(device);
        if (upload)
            device->ops->enqueue_write(queue, buffer, 0, host, bytes, NULL, err);
        else
            device->ops->enqueue_read(queue, buffer, 0, host, bytes, NULL, err);
        if (err->status == E2B_OK)
            device->ops->finish(queue, err);
        int64_t took_ns = device->ops->now_ns(device) - start_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    device->ops->buffer_destroy(device, pinned);
    *out += least_ns;
    return err->status;
}

static enum e2b_status measure_copies(struct session *session,
    const struct lab_measure_options *options, struct e2b_lab_timing *timing,
    struct e2b_error *err) {
    struct execution execution = {0};
    const struct execution_options one = {.batch = 1, .precision = options->precision};
    if (execution_create(session, &one, &execution, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < execution.graph->input_count && err->status == E2B_OK; i++)
        time_copy(&execution, execution.inputs[i], (size_t)execution.input_bytes[i], true,
            &timing->upload_ns, err);
    for (int i = 0; i < execution.graph->output_count && err->status == E2B_OK; i++)
        time_copy(&execution, execution.outputs[i], (size_t)execution.output_bytes[i], false,
            &timing->download_ns, err);
    execution_finish(&execution);
    return err->status;
}

enum e2b_status lab_measure(const struct lab_measure_options *options, struct e2b_lab_table *table,
    char *identity, size_t identity_bytes, struct e2b_error *err) {
    struct session session = {0};
    if (table->count == E2B_LAB_MAX_MODELS)
        return e2b_fail(err, E2B_INVALID, "a table holds at most %d models", E2B_LAB_MAX_MODELS);
    struct e2b_lab_timing *timing = &table->models[table->count];
    memset(timing, 0, sizeof *timing);
    snprintf(timing->name, sizeof timing->name, "%s", options->name);
    if (session_open(options->model, options->device, &session, err) != E2B_OK)
        return err->status;
    snprintf(identity, identity_bytes, "%s", session.device->identity);
    for (int i = 0; i < options->size_count && err->status == E2B_OK; i++)
        measure_size(&session, options, options->sizes[i], timing, err);
    if (err->status == E2B_OK && measure_copies(&session, options, timing, err) == E2B_OK)
        table->count++;
    session_close(&session);
    return err->status;
}
