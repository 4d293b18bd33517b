#include "runtime/server/server.h"

#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/server/exchange.h"
#include "runtime/server/listen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Also the read buffer of a connection: large tensors arrive in pieces of about this size. */
#define CONNECTION_BYTES ((size_t)128 << 10)

struct e2b_server {
    struct e2b_exchanges exchanges;
    char *address;
    struct MHD_Daemon *daemon;
    int socket, port; /* socket -1: not listening */
    bool quiesced;    /* the socket is ours to close */
};

static void fill_defaults(struct e2b_server_options *options) {
    if (options->max_connections == 0)
        options->max_connections = 1024;
    if (options->max_body_bytes == 0)
        options->max_body_bytes = (size_t)64 << 20;
    if (options->idle_timeout_s == 0)
        options->idle_timeout_s = 60;
}

static enum e2b_status check_options(
    const struct e2b_server_options *options, struct e2b_error *err) {
    if (options->threads < 1 || options->threads > 256)
        return e2b_fail(err, E2B_INVALID, "server threads: %d is outside 1..256", options->threads);
    if (options->max_connections < options->threads || options->max_connections > 65536)
        return e2b_fail(err, E2B_INVALID, "server connections: %d is outside %d (threads)..65536",
            options->max_connections, options->threads);
    if (options->idle_timeout_s < 0 || options->request_timeout_ns < 0)
        return e2b_fail(err, E2B_INVALID, "server timeouts must be 0 or more");
    return E2B_OK;
}

static void init_exchanges(
    struct e2b_exchanges *exchanges, const struct e2b_server_options *options) {
    pthread_condattr_t monotonic;
    exchanges->options = *options;
    fill_defaults(&exchanges->options);
    pthread_mutex_init(&exchanges->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&exchanges->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

enum e2b_status e2b_server_create(const struct e2b_server_options *options,
    const struct e2b_served_entry *models, int count, struct e2b_server **out,
    struct e2b_error *err) {
    struct e2b_server *server = calloc(1, sizeof *server);
    if (!server)
        return e2b_fail_memory(err, "the server");
    server->socket = -1;
    init_exchanges(&server->exchanges, options);
    server->address = strdup(options->address ? options->address : "");
    if (!server->address)
        e2b_fail_memory(err, "the server");
    if (err->status != E2B_OK || check_options(&server->exchanges.options, err) != E2B_OK
        || e2b_catalog_init(&server->exchanges.catalog, models, count, err) != E2B_OK) {
        e2b_server_destroy(server);
        return err->status;
    }
    *out = server;
    return E2B_OK;
}

static void log_line(void *context, const char *format, va_list args) {
    char text[256];
    (void)context;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    e2b_log(E2B_LOG_DEBUG, "server", "%s", text);
}

static struct MHD_Daemon *start_daemon(struct e2b_server *server) {
    const struct e2b_server_options *options = &server->exchanges.options;
    const struct MHD_OptionItem threads[] = {
        /* a pool of one is not taken: without the option there is one thread */
        {options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, options->threads,
            NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    /* poll, not epoll: libmicrohttpd 0.9.75 takes a short read for the last of an edge, and misses
     * the end of a connection that came with it. Requests at the engine are not polled. */
    unsigned int flags =
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    return MHD_start_daemon(flags, 0, NULL, NULL, e2b_exchange_handle, &server->exchanges,
        MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET, server->socket,
        MHD_OPTION_NOTIFY_COMPLETED, e2b_exchange_completed, &server->exchanges,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned int)options->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)options->idle_timeout_s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES,
        MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_BYTES / 2, MHD_OPTION_ARRAY, threads,
        MHD_OPTION_END);
}

enum e2b_status e2b_server_start(struct e2b_server *server, struct e2b_error *err) {
    if (e2b_listen(
            server->address, server->exchanges.options.port, &server->socket, &server->port, err)
        != E2B_OK)
        return err->status;
    server->daemon = start_daemon(server);
    if (!server->daemon)
        return e2b_fail_code(err, E2B_IO, errno, "cannot start the HTTP server: %s",
            errno ? strerror(errno) : "unknown cause");
    e2b_log(E2B_LOG_INFO, "server", "listening on %s port %d",
        *server->address ? server->address : "every address", server->port);
    return E2B_OK;
}

void e2b_server_set_ready(struct e2b_server *server, bool ready) {
    atomic_store(&server->exchanges.ready, ready);
}

int e2b_server_port(const struct e2b_server *server) {
    return server->port;
}

/* The socket is closed after the daemon's threads are gone; until then it only refuses. */
static void stop_accepting(struct e2b_server *server) {
    if (!server->daemon || server->quiesced)
        return;
    MHD_quiesce_daemon(server->daemon);
    shutdown(server->socket, SHUT_RDWR);
    server->quiesced = true;
}

static bool wait_for_exchanges(struct e2b_exchanges *exchanges, int64_t deadline_ns) {
    const struct timespec until = {deadline_ns / 1000000000, deadline_ns % 1000000000};
    pthread_mutex_lock(&exchanges->lock);
    int status = 0;
    while (exchanges->open_count > 0 && status != ETIMEDOUT)
        status = pthread_cond_timedwait(&exchanges->changed, &exchanges->lock, &until);
    bool all_done = exchanges->open_count == 0;
    pthread_mutex_unlock(&exchanges->lock);
    return all_done;
}

/* The engine answers each cancelled request, soon. */
static void cancel_all(struct e2b_exchanges *exchanges) {
    e2b_exchanges_cancel(exchanges);
    while (atomic_load(&exchanges->in_flight) > 0)
        e2b_clock_sleep_ns(1000000);
}

bool e2b_server_drain(struct e2b_server *server, int64_t deadline_ns) {
    struct e2b_exchanges *exchanges = &server->exchanges;
    atomic_store(&exchanges->ready, false);
    atomic_store(&exchanges->draining, true);
    stop_accepting(server);
    bool all_done = wait_for_exchanges(exchanges, deadline_ns);
    cancel_all(exchanges);
    return all_done;
}

void e2b_server_destroy(struct e2b_server *server) {
    if (!server)
        return;
    if (server->daemon) {
        e2b_server_drain(server, 0);
        MHD_stop_daemon(server->daemon);
    }
    if (server->socket >= 0 && (server->quiesced || !server->daemon))
        close(server->socket);
    e2b_catalog_finish(&server->exchanges.catalog);
    pthread_cond_destroy(&server->exchanges.changed);
    pthread_mutex_destroy(&server->exchanges.lock);
    free(server->address);
    free(server);
}
