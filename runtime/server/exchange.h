/* One HTTP request and its answer, between libmicrohttpd and the rest. Internal to the server: what
 * server.c starts and counts, exchange.c answers. */
#ifndef E2B_SERVER_EXCHANGE_H
#define E2B_SERVER_EXCHANGE_H

#include "runtime/server/catalog.h"
#include "runtime/server/inference.h"
#include "runtime/server/route.h"
#include <microhttpd.h>
#include <pthread.h>

struct e2b_exchange;

/* What exchanges share. exchanges: all that are open, under lock, which is held to take one out and
 * free its slots, so that whoever cancels under the lock finds requests that still live. */
struct e2b_exchanges {
    struct e2b_server_options options;
    struct e2b_catalog catalog;
    atomic_bool ready, draining;
    atomic_int in_flight; /* submitted, and the engine has not finished with the answer */
    atomic_uint_fast64_t answers[600]; /* by HTTP code */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* an exchange was closed */
    bool stopped;           /* under lock: nothing is submitted any more */
    struct e2b_exchange *first;
    int open_count;
};

/* libmicrohttpd's callbacks; their closure is the struct e2b_exchanges. */
enum MHD_Result e2b_exchange_handle(void *context, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version, const char *data, size_t *bytes,
    void **state);
void e2b_exchange_completed(void *context, struct MHD_Connection *connection, void **state,
    enum MHD_RequestTerminationCode code);

/* Withdraw all that is submitted, and let nothing more be. Each is still answered. */
void e2b_exchanges_cancel(struct e2b_exchanges *exchanges);

#endif
