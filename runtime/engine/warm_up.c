#include "runtime/engine/served.h"

#include "runtime/base/log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 3
#define TOLERANCE_F32 1e-3
#define TOLERANCE_F16 5e-2

struct warm_up {
    struct e2b_served *served;
    int samples;       /* slots filled: the largest size */
    double **expected; /* one an output: answers of the smallest size, sample after sample */
};

static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Floats in 0..1, bytes in 0..255; zeros for other integers, which may be indices. */
static void fill_input(void *to, enum e2b_dtype dtype, int64_t bytes, uint32_t seed) {
    if (dtype == E2B_U8) {
        for (int64_t i = 0; i < bytes; i++)
            ((unsigned char *)to)[i] = (unsigned char)next_random(&seed);
        return;
    }
    memset(to, 0, (size_t)bytes);
    for (int64_t i = 0; dtype == E2B_F32 && i < bytes / 4; i++)
        ((float *)to)[i] = (float)next_random(&seed) / (float)(1 << 24);
}

static enum e2b_status upload_all(const struct warm_up *warm, struct e2b_error *err) {
    struct e2b_served *served = warm->served;
    struct e2b_queue *queue = e2b_instance_queue(served->sizes[0].instances[0]);
    for (int slot = 0; slot < warm->samples; slot++)
        for (int i = 0; i < served->input_count; i++)
            fill_input(e2b_pool_input_host(served->pool, slot, i), served->inputs[i].dtype,
                served->input_bytes[i], (uint32_t)(slot * 977 + i + 1));
    if (e2b_pool_upload(served->pool, 0, warm->samples, queue, NULL, err) != E2B_OK)
        return err->status;
    return served->device->ops->finish(queue, err);
}

/* One run of a size at slot first with its outputs copied back. */
static enum e2b_status run_once(struct e2b_served *served, struct e2b_instance *instance, int first,
    int size, struct e2b_error *err) {
    struct e2b_queue *queue = e2b_instance_queue(instance);
    if (e2b_instance_run(instance, first, NULL, NULL, err) != E2B_OK
        || e2b_pool_download(served->pool, first, size, queue, NULL, err) != E2B_OK)
        return err->status;
    return served->device->ops->finish(queue, err);
}

static void read_output(const struct e2b_served *served, int slot, int output, double *to) {
    enum e2b_dtype dtype = served->outputs[output].dtype;
    e2b_to_double(dtype, e2b_pool_output_host(served->pool, slot, output), to,
        served->output_bytes[output] / (int64_t)e2b_dtype_bytes(dtype));
}

static int64_t output_elements(const struct e2b_served *served, int output) {
    return served->output_bytes[output] / (int64_t)e2b_dtype_bytes(served->outputs[output].dtype);
}

/* ||got - expected|| / ||expected|| of one sample; NaN anywhere gives NaN. */
static double sample_error(const struct warm_up *warm, int slot, int output, double *scratch) {
    int64_t count = output_elements(warm->served, output);
    const double *expected = warm->expected[output] + slot * count;
    double difference = 0, norm = 0;
    read_output(warm->served, slot, output, scratch);
    for (int64_t i = 0; i < count; i++) {
        difference += (scratch[i] - expected[i]) * (scratch[i] - expected[i]);
        norm += expected[i] * expected[i];
    }
    return difference == 0 ? 0 : sqrt(difference / (norm > 0 ? norm : 1));
}

static enum e2b_status compare(
    const struct warm_up *warm, int size, double *scratch, struct e2b_error *err) {
    const struct e2b_served *served = warm->served;
    double tolerance = served->options.precision == E2B_F16 ? TOLERANCE_F16 : TOLERANCE_F32;
    for (int slot = 0; slot < size; slot++)
        for (int output = 0; output < served->output_count; output++) {
            double error = sample_error(warm, slot, output, scratch);
            if (!(error <= tolerance))
                return e2b_fail(err, E2B_DEVICE,
                    "model \"%s\": batch size %d answers sample %d wrongly on this device "
                    "(relative error %.2g of output \"%s\", at most %.2g)",
                    served->name, size, slot, error, served->outputs[output].name, tolerance);
        }
    return E2B_OK;
}

static enum e2b_status expect(
    struct warm_up *warm, struct e2b_granularity *smallest, struct e2b_error *err) {
    struct e2b_served *served = warm->served;
    for (int first = 0; first + smallest->size <= warm->samples; first += smallest->size) {
        if (run_once(served, smallest->instances[0], first, smallest->size, err) != E2B_OK)
            return err->status;
        for (int slot = first; slot < first + smallest->size; slot++)
            for (int output = 0; output < served->output_count; output++)
                read_output(served, slot, output,
                    warm->expected[output] + slot * output_elements(served, output));
    }
    return E2B_OK;
}

static enum e2b_status try_size(
    struct warm_up *warm, struct e2b_granularity *size, double *scratch, struct e2b_error *err) {
    struct e2b_served *served = warm->served;
    for (int i = 0; i < size->instance_count; i++) {
        for (int run = 0; run < RUNS; run++)
            if (run_once(served, size->instances[i], 0, size->size, err) != E2B_OK)
                return err->status;
        int comparable = size->size < warm->samples ? size->size : warm->samples;
        if (compare(warm, comparable, scratch, err) != E2B_OK)
            return err->status;
    }
    return E2B_OK;
}

static enum e2b_status run_all(struct warm_up *warm, double *scratch, struct e2b_error *err) {
    struct e2b_served *served = warm->served;
    if (upload_all(warm, err) != E2B_OK || expect(warm, &served->sizes[0], err) != E2B_OK)
        return err->status;
    for (int i = 0; i < served->size_count; i++) {
        e2b_progress("warming up", i, served->size_count, served->name);
        if (try_size(warm, &served->sizes[i], scratch, err) != E2B_OK)
            return err->status;
    }
    e2b_progress("warming up", served->size_count, served->size_count, served->name);
    return E2B_OK;
}

enum e2b_status e2b_served_warm_up(struct e2b_served *served, struct e2b_error *err) {
    struct warm_up warm = {.served = served, .samples = served->sizes[served->size_count - 1].size};
    warm.samples -= warm.samples % served->sizes[0].size;
    int64_t largest = 1;
    bool complete = true;
    warm.expected = calloc((size_t)served->output_count + 1, sizeof *warm.expected);
    for (int i = 0; warm.expected && i < served->output_count; i++) {
        int64_t count = output_elements(served, i);
        largest = count > largest ? count : largest;
        warm.expected[i] = malloc((size_t)(count * warm.samples + 1) * sizeof(double));
        complete = complete && warm.expected[i];
    }
    double *scratch = malloc((size_t)largest * sizeof *scratch);
    if (!warm.expected || !complete || !scratch)
        e2b_fail_memory(err, "warming up");
    else
        run_all(&warm, scratch, err);
    for (int i = 0; warm.expected && i < served->output_count; i++)
        free(warm.expected[i]);
    free(warm.expected);
    free(scratch);
    return err->status;
}
