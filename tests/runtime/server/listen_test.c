#include "runtime/server/listen.h"

#include "tests/support.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool connects(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    bool connected = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    close(fd);
    return connected;
}

static void test_listens(void **state) {
    (void)state;
    static const char *const addresses[] = {"127.0.0.1", "", NULL, "0.0.0.0"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct e2b_error err = {0};
        int fd = -1, port = 0;
        assert_ok(e2b_listen(addresses[i], 0, &fd, &port, &err), err);
        assert_in_range(port, 1, 65535);
        assert_true(connects(port));
        close(fd);
        assert_false(connects(port));
    }
}

static void test_refuses(void **state) {
    (void)state;
    struct e2b_error err = {0};
    int fd = -1, other = -1, port = 0;
    assert_fails(e2b_listen("localhost", 0, &fd, &port, &err), E2B_INVALID, "not numeric", err);
    assert_fails(e2b_listen("127.0.0.1", 65536, &fd, &port, &err), E2B_INVALID, "65536", err);
    assert_fails(e2b_listen("127.0.0.1", -1, &fd, &port, &err), E2B_INVALID, "-1", err);
    assert_fails(e2b_listen("192.0.2.1", 0, &fd, &port, &err), E2B_IO, "cannot listen", err);
    assert_ok(e2b_listen("127.0.0.1", 0, &fd, &port, &err), err);
    assert_fails(e2b_listen("127.0.0.1", port, &other, &port, &err), E2B_IO,
        "already in use: take another port", err);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listens),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
