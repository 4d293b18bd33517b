#include "runtime/server/server.h"

#include "runtime/base/clock.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/server/client.h"
#include <pthread.h>
#include <stdatomic.h>

#define MS 1000000

static const char request[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
                              "\"data\":[1,2,3,4]}]}";

static struct e2b_server *start_server(const struct fixture *fixture, int64_t timeout_ns) {
    struct e2b_error err = {0};
    struct e2b_server *server;
    const struct e2b_served_entry entry = {.served = fixture->served, .image_input = -1};
    const struct e2b_server_options options = {
        .address = "127.0.0.1", .threads = 1, .request_timeout_ns = timeout_ns};
    assert_ok(e2b_server_create(&options, &entry, 1, &server, &err), err);
    assert_ok(e2b_server_start(server, &err), err);
    return server;
}

static void test_options_are_checked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_server *server;
    const struct e2b_server_options threads = {.threads = 0};
    assert_fails(
        e2b_server_create(&threads, NULL, 0, &server, &err), E2B_INVALID, "outside 1..256", err);
    const struct e2b_server_options few = {.threads = 4, .max_connections = 3};
    assert_fails(e2b_server_create(&few, NULL, 0, &server, &err), E2B_INVALID, "outside 4", err);
    const struct e2b_server_options past = {.threads = 1, .request_timeout_ns = -1};
    assert_fails(e2b_server_create(&past, NULL, 0, &server, &err), E2B_INVALID, "timeouts", err);
    const struct e2b_server_options name = {.threads = 1, .address = "nowhere"};
    assert_ok(e2b_server_create(&name, NULL, 0, &server, &err), err);
    assert_fails(e2b_server_start(server, &err), E2B_INVALID, "not numeric", err);
    e2b_server_destroy(server);
    e2b_server_destroy(NULL);
}

static void test_ready_when_told(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    struct e2b_server *server = start_server(&fixture, 0);
    int port = e2b_server_port(server);
    struct client_answer answer;
    client_ask(port, "GET", "/v2/health/ready", "", "", &answer);
    assert_int_equal(answer.code, 400);
    e2b_server_set_ready(server, true);
    client_ask(port, "GET", "/v2/health/ready", "", "", &answer);
    assert_int_equal(answer.code, 200);
    e2b_server_destroy(server);
    assert_int_equal(client_connect(port), -1);
    fixture_close(&fixture);
}

/* Steps the engine and the simulated time, once it may. */
struct stepper {
    struct fixture *fixture;
    atomic_bool may_step, stop;
    pthread_t thread;
};

static void *step(void *context) {
    struct stepper *stepper = context;
    while (!atomic_load(&stepper->stop)) {
        if (atomic_load(&stepper->may_step))
            fixture_settle(stepper->fixture);
        e2b_clock_sleep_ns(MS);
    }
    return NULL;
}

static void wait_for_pending(const struct fixture *fixture, int count) {
    struct e2b_served_stats stats;
    for (int i = 0; i < 5000; i++) {
        e2b_served_stats_get(fixture->served, &stats);
        if (stats.pending == count)
            return;
        e2b_clock_sleep_ns(MS);
    }
    fail_msg("%d requests are pending, not %d", stats.pending, count);
}

static void *let_step_later(void *context) {
    e2b_clock_sleep_ns(300 * MS);
    atomic_store(&((struct stepper *)context)->may_step, true);
    return NULL;
}

/* The engine goes on only after the deadline has passed (late) or before it. */
static void drain_with_one_in_flight(bool late) {
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    struct e2b_server *server = start_server(&fixture, 0);
    struct stepper stepper = {.fixture = &fixture};
    pthread_t later;
    struct client_answer answer;
    assert_int_equal(pthread_create(&stepper.thread, NULL, step, &stepper), 0);
    int fd = client_connect(e2b_server_port(server));
    client_send(fd, "POST", "/v2/models/tiny/infer", "", request);
    wait_for_pending(&fixture, 1);
    assert_int_equal(pthread_create(&later, NULL, let_step_later, &stepper), 0);
    int64_t begin_ns = e2b_clock_ns();
    bool complete = e2b_server_drain(server, begin_ns + (late ? 50 : 20000) * (int64_t)MS);
    assert_int_equal(complete, !late);
    assert_true(e2b_clock_ns() - begin_ns >= 250 * (int64_t)MS);
    e2b_server_destroy(server);
    client_receive(fd, &answer);
    if (!late)
        assert_int_equal(answer.code, 200);
    wait_for_pending(&fixture, 0);
    atomic_store(&stepper.stop, true);
    pthread_join(later, NULL);
    pthread_join(stepper.thread, NULL);
    fixture_close(&fixture);
}

static void test_drain_answers(void **state) {
    (void)state;
    drain_with_one_in_flight(false);
}

static void test_drain_cancels_what_is_late(void **state) {
    (void)state;
    drain_with_one_in_flight(true);
}

/* A client that falls silent within its body gives its slots back in the time of a request. */
static void test_silence_within_a_body(void **state) {
    (void)state;
    static const char head[] =
        "POST /v2/models/tiny/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 113\r\n"
        "Inference-Header-Content-Length: 97\r\n\r\n"
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
        "\"parameters\":{\"binary_data_size\":16}}]}   ";
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    struct e2b_server *server = start_server(&fixture, 1000 * (int64_t)MS);
    int fd = client_connect(e2b_server_port(server));
    assert_int_equal(send(fd, head, strlen(head), 0), strlen(head));
    wait_for_pending(&fixture, 1);
    wait_for_pending(&fixture, 0); /* within its five seconds */
    struct client_answer answer;
    client_receive(fd, &answer);
    assert_int_equal(answer.code, 0);
    e2b_server_destroy(server);
    fixture_close(&fixture);
}

static void test_destroy_without_start(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_server *server;
    assert_ok(
        e2b_server_create(&(struct e2b_server_options){.threads = 1}, NULL, 0, &server, &err), err);
    e2b_server_destroy(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_ready_when_told),
        cmocka_unit_test(test_drain_answers),
        cmocka_unit_test(test_drain_cancels_what_is_late),
        cmocka_unit_test(test_silence_within_a_body),
        cmocka_unit_test(test_destroy_without_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
