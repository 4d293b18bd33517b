#include "runtime/server/metrics.h"

#include "runtime/server/json_tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t bounds_us[E2B_HISTOGRAM_BUCKETS] = {100, 200, 500, 1000, 2000, 5000, 10000,
    20000, 50000, 100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000};

void e2b_histogram_add(struct e2b_histogram *histogram, int64_t duration_ns) {
    int bucket = 0;
    while (bucket < E2B_HISTOGRAM_BUCKETS && duration_ns > bounds_us[bucket] * 1000)
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(
        &histogram->sum_ns, (uint64_t)(duration_ns > 0 ? duration_ns : 0), memory_order_relaxed);
}

enum unit { PLAIN, NS_AS_US };

/* The counters that are one field of the statistics. */
static const struct field {
    const char *name, *help;
    size_t offset; /* of an uint64_t in struct e2b_served_stats */
    enum unit unit;
} fields[] = {
    {"nv_inference_request_success", "Requests answered with success",
        offsetof(struct e2b_served_stats, success), PLAIN},
    {"nv_inference_count", "Samples inferred", offsetof(struct e2b_served_stats, samples), PLAIN},
    {"nv_inference_exec_count", "Batches run", offsetof(struct e2b_served_stats, executions),
        PLAIN},
    {"nv_inference_request_duration_us", "Time in requests, arrival to answer",
        offsetof(struct e2b_served_stats, request_ns), NS_AS_US},
    {"nv_inference_queue_duration_us", "Time requests waited for a batch",
        offsetof(struct e2b_served_stats, queue_ns), NS_AS_US},
    {"nv_inference_compute_input_duration_us", "Time inputs took to the device",
        offsetof(struct e2b_served_stats, upload_ns), NS_AS_US},
    {"nv_inference_compute_infer_duration_us", "Time in batches on the device",
        offsetof(struct e2b_served_stats, compute_ns), NS_AS_US},
    {"nv_inference_compute_output_duration_us", "Time outputs took from the device",
        offsetof(struct e2b_served_stats, download_ns), NS_AS_US},
    {"e2b_pool_gaps", "Reservations that could not go on where the one before them ended",
        offsetof(struct e2b_served_stats, gaps), PLAIN},
    {"e2b_split_batches",
        "Batches that a busy slot kept from being larger, as more waited behind it",
        offsetof(struct e2b_served_stats, splits), PLAIN},
    {"e2b_predicted_batches", "Batches whose duration was predicted and measured",
        offsetof(struct e2b_served_stats, prediction.count), PLAIN},
    {"e2b_underpredicted_batches", "Batches that took longer than predicted",
        offsetof(struct e2b_served_stats, prediction.under), PLAIN},
    {"e2b_padded_samples", "Samples computed for nobody, to fill a batch size",
        offsetof(struct e2b_served_stats, padded_samples), PLAIN},
};

static void add_head(struct e2b_text *out, const char *name, const char *type, const char *help) {
    e2b_text_add(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Prometheus escapes the same three characters in label values. */
static void add_escaped(struct e2b_text *out, const char *value) {
    for (; *value; value++)
        if (*value == '\n')
            e2b_text_add(out, "\\n");
        else if (*value == '"' || *value == '\\')
            e2b_text_add(out, "\\%c", *value);
        else
            e2b_text_add_bytes(out, value, 1);
}

/* name{model="m",version="1" and leaves the brace open. */
static void add_labels(
    struct e2b_text *out, const char *name, const struct e2b_model_numbers *model) {
    e2b_text_add(out, "%s{model=\"", name);
    add_escaped(out, model->name);
    e2b_text_add(out, "\",version=\"");
    add_escaped(out, model->version);
    e2b_text_add(out, "\"");
}

static void add_fields(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        add_head(out, fields[f].name, "counter", fields[f].help);
        for (int i = 0; i < count; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&models[i].stats + fields[f].offset, sizeof value);
            add_labels(out, fields[f].name, &models[i]);
            e2b_text_add(out, "} %" PRIu64 "\n", fields[f].unit == NS_AS_US ? value / 1000 : value);
        }
    }
}

enum reason { REJECTED, CANCELED, BACKEND, OTHER, REASON_COUNT };
static const char *const reason_names[] = {"REJECTED", "CANCELED", "BACKEND", "OTHER"};

static enum reason reason_of(enum e2b_status status) {
    switch (status) {
    case E2B_BUSY:
    case E2B_DEADLINE:
        return REJECTED;
    case E2B_CANCELLED:
        return CANCELED;
    case E2B_DEVICE:
    case E2B_NO_MEMORY:
    case E2B_INTERNAL:
        return BACKEND;
    default:
        return OTHER;
    }
}

static uint64_t failures(const struct e2b_model_numbers *model, enum reason reason) {
    uint64_t sum = 0;
    for (int status = E2B_OK + 1; status < E2B_STATUS_COUNT; status++)
        if (reason_of((enum e2b_status)status) == reason)
            sum += model->stats.failure[status] + model->refused[status];
    return sum;
}

static void add_failures(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    const char *name = "nv_inference_request_failure";
    add_head(out, name, "counter", "Requests answered with an error");
    for (int i = 0; i < count; i++)
        for (int reason = 0; reason < REASON_COUNT; reason++) {
            add_labels(out, name, &models[i]);
            e2b_text_add(out, ",reason=\"%s\"} %" PRIu64 "\n", reason_names[reason],
                failures(&models[i], (enum reason)reason));
        }
}

static void add_batches(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    const char *name = "e2b_batch_count";
    add_head(out, name, "counter", "Batches run, by the size of the batch");
    for (int i = 0; i < count; i++)
        for (int k = 0; k < models[i].size_count; k++) {
            add_labels(out, name, &models[i]);
            e2b_text_add(out, ",batch_size=\"%d\"} %" PRIu64 "\n", models[i].sizes[k],
                models[i].stats.batch_count[k]);
        }
}

static void add_refusals(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    const char *name = "e2b_refused_samples";
    add_head(out, name, "counter", "Samples that the scheduling policy refused, by reason");
    for (int i = 0; i < count; i++)
        for (int reason = 0; reason < E2B_SCHED_REASON_COUNT; reason++) {
            if (models[i].stats.refused[reason] == 0)
                continue;
            add_labels(out, name, &models[i]);
            e2b_text_add(out, ",reason=\"%s\"} %" PRIu64 "\n",
                e2b_sched_reason_text((enum e2b_sched_reason)reason),
                models[i].stats.refused[reason]);
        }
}

/* Relative to the predicted duration. */
static void add_prediction_errors(
    struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    const char *name = "e2b_prediction_error";
    add_head(out, name, "gauge", "|measured - predicted| / predicted duration of batches");
    for (int i = 0; i < count; i++) {
        const struct e2b_sched_prediction *prediction = &models[i].stats.prediction;
        add_labels(out, name, &models[i]);
        e2b_text_add(out, ",of=\"mean\"} %.6f\n", prediction->mean_error);
        add_labels(out, name, &models[i]);
        e2b_text_add(out, ",of=\"p99\"} %.6f\n", prediction->p99_error);
    }
}

static void add_gauge(struct e2b_text *out, const char *name, const char *help,
    const struct e2b_model_numbers *models, int count,
    int64_t (*get)(const struct e2b_model_numbers *)) {
    add_head(out, name, "gauge", help);
    for (int i = 0; i < count; i++) {
        add_labels(out, name, &models[i]);
        e2b_text_add(out, "} %" PRId64 "\n", get(&models[i]));
    }
}

static int64_t get_pending(const struct e2b_model_numbers *model) {
    return model->stats.pending;
}

static int64_t get_slots(const struct e2b_model_numbers *model) {
    return model->stats.slot_count;
}

static int64_t get_free_slots(const struct e2b_model_numbers *model) {
    return model->stats.free_slots;
}

static int64_t get_device_bytes(const struct e2b_model_numbers *model) {
    return model->device_bytes;
}

static int64_t get_drain_us(const struct e2b_model_numbers *model) {
    return model->stats.drain_ns / 1000;
}

static void add_histogram(struct e2b_text *out, const char *name,
    const struct e2b_model_numbers *model, const struct e2b_histogram *histogram) {
    uint64_t total = 0;
    char series[96];
    snprintf(series, sizeof series, "%s_bucket", name);
    for (int i = 0; i <= E2B_HISTOGRAM_BUCKETS; i++) {
        total += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        add_labels(out, series, model);
        if (i < E2B_HISTOGRAM_BUCKETS)
            e2b_text_add(out, ",le=\"%" PRId64 "\"} %" PRIu64 "\n", bounds_us[i], total);
        else
            e2b_text_add(out, ",le=\"+Inf\"} %" PRIu64 "\n", total);
    }
    snprintf(series, sizeof series, "%s_sum", name);
    add_labels(out, series, model);
    e2b_text_add(out, "} %" PRIu64 "\n",
        (uint64_t)atomic_load_explicit(&histogram->sum_ns, memory_order_relaxed) / 1000);
    snprintf(series, sizeof series, "%s_count", name);
    add_labels(out, series, model);
    e2b_text_add(out, "} %" PRIu64 "\n", total);
}

static void add_histograms(
    struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    const char *request = "nv_inference_request_duration_histogram_us";
    const char *wait = "nv_inference_queue_duration_histogram_us";
    const char *compute = "nv_inference_compute_infer_duration_histogram_us";
    add_head(out, request, "histogram", "Successful requests by their time, arrival to answer");
    for (int i = 0; i < count; i++)
        add_histogram(out, request, &models[i], models[i].request);
    add_head(out, wait, "histogram", "Successful requests by their wait for a batch");
    for (int i = 0; i < count; i++)
        add_histogram(out, wait, &models[i], models[i].wait);
    add_head(out, compute, "histogram", "Successful requests by their time in a batch");
    for (int i = 0; i < count; i++)
        add_histogram(out, compute, &models[i], models[i].compute);
}

void e2b_metrics_write(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    add_fields(out, models, count);
    add_failures(out, models, count);
    add_batches(out, models, count);
    add_refusals(out, models, count);
    add_prediction_errors(out, models, count);
    add_gauge(out, "nv_inference_pending_request_count", "Requests in flight", models, count,
        get_pending);
    add_gauge(out, "e2b_pool_slots", "Slots of the pool", models, count, get_slots);
    add_gauge(out, "e2b_pool_free_slots", "Slots that are free", models, count, get_free_slots);
    add_gauge(out, "e2b_predicted_drain_us", "Predicted time until the device has done what it has",
        models, count, get_drain_us);
    add_gauge(out, "e2b_device_memory_bytes", "Device memory of the model", models, count,
        get_device_bytes);
    add_histograms(out, models, count);
}

void e2b_metrics_write_http(
    struct e2b_text *out, const atomic_uint_fast64_t *answers, int open_requests, bool ready) {
    add_head(out, "e2b_http_answers", "counter", "HTTP requests answered, by code");
    for (int code = 0; code < 600; code++) {
        uint64_t count = atomic_load_explicit(&answers[code], memory_order_relaxed);
        if (count > 0)
            e2b_text_add(out, "e2b_http_answers{code=\"%d\"} %" PRIu64 "\n", code, count);
    }
    add_head(out, "e2b_http_open_requests", "gauge", "HTTP requests being read or answered");
    e2b_text_add(out, "e2b_http_open_requests %d\n", open_requests);
    add_head(out, "e2b_ready", "gauge", "1 when the server says that it is ready");
    e2b_text_add(out, "e2b_ready %d\n", ready);
}

static void add_duration(
    struct e2b_text *out, const char *name, uint64_t count, uint64_t ns, const char *after) {
    e2b_text_add(
        out, "\"%s\":{\"count\":%" PRIu64 ",\"ns\":%" PRIu64 "}%s", name, count, ns, after);
}

static void add_model_stats(struct e2b_text *out, const struct e2b_model_numbers *model) {
    const struct e2b_served_stats *stats = &model->stats;
    uint64_t failed = 0;
    for (int reason = 0; reason < REASON_COUNT; reason++)
        failed += failures(model, (enum reason)reason);
    e2b_text_add(out, "{\"name\":");
    e2b_json_write_string(out, model->name);
    e2b_text_add(out, ",\"version\":");
    e2b_json_write_string(out, model->version);
    e2b_text_add(out,
        ",\"last_inference\":%" PRId64 ",\"inference_count\":%" PRIu64
        ",\"execution_count\":%" PRIu64 ",\"inference_stats\":{",
        stats->last_inference_ms, stats->samples, stats->executions);
    add_duration(out, "success", stats->success, stats->request_ns, ",");
    add_duration(out, "fail", failed, 0, ",");
    add_duration(out, "queue", stats->success, stats->queue_ns, ",");
    add_duration(out, "compute_input", stats->success, stats->upload_ns, ",");
    add_duration(out, "compute_infer", stats->success, stats->compute_ns, ",");
    add_duration(out, "compute_output", stats->success, stats->download_ns, ",");
    add_duration(out, "cache_hit", 0, 0, ",");
    add_duration(out, "cache_miss", 0, 0, "},");
    e2b_text_add(out, "\"response_stats\":{},\"batch_stats\":[");
    for (int i = 0; i < model->size_count; i++) {
        e2b_text_add(out, "%s{\"batch_size\":%d,", i ? "," : "", model->sizes[i]);
        add_duration(out, "compute_input", stats->batch_count[i], 0, ",");
        add_duration(out, "compute_infer", stats->batch_count[i], stats->batch_compute_ns[i], ",");
        add_duration(out, "compute_output", stats->batch_count[i], 0, "}");
    }
    e2b_text_add(out,
        "],\"memory_usage\":[{\"type\":\"DEVICE\",\"id\":0,\"byte_size\":%" PRId64 "}]}",
        model->device_bytes);
}

void e2b_stats_write(struct e2b_text *out, const struct e2b_model_numbers *models, int count) {
    e2b_text_add(out, "{\"model_stats\":[");
    for (int i = 0; i < count; i++) {
        if (i > 0)
            e2b_text_add(out, ",");
        add_model_stats(out, &models[i]);
    }
    e2b_text_add(out, "]}");
}
