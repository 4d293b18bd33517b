#include "runtime/server/exchange.h"

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/server/describe.h"
#include "runtime/server/form.h"
#include "runtime/server/json_tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON "application/json"
#define SECOND_NS INT64_C(1000000000)

struct e2b_exchange {
    struct e2b_exchanges *all;
    struct e2b_exchange *previous, *next;
    struct MHD_Connection *connection;
    struct e2b_route route;
    struct e2b_catalog_model *model; /* NULL: the path names none */
    struct e2b_inference inference;
    bool submitted;   /* under all->lock */
    int refused_http; /* 0: not refused */
    struct e2b_error err;
    size_t received, dropped; /* bytes of the body; dropped: after the refusal */
    int64_t arrival_ns;
};

/* ---- life ---- */

static struct e2b_exchange *open_exchange(
    struct e2b_exchanges *all, struct MHD_Connection *connection) {
    struct e2b_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->all = all;
    exchange->connection = connection;
    exchange->arrival_ns = e2b_clock_ns();
    pthread_mutex_lock(&all->lock);
    exchange->next = all->first;
    if (all->first)
        all->first->previous = exchange;
    all->first = exchange;
    all->open_count++;
    pthread_mutex_unlock(&all->lock);
    return exchange;
}

void e2b_exchange_completed(void *context, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode code) {
    struct e2b_exchanges *all = context;
    struct e2b_exchange *exchange = *state;
    (void)connection;
    (void)code;
    if (!exchange)
        return;
    pthread_mutex_lock(&all->lock);
    e2b_inference_finish(&exchange->inference);
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        all->first = exchange->next;
    if (exchange->next)
        exchange->next->previous = exchange->previous;
    all->open_count--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    free(exchange);
    *state = NULL;
}

void e2b_exchanges_cancel(struct e2b_exchanges *all) {
    pthread_mutex_lock(&all->lock);
    all->stopped = true;
    for (struct e2b_exchange *exchange = all->first; exchange; exchange = exchange->next)
        if (exchange->submitted)
            e2b_request_cancel(exchange->inference.request);
    pthread_mutex_unlock(&all->lock);
}

/* How long the connection may say nothing. While a body arrives, which holds slots, that is no
 * longer than the request may take. */
static void limit_silence(struct e2b_exchange *exchange, bool in_body) {
    const struct e2b_server_options *options = &exchange->all->options;
    int64_t request_s = (options->request_timeout_ns + SECOND_NS - 1) / SECOND_NS;
    unsigned int seconds = (unsigned int)options->idle_timeout_s;
    if (in_body && request_s > 0 && request_s < seconds)
        seconds = (unsigned int)request_s;
    MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

/* ---- answers ---- */

static enum MHD_Result send_response(
    struct e2b_exchange *exchange, int http, struct MHD_Response *response) {
    if (atomic_load(&exchange->all->draining))
        MHD_add_response_header(response, "Connection", "close");
    if (exchange->route.kind == E2B_ROUTE_INFER)
        limit_silence(exchange, false);
    enum MHD_Result result = MHD_queue_response(exchange->connection, (unsigned int)http, response);
    MHD_destroy_response(response);
    atomic_fetch_add_explicit(&exchange->all->answers[http], 1, memory_order_relaxed);
    return result;
}

/* Takes the text over. NULL when out of memory. */
static struct MHD_Response *make_response(struct e2b_text *body, const char *type) {
    struct MHD_Response *response = body->failed
        ? NULL
        : MHD_create_response_from_buffer(
            body->len, body->data, body->data ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        e2b_text_finish(body);
        return NULL;
    }
    *body = (struct e2b_text){0};
    MHD_add_response_header(response, "Content-Type", type);
    return response;
}

static enum MHD_Result reply(
    struct e2b_exchange *exchange, int http, const char *type, struct e2b_text *body) {
    struct MHD_Response *response = make_response(body, type);
    return response ? send_response(exchange, http, response) : MHD_NO;
}

static void count_refusal(struct e2b_exchange *exchange) {
    if (exchange->model && exchange->route.kind == E2B_ROUTE_INFER)
        atomic_fetch_add_explicit(
            &exchange->model->refused[exchange->err.status], 1, memory_order_relaxed);
}

/* From here on the body is read and dropped, and the slots are free. */
static void refuse(struct e2b_exchange *exchange, int http) {
    exchange->refused_http = http;
    e2b_inference_finish(&exchange->inference);
    count_refusal(exchange);
}

/* In whole seconds, as HTTP has it. */
static void add_retry_after(const struct e2b_exchange *exchange, struct MHD_Response *response) {
    int64_t drain_ns = exchange->model ? e2b_served_drain_ns(exchange->model->entry.served) : 0;
    char text[24];
    snprintf(
        text, sizeof text, "%lld", drain_ns > 0 ? (long long)((drain_ns - 1) / SECOND_NS + 1) : 1);
    MHD_add_response_header(response, "Retry-After", text);
}

static enum MHD_Result reply_error(struct e2b_exchange *exchange, int http) {
    struct e2b_text body = {0};
    e2b_answer_error(&body, exchange->err.text);
    if (http >= 500 && exchange->err.status != E2B_BUSY)
        e2b_log(E2B_LOG_WARN, "server", "%s (%s)", exchange->err.text,
            exchange->err.where ? exchange->err.where : "");
    struct MHD_Response *response = make_response(&body, JSON);
    if (!response)
        return MHD_NO;
    if (http == MHD_HTTP_SERVICE_UNAVAILABLE)
        add_retry_after(exchange, response);
    if (http == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, "Allow", exchange->route.allow);
    return send_response(exchange, http, response);
}

/* ---- what needs no engine ---- */

static void write_numbers(struct e2b_exchange *exchange, struct e2b_text *out,
    void (*write)(struct e2b_text *, const struct e2b_model_numbers *, int)) {
    struct e2b_catalog *catalog = &exchange->all->catalog;
    struct e2b_catalog_model *first = exchange->model ? exchange->model : catalog->models;
    int count = exchange->model ? 1 : catalog->count;
    struct e2b_model_numbers *numbers = calloc((size_t)count + 1, sizeof *numbers);
    for (int i = 0; numbers && i < count; i++)
        e2b_catalog_numbers(&first[i], &numbers[i]);
    if (numbers)
        write(out, numbers, count);
    free(numbers);
}

static void write_index(struct e2b_exchange *exchange, struct e2b_text *out) {
    const struct e2b_catalog *catalog = &exchange->all->catalog;
    e2b_text_add(out, "[");
    for (int i = 0; i < catalog->count; i++) {
        if (i > 0)
            e2b_text_add(out, ",");
        e2b_describe_index_row(
            out, &catalog->models[i].signature, atomic_load(&exchange->all->ready));
    }
    e2b_text_add(out, "]");
}

static enum MHD_Result reply_metrics(struct e2b_exchange *exchange) {
    struct e2b_exchanges *all = exchange->all;
    struct e2b_text out = {0};
    write_numbers(exchange, &out, e2b_metrics_write);
    pthread_mutex_lock(&all->lock);
    int open_count = all->open_count;
    pthread_mutex_unlock(&all->lock);
    e2b_metrics_write_http(&out, all->answers, open_count, atomic_load(&all->ready));
    return reply(exchange, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static enum MHD_Result reply_ready(struct e2b_exchange *exchange) {
    struct e2b_text out = {0};
    bool ready = atomic_load(&exchange->all->ready);
    if (exchange->model) {
        e2b_text_add(&out, "{\"name\":");
        e2b_json_write_string(&out, exchange->model->signature.name);
        e2b_text_add(&out, ",\"ready\":%s}", ready ? "true" : "false");
    } else {
        e2b_text_add(&out, "{\"ready\":%s}", ready ? "true" : "false");
    }
    return reply(exchange, ready ? MHD_HTTP_OK : MHD_HTTP_BAD_REQUEST, JSON, &out);
}

static enum MHD_Result reply_plain(struct e2b_exchange *exchange) {
    struct e2b_text out = {0};
    switch (exchange->route.kind) {
    case E2B_ROUTE_METRICS:
        return reply_metrics(exchange);
    case E2B_ROUTE_READY:
    case E2B_ROUTE_MODEL_READY:
        return reply_ready(exchange);
    case E2B_ROUTE_LIVE:
        e2b_text_add(&out, "{\"live\":true}");
        break;
    case E2B_ROUTE_MODEL:
        e2b_describe_model(&out, &exchange->model->signature);
        break;
    case E2B_ROUTE_MODEL_CONFIG:
        e2b_describe_config(&out, &exchange->model->signature, exchange->model->entry.sizes,
            exchange->model->entry.size_count);
        break;
    case E2B_ROUTE_MODEL_STATS:
    case E2B_ROUTE_ALL_STATS:
        write_numbers(exchange, &out, e2b_stats_write);
        break;
    case E2B_ROUTE_INDEX:
        write_index(exchange, &out);
        break;
    default:
        e2b_describe_server(&out);
    }
    return reply(exchange, MHD_HTTP_OK, JSON, &out);
}

/* ---- reading the headers ---- */

static const char *header(const struct e2b_exchange *exchange, const char *name) {
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static int read_form(struct e2b_exchange *exchange, struct e2b_inference_form *form) {
    const struct e2b_server_options *options = &exchange->all->options;
    int64_t timeout_ns = options->request_timeout_ns;
    const struct e2b_form_headers headers = {
        .content_length = header(exchange, "Content-Length"),
        .transfer_encoding = header(exchange, "Transfer-Encoding"),
        .content_encoding = header(exchange, "Content-Encoding"),
        .content_type = header(exchange, "Content-Type"),
        .head_length = header(exchange, "Inference-Header-Content-Length"),
        .top = MHD_lookup_connection_value(exchange->connection, MHD_GET_ARGUMENT_KIND, "top"),
    };
    form->arrival_ns = exchange->arrival_ns;
    form->deadline_ns = timeout_ns ? exchange->arrival_ns + timeout_ns : 0;
    return e2b_form_read(&headers, exchange->model, options->max_body_bytes, form, &exchange->err);
}

/* 0 or the HTTP code of the refusal, with exchange->err set. */
static int begin_inference(struct e2b_exchange *exchange) {
    struct e2b_inference_form form = {0};
    if (atomic_load(&exchange->all->draining)) {
        e2b_fail(&exchange->err, E2B_BUSY, "the server is stopping");
        return MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    int http = read_form(exchange, &form);
    if (http)
        return http;
    if (e2b_inference_init(&exchange->inference, exchange->model, &form, &exchange->err) != E2B_OK)
        return e2b_status_http(exchange->err.status);
    limit_silence(exchange, true);
    return 0;
}

static int begin(struct e2b_exchange *exchange, const char *url, const char *method) {
    struct e2b_route *route = &exchange->route;
    int http = e2b_route_find(method, url, route);
    if (http == MHD_HTTP_NOT_FOUND) {
        e2b_fail(&exchange->err, E2B_NOT_FOUND, "unknown path \"%.120s\": see GET /v2", url);
        return http;
    }
    if (http == MHD_HTTP_METHOD_NOT_ALLOWED) {
        e2b_fail(&exchange->err, E2B_INVALID, "%.20s is not allowed here, only %s", method,
            route->allow);
        return http;
    }
    if (*route->model
        && e2b_catalog_find(&exchange->all->catalog, route->model, route->version, &exchange->model,
               &exchange->err)
            != E2B_OK)
        return e2b_status_http(exchange->err.status);
    return route->kind == E2B_ROUTE_INFER ? begin_inference(exchange) : 0;
}

/* ---- the course of an exchange ---- */

static enum MHD_Result start(struct e2b_exchanges *all, struct MHD_Connection *connection,
    const char *url, const char *method, void **state) {
    struct e2b_exchange *exchange = open_exchange(all, connection);
    if (!exchange)
        return MHD_NO;
    *state = exchange;
    int http = begin(exchange, url, method);
    if (!http)
        return MHD_YES;
    refuse(exchange, http);
    /* A client that waits for leave to send, or would send too much, is answered at once. Others
     * are still writing: closing now could destroy the answer before they read it. */
    bool at_once = http == MHD_HTTP_CONTENT_TOO_LARGE || header(exchange, "Expect");
    return at_once ? reply_error(exchange, http) : MHD_YES;
}

static enum MHD_Result take_body(struct e2b_exchange *exchange, const char *data, size_t bytes) {
    size_t max = exchange->all->options.max_body_bytes;
    exchange->received += bytes;
    if (exchange->refused_http || exchange->route.kind != E2B_ROUTE_INFER) {
        exchange->dropped += bytes;
        return exchange->dropped <= max ? MHD_YES : MHD_NO;
    }
    enum e2b_status status = exchange->received > max
        ? e2b_fail(
            &exchange->err, E2B_TOO_LARGE, "the body has more than the %zu bytes allowed", max)
        : e2b_inference_feed(&exchange->inference, data, bytes, &exchange->err);
    if (status != E2B_OK)
        refuse(exchange, e2b_status_http(status));
    return MHD_YES;
}

/* On a thread of the engine. Afterwards the exchange may be gone, but not what all share: whoever
 * ends that waits for in_flight. */
static void wake(void *context) {
    struct e2b_exchange *exchange = context;
    struct e2b_exchanges *all = exchange->all;
    MHD_resume_connection(exchange->connection);
    atomic_fetch_sub(&all->in_flight, 1);
}

/* False when the server stops: nothing was submitted. */
static bool try_submit(struct e2b_exchange *exchange) {
    struct e2b_exchanges *all = exchange->all;
    pthread_mutex_lock(&all->lock);
    exchange->submitted = !all->stopped;
    if (exchange->submitted) {
        atomic_fetch_add(&all->in_flight, 1);
        e2b_inference_submit(&exchange->inference, wake, exchange);
    }
    bool submitted = exchange->submitted;
    pthread_mutex_unlock(&all->lock);
    return submitted;
}

static enum MHD_Result submit(struct e2b_exchange *exchange) {
    enum e2b_status status = e2b_inference_end(&exchange->inference, &exchange->err);
    if (status != E2B_OK) {
        refuse(exchange, e2b_status_http(status));
        return reply_error(exchange, exchange->refused_http);
    }
    MHD_suspend_connection(exchange->connection);
    if (try_submit(exchange))
        return MHD_YES;
    e2b_fail(&exchange->err, E2B_BUSY, "the server is stopping");
    refuse(exchange, MHD_HTTP_SERVICE_UNAVAILABLE);
    MHD_resume_connection(exchange->connection);
    return MHD_YES;
}

static void add_timing(struct MHD_Response *response, const struct e2b_request_times *times) {
    char text[256];
    snprintf(text, sizeof text,
        "fill;dur=%.3f, upload;dur=%.3f, wait;dur=%.3f, queue;dur=%.3f, compute;dur=%.3f, "
        "download;dur=%.3f, total;dur=%.3f",
        (double)times->fill * 1e-6, (double)times->upload * 1e-6, (double)times->wait * 1e-6,
        (double)times->queue * 1e-6, (double)times->compute * 1e-6, (double)times->download * 1e-6,
        (double)times->total * 1e-6);
    MHD_add_response_header(response, "E2b-Timing", text);
}

static enum MHD_Result reply_inference(struct e2b_exchange *exchange) {
    struct e2b_text body = {0};
    size_t head_bytes = 0;
    struct e2b_request_times times = {0};
    pthread_mutex_lock(&exchange->all->lock);
    exchange->submitted = false;
    pthread_mutex_unlock(&exchange->all->lock);
    enum e2b_status status =
        e2b_inference_answer(&exchange->inference, &body, &head_bytes, &times, &exchange->err);
    if (status != E2B_OK) {
        e2b_text_finish(&body);
        return reply_error(exchange, e2b_status_http(status));
    }
    struct MHD_Response *response =
        make_response(&body, head_bytes ? "application/octet-stream" : JSON);
    if (!response)
        return MHD_NO;
    if (head_bytes) {
        char text[24];
        snprintf(text, sizeof text, "%zu", head_bytes);
        MHD_add_response_header(response, "Inference-Header-Content-Length", text);
    }
    add_timing(response, &times);
    return send_response(exchange, MHD_HTTP_OK, response);
}

enum MHD_Result e2b_exchange_handle(void *context, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *bytes,
    void **state) {
    struct e2b_exchange *exchange = *state;
    (void)version;
    if (!exchange)
        return start(context, connection, url, method, state);
    if (*bytes > 0) {
        size_t count = *bytes;
        *bytes = 0;
        return take_body(exchange, data, count);
    }
    if (exchange->refused_http)
        return reply_error(exchange, exchange->refused_http);
    if (exchange->route.kind != E2B_ROUTE_INFER)
        return reply_plain(exchange);
    return exchange->submitted ? reply_inference(exchange) : submit(exchange);
}
