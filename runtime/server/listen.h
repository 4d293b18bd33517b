/* A listening TCP socket. */
#ifndef E2B_SERVER_LISTEN_H
#define E2B_SERVER_LISTEN_H

#include "runtime/base/status.h"

/* address: numeric IPv4 or IPv6; NULL or "": every interface, both families where the host has
 * them. port 0 takes a free one. The socket does not block; the caller closes it. */
enum e2b_status e2b_listen(
    const char *address, int port, int *out_socket, int *out_port, struct e2b_error *err);

#endif
