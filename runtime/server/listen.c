#include "runtime/server/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union any_address {
    struct sockaddr head;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t size_of(const union any_address *address) {
    return address->head.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static bool parse(const char *text, int port, union any_address *out) {
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return true;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons((uint16_t)port);
    return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
}

/* -1 with errno set. */
static int open_at(const union any_address *address, bool both_families) {
    int fd = socket(address->head.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, v6_only = !both_families;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->head.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    if (bind(fd, &address->head, size_of(address)) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

static int port_of(int fd) {
    union any_address bound = {0};
    socklen_t size = sizeof bound;
    if (getsockname(fd, &bound.head, &size) != 0)
        return 0;
    return ntohs(bound.head.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
}

static const char *way_out(int cause) {
    if (cause == EADDRNOTAVAIL)
        return ": take an address of this machine, or 0.0.0.0 for every one";
    return cause == EADDRINUSE || cause == EACCES ? ": take another port, or 0 for a free one" : "";
}

enum e2b_status e2b_listen(
    const char *address, int port, int *out_socket, int *out_port, struct e2b_error *err) {
    union any_address at;
    bool everywhere = !address || !*address;
    if (port < 0 || port > 65535)
        return e2b_fail(err, E2B_INVALID, "port %d is outside 0..65535", port);
    if (!parse(everywhere ? "::" : address, port, &at))
        return e2b_fail(err, E2B_INVALID,
            "address \"%.64s\" is not numeric IPv4 or IPv6, such as 0.0.0.0 or ::1", address);
    int fd = open_at(&at, everywhere);
    if (fd < 0 && everywhere && parse("0.0.0.0", port, &at))
        fd = open_at(&at, false);
    if (fd < 0)
        return e2b_fail_code(err, E2B_IO, errno, "cannot listen on %s port %d: %s%s",
            everywhere ? "any address" : address, port, strerror(errno), way_out(errno));
    *out_socket = fd;
    *out_port = port_of(fd);
    return E2B_OK;
}
