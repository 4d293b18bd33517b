/* The Open Inference Protocol over HTTP: requests go from the socket straight into their slots, and
 * no thread waits for a device. Also /metrics for Prometheus. The threads are the server's own.
 *
 * Beyond the protocol: POST .../infer with Content-Type image/jpeg or image/png takes a picture as
 * it is (?top=5: the best classes by their labels, the default where there are labels; 0: the
 * outputs); successful answers tell in E2b-Timing where the time went, as "fill;dur=0.1, ..." in
 * ms. */
#ifndef E2B_SERVER_SERVER_H
#define E2B_SERVER_SERVER_H

#include "runtime/engine/engine.h"
#include "runtime/server/answer.h"

struct e2b_server;

struct e2b_server_options {
    const char *address;        /* numeric, IPv4 or IPv6; NULL or "": every interface */
    int port;                   /* 0: any free one, see e2b_server_port */
    int threads;                /* that read requests, decode images and write answers; >= 1 */
    int max_connections;        /* 0: 1024 */
    size_t max_body_bytes;      /* 0: 64 MiB */
    int64_t request_timeout_ns; /* deadline of requests that name none; 0: none */
    int idle_timeout_s; /* connections that say nothing for so long are closed; 0: 60. Within a body
                         * no longer than request_timeout_ns, in whole seconds */
};

/* A model as the server offers it. Pointers stay the caller's and outlive the server. */
struct e2b_served_entry {
    struct e2b_served *served;
    const char *version;      /* digits; NULL: "1" */
    struct e2b_labels labels; /* count 0: none */
    int image_input;          /* input that takes JPEG and PNG (uint8 N,H,W,3); -1: none */
    int priority;             /* of requests that name none, or 0; smaller goes first */
    int resize_px;            /* see struct e2b_image_rule in runtime/server/image.h */
    const int *sizes;         /* batch sizes of the engine's counters, for metrics */
    int size_count;
};

/* Makes the server without opening a socket. models is copied. */
enum e2b_status e2b_server_create(const struct e2b_server_options *options,
    const struct e2b_served_entry *models, int count, struct e2b_server **out,
    struct e2b_error *err);
/* Listen and answer. Not ready until told: inference works, /v2/health/ready says no. */
enum e2b_status e2b_server_start(struct e2b_server *server, struct e2b_error *err);
void e2b_server_set_ready(struct e2b_server *server, bool ready);
int e2b_server_port(const struct e2b_server *server); /* after start */

/* Stop accepting connections, refuse new inference on kept ones (503), and wait until what is in
 * flight is answered or the clock passes deadline_ns; what is left then is cancelled. True if
 * nothing was. The engine still runs. */
bool e2b_server_drain(struct e2b_server *server, int64_t deadline_ns);
/* Drains without patience if that was not done. Before the engine's end. NULL is fine. */
void e2b_server_destroy(struct e2b_server *server);

#endif
