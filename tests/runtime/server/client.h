/* The simplest HTTP client: one request on one connection. */
#ifndef E2B_TESTS_SERVER_CLIENT_H
#define E2B_TESTS_SERVER_CLIENT_H

#include "tests/support.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client_answer {
    int code;
    char text[16384]; /* head and body, NUL-terminated */
};

/* -1 when nobody listens. */
static inline int client_connect(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void client_send(
    int fd, const char *method, const char *path, const char *headers, const char *body) {
    char text[8192];
    int length = snprintf(text, sizeof text,
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s", method,
        path, headers, strlen(body), body);
    assert_in_range(length, 1, sizeof text - 1);
    assert_int_equal(send(fd, text, (size_t)length, MSG_NOSIGNAL), length);
}

/* Reads to the end of the connection and closes it. code 0: closed without an answer. */
static inline void client_receive(int fd, struct client_answer *out) {
    size_t length = 0;
    ssize_t got;
    while ((got = recv(fd, out->text + length, sizeof out->text - 1 - length, 0)) > 0)
        length += (size_t)got;
    out->text[length] = '\0';
    out->code = length > 12 ? atoi(out->text + 9) : 0;
    close(fd);
}

static inline void client_ask(int port, const char *method, const char *path, const char *headers,
    const char *body, struct client_answer *out) {
    int fd = client_connect(port);
    assert_true(fd >= 0);
    client_send(fd, method, path, headers, body);
    client_receive(fd, out);
}

#endif
