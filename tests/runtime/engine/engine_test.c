#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct e2b_request *open_filled(struct fixture *fixture, int samples) {
    struct e2b_error err = {0};
    struct e2b_request *request = NULL;
    assert_ok(e2b_request_open(fixture->served, samples, &request, &err), err);
    for (int i = 0; i < samples; i++)
        fixture_write(request, i, (float)i);
    return request;
}

static void policies_and_their_options_are_checked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_engine *engine;
    struct e2b_device *device = fixture_sim();
    assert_fails(
        e2b_engine_create(device, &(struct e2b_engine_options){.policy = "best"}, &engine, &err),
        E2B_INVALID, "there are: elastic", err);
    const struct e2b_policy_ops *policy = e2b_policy_find("tfserving");
    int64_t values[32];
    for (int i = 0; policy->options[i].name; i++)
        values[i] = policy->options[i].fallback;
    values[0] = policy->options[0].max + 1;
    const struct e2b_engine_options options = {.policy = "tfserving", .policy_values = values};
    assert_fails(e2b_engine_create(device, &options, &engine, &err), E2B_INVALID,
        policy->options[0].name, err);
    device->ops->destroy(device);
}

static void sizes_and_slots_are_checked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_engine *engine;
    struct e2b_served *served;
    struct e2b_device *device = fixture_sim();
    struct e2b_model *model = fixture_model(-1);
    const struct e2b_engine_options options = {.policy = "elastic", .manual = true};
    assert_ok(e2b_engine_create(device, &options, &engine, &err), err);
    struct e2b_serve_options serve = {.name = "m",
        .slot_count = 4,
        .size_count = 2,
        .sizes = {1, 8},
        .instances = {1, 1},
        .precision = E2B_F32,
        .image = {.input = -1}};
    assert_fails(e2b_engine_add(engine, model, &serve, &served, &err), E2B_INVALID,
        "4 slots hold no batch of 8", err);
    serve.sizes[1] = 1;
    assert_fails(e2b_engine_add(engine, model, &serve, &served, &err), E2B_INVALID, "ascend", err);
    serve.sizes[1] = 2;
    serve.instances[1] = 0;
    assert_fails(
        e2b_engine_add(engine, model, &serve, &served, &err), E2B_INVALID, "0 instances", err);
    serve.instances[1] = 1;
    assert_ok(e2b_engine_add(engine, model, &serve, &served, &err), err);
    assert_fails(
        e2b_engine_add(engine, model, &serve, &served, &err), E2B_INVALID, "there twice", err);
    e2b_engine_destroy(engine);
    e2b_model_destroy(model);
    device->ops->destroy(device);
}

static void seven_samples_run_as_four_two_and_one(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    struct fixture_answer answer = {0};
    struct e2b_request *request = open_filled(&fixture, 7);
    e2b_request_submit(request, NULL, fixture_note, &answer);
    fixture_settle(&fixture);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, E2B_OK);
    struct e2b_served_stats stats;
    e2b_served_stats_get(fixture.served, &stats);
    assert_int_equal(stats.executions, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(stats.batch_count[i], 1);
    assert_int_equal(stats.samples, 7);
    assert_int_equal(stats.success, 1);
    assert_int_equal(stats.free_slots, 1);
    assert_int_equal(stats.pending, 1);
    e2b_request_close(request);
    e2b_served_stats_get(fixture.served, &stats);
    assert_int_equal(stats.free_slots, 8);
    assert_int_equal(stats.pending, 0);
    fixture_close(&fixture);
}

static void times_add_up(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    struct fixture_answer answer = {0};
    struct e2b_request *request = open_filled(&fixture, 1);
    e2b_sim_advance(fixture.device, fixture.device->ops->now_ns(fixture.device) + 5000);
    e2b_request_submit(request, NULL, fixture_note, &answer);
    fixture_settle(&fixture);
    struct e2b_request_times times;
    e2b_request_times(request, &times);
    assert_int_equal(times.fill, 5000);
    assert_int_equal(times.upload, 100);
    assert_int_equal(times.wait, 0);
    assert_true(times.compute >= FIXTURE_KERNEL_NS);
    assert_int_equal(times.compute % FIXTURE_KERNEL_NS, 0);
    assert_int_equal(times.download, 100);
    assert_int_equal(times.total,
        times.fill + times.upload + times.wait + times.queue + times.compute + times.download);
    e2b_request_close(request);
    fixture_close(&fixture);
}

static void a_full_pool_says_busy_until_a_slot_is_closed(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    struct e2b_error err = {0};
    struct e2b_request *first = open_filled(&fixture, 3), *second = open_filled(&fixture, 1);
    struct e2b_request *third = NULL;
    assert_fails(e2b_request_open(fixture.served, 1, &third, &err), E2B_BUSY, "tiny", err);
    assert_fails(e2b_request_open(fixture.served, 5, &third, &err), E2B_INVALID, "4", err);
    assert_fails(e2b_request_open(fixture.served, 0, &third, &err), E2B_INVALID, "0 samples", err);
    e2b_request_close(second);
    assert_ok(e2b_request_open(fixture.served, 1, &third, &err), err);
    e2b_request_close(third);
    e2b_request_close(first);
    fixture_close(&fixture);
}

static void the_drain_is_predicted_and_passes(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    struct fixture_answer answers[8] = {{0}};
    struct e2b_request *requests[8];
    assert_int_equal(e2b_served_drain_ns(fixture.served), 0);
    for (int i = 0; i < 8; i++) {
        requests[i] = open_filled(&fixture, 1);
        e2b_request_submit(requests[i], NULL, fixture_note, &answers[i]);
    }
    e2b_engine_step(fixture.engine);
    e2b_sim_advance(fixture.device, e2b_sim_next_ns(fixture.device) + 1000);
    e2b_engine_step(fixture.engine);
    int64_t drain_ns = e2b_served_drain_ns(fixture.served);
    assert_true(drain_ns > 0);
    e2b_sim_advance(fixture.device, fixture.device->ops->now_ns(fixture.device) + 1);
    assert_int_equal(e2b_served_drain_ns(fixture.served), drain_ns - 1);
    fixture_settle(&fixture);
    assert_int_equal(e2b_served_drain_ns(fixture.served), 0);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(answers[i].count, 1);
        e2b_request_close(requests[i]);
    }
    fixture_close(&fixture);
}

static void a_passed_deadline_is_answered_so(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    struct fixture_answer answer = {0};
    struct e2b_request *request = open_filled(&fixture, 2);
    int64_t now_ns = e2b_served_now_ns(fixture.served);
    e2b_request_submit(
        request, &(struct e2b_request_options){.deadline_ns = now_ns + 1}, fixture_note, &answer);
    fixture_settle(&fixture);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, E2B_DEADLINE);
    struct e2b_served_stats stats;
    e2b_served_stats_get(fixture.served, &stats);
    assert_int_equal(stats.failure[E2B_DEADLINE], 1);
    assert_int_equal(stats.executions, 0);
    assert_int_equal(stats.free_slots, 4);
    e2b_request_close(request);
    fixture_close(&fixture);
}

static void a_drained_engine_opens_nothing_and_answers_all(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    struct fixture_answer answers[2] = {{0}};
    struct e2b_error err = {0};
    struct e2b_request *late, *requests[2] = {open_filled(&fixture, 1), open_filled(&fixture, 1)};
    e2b_request_submit(requests[0], NULL, fixture_note, &answers[0]);
    e2b_engine_step(fixture.engine);
    e2b_request_submit(requests[1], NULL, fixture_note, &answers[1]);
    e2b_engine_drain(fixture.engine, 0);
    assert_fails(e2b_request_open(fixture.served, 1, &late, &err), E2B_BUSY, "stopping", err);
    fixture_settle(&fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].status, E2B_CANCELLED);
        e2b_request_close(requests[i]);
    }
    fixture_close(&fixture);
}

static void nothing_is_left_on_the_device(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    e2b_engine_destroy(fixture.engine);
    e2b_model_destroy(fixture.model);
    struct e2b_sim_objects left = e2b_sim_objects(fixture.device);
    assert_int_equal(left.buffers + left.queues + left.programs + left.kernels + left.events, 0);
    fixture.device->ops->destroy(fixture.device);
}

/* A device without room fails the load, wherever it runs out, and leaves nothing. */
static void every_allocation_may_fail(void **state) {
    (void)state;
    struct e2b_model *model = fixture_model(-1);
    const struct e2b_serve_options serve = {.name = "m",
        .slot_count = 4,
        .size_count = 2,
        .sizes = {1, 4},
        .instances = {2, 1},
        .precision = E2B_F32,
        .image = {.input = -1}};
    int failures = 0;
    for (int nth = 1;; nth++) {
        struct e2b_device *device = fixture_sim();
        struct e2b_engine *engine;
        struct e2b_served *served;
        struct e2b_error err = {0};
        assert_ok(
            e2b_engine_create(device,
                &(struct e2b_engine_options){.policy = "elastic", .manual = true}, &engine, &err),
            err);
        e2b_sim_fail_nth(device, E2B_SIM_FAULT_ALLOCATION, nth);
        enum e2b_status status = e2b_engine_add(engine, model, &serve, &served, &err);
        e2b_engine_destroy(engine);
        assert_int_equal(e2b_sim_objects(device).buffers, 0);
        device->ops->destroy(device);
        if (status == E2B_OK)
            break;
        assert_int_equal(status, E2B_NO_MEMORY);
        assert_non_null(strstr(err.text, "\"m\""));
        failures++;
    }
    assert_true(failures >= 4);
    e2b_model_destroy(model);
}

#define CLIENTS 4
#define REQUESTS_A_CLIENT 60

struct client {
    struct fixture *fixture;
    int number, wrong, refused;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered;
};

static void tell(void *context, struct e2b_request *request, const struct e2b_error *err) {
    struct client *client = context;
    (void)request;
    pthread_mutex_lock(&client->lock);
    client->wrong += err->status != E2B_OK;
    client->answered = true;
    pthread_cond_signal(&client->changed);
    pthread_mutex_unlock(&client->lock);
}

static void check_outputs(struct client *client, struct e2b_request *request, float seed) {
    for (int i = 0; i < e2b_request_samples(request); i++) {
        float expected[FIXTURE_FEATURES];
        const float *got = e2b_request_output(request, i, 0, NULL);
        fixture_expected(seed + (float)i, expected);
        for (int j = 0; j < FIXTURE_FEATURES; j++)
            client->wrong += !(got[j] - expected[j] < 1e-5f && expected[j] - got[j] < 1e-5f);
    }
}

static void *client_body(void *context) {
    struct client *client = context;
    for (int i = 0; i < REQUESTS_A_CLIENT; i++) {
        struct e2b_error err = {0};
        struct e2b_request *request;
        float seed = (float)(client->number * 1000 + i);
        if (e2b_request_open(client->fixture->served, 1 + i % 3, &request, &err) != E2B_OK) {
            client->refused += err.status == E2B_BUSY;
            client->wrong += err.status != E2B_BUSY;
            continue;
        }
        for (int s = 0; s < e2b_request_samples(request); s++)
            fixture_write(request, s, seed + (float)s);
        client->answered = false;
        e2b_request_submit(request, NULL, tell, client);
        pthread_mutex_lock(&client->lock);
        while (!client->answered)
            pthread_cond_wait(&client->changed, &client->lock);
        pthread_mutex_unlock(&client->lock);
        check_outputs(client, request, seed);
        e2b_request_close(request);
    }
    return NULL;
}

static void many_clients_get_their_own_answers(void **state) {
    (void)state;
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    struct fixture fixture = fixture_open(device, false, 12);
    struct client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.fixture = &fixture,
            .number = i,
            .lock = PTHREAD_MUTEX_INITIALIZER,
            .changed = PTHREAD_COND_INITIALIZER};
        assert_int_equal(pthread_create(&threads[i], NULL, client_body, &clients[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(clients[i].wrong, 0);
        assert_int_equal(clients[i].refused, 0);
    }
    struct e2b_served_stats stats;
    e2b_served_stats_get(fixture.served, &stats);
    assert_int_equal(stats.success, CLIENTS * REQUESTS_A_CLIENT);
    assert_int_equal(stats.free_slots, 12);
    e2b_engine_drain(fixture.engine, 0);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_and_their_options_are_checked),
        cmocka_unit_test(sizes_and_slots_are_checked),
        cmocka_unit_test(seven_samples_run_as_four_two_and_one),
        cmocka_unit_test(times_add_up),
        cmocka_unit_test(a_full_pool_says_busy_until_a_slot_is_closed),
        cmocka_unit_test(the_drain_is_predicted_and_passes),
        cmocka_unit_test(a_passed_deadline_is_answered_so),
        cmocka_unit_test(a_drained_engine_opens_nothing_and_answers_all),
        cmocka_unit_test(nothing_is_left_on_the_device),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(many_clients_get_their_own_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
