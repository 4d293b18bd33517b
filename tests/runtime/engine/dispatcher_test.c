#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 16
#define LIVE 12 /* requests at most at a time, of one to three samples */

struct live {
    struct e2b_request *request;
    struct fixture_answer answer;
};

static void check_idle(struct fixture *fixture) {
    struct e2b_served_stats stats;
    e2b_served_stats_get(fixture->served, &stats);
    assert_int_equal(stats.free_slots, SLOTS);
    assert_int_equal(stats.pending, 0);
}

/* One request with a fault set, then one without: both are answered once, the second well, and no
 * slot is lost. Returns the first one's status. */
static enum e2b_status one_fault(enum e2b_sim_fault fault, int nth) {
    struct fixture fixture = fixture_open(fixture_sim(), true, SLOTS);
    struct fixture_answer answers[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        struct e2b_error err = {0};
        struct e2b_request *request;
        assert_ok(e2b_request_open(fixture.served, 3, &request, &err), err);
        e2b_sim_fail_nth(fixture.device, fault, i == 0 ? nth : 0);
        e2b_request_submit(request, NULL, fixture_note, &answers[i]);
        fixture_settle(&fixture);
        assert_int_equal(answers[i].count, 1);
        e2b_request_close(request);
    }
    assert_int_equal(answers[1].status, E2B_OK);
    check_idle(&fixture);
    assert_int_equal(e2b_sim_objects(fixture.device).events, 0);
    fixture_close(&fixture);
    return answers[0].status;
}

/* Three samples are one upload, then batches of two and one with a kernel, a wait and a copy. */
static void each_enqueue_may_fail(void **state) {
    (void)state;
    for (int nth = 1; nth <= 7; nth++)
        assert_int_equal(one_fault(E2B_SIM_FAULT_ENQUEUE, nth), E2B_DEVICE);
}

/* What is watched: the upload of a request, and of each of the two batches the last kernel and
 * the copy. */
static void each_command_may_fail(void **state) {
    (void)state;
    int told = 0;
    for (int nth = 1; nth <= 20; nth++)
        told += one_fault(E2B_SIM_FAULT_EVENT, nth) == E2B_DEVICE;
    assert_int_equal(told, 5);
}

static void cancel_withdraws_what_waits_and_lets_run_what_runs(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, SLOTS);
    struct e2b_error err = {0};
    struct e2b_request *running, *waiting[3];
    struct fixture_answer ran = {0}, waited[3] = {{0}};
    assert_ok(e2b_request_open(fixture.served, 4, &running, &err), err);
    e2b_request_submit(running, NULL, fixture_note, &ran);
    e2b_engine_step(fixture.engine);
    e2b_sim_advance(fixture.device, e2b_sim_next_ns(fixture.device) + 1000);
    e2b_engine_step(fixture.engine);
    for (int i = 0; i < 3; i++) {
        assert_ok(e2b_request_open(fixture.served, 4, &waiting[i], &err), err);
        e2b_request_submit(waiting[i], NULL, fixture_note, &waited[i]);
    }
    e2b_request_cancel(running);
    e2b_request_cancel(waiting[2]);
    e2b_request_cancel(waiting[2]);
    fixture_settle(&fixture);
    assert_int_equal(ran.count, 1);
    assert_int_equal(ran.status, E2B_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waited[i].count, 1);
        assert_int_equal(waited[i].status, i == 2 ? E2B_CANCELLED : E2B_OK);
        e2b_request_close(waiting[i]);
    }
    e2b_request_cancel(running);
    e2b_request_close(running);
    fixture_settle(&fixture);
    check_idle(&fixture);
    fixture_close(&fixture);
}

/* A device on which enqueueing takes so long that what was started before has ended. */
static struct {
    const struct e2b_device_ops *real;
    struct e2b_device *device;
    struct fixture_answer answers[7];
    int launches, answered; /* at the last launch */
} slow;

static enum e2b_status enqueue_slowly(struct e2b_queue *queue, struct e2b_kernel *kernel,
    const size_t *global, const size_t *local, struct e2b_event **event, struct e2b_error *err) {
    slow.launches++;
    slow.answered = 0;
    for (int i = 0; i < 7; i++)
        slow.answered += slow.answers[i].count;
    e2b_sim_advance(slow.device, slow.real->now_ns(slow.device) + 20 * FIXTURE_KERNEL_NS);
    return slow.real->enqueue_kernel(queue, kernel, global, local, event, err);
}

static void answers_do_not_wait_for_batches_that_are_enqueued(void **state) {
    (void)state;
    struct fixture fixture = fixture_open(fixture_sim(), true, SLOTS);
    struct e2b_request *requests[7];
    struct e2b_error err = {0};
    struct e2b_device_ops ops = *fixture.device->ops;
    slow.real = fixture.device->ops;
    slow.device = fixture.device;
    for (int i = 0; i < 7; i++) {
        assert_ok(e2b_request_open(fixture.served, 1, &requests[i], &err), err);
        e2b_request_submit(requests[i], NULL, fixture_note, &slow.answers[i]);
    }
    e2b_engine_step(fixture.engine); /* uploads */
    e2b_sim_run_until_idle(fixture.device);
    ops.enqueue_kernel = enqueue_slowly;
    fixture.device->ops = &ops;
    e2b_engine_step(fixture.engine); /* batches of 4, 2 and 1 */
    assert_true(slow.launches >= 3);
    assert_int_equal(slow.answered, 6); /* the first two, which ended while the third came */
    fixture.device->ops = slow.real;
    fixture_settle(&fixture);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(slow.answers[i].count, 1);
        e2b_request_close(requests[i]);
    }
    check_idle(&fixture);
    fixture_close(&fixture);
}

static void close_answered(struct fixture *fixture, struct live *live) {
    (void)fixture;
    assert_true(live->answer.count <= 1);
    if (!live->request || live->answer.count == 0)
        return;
    e2b_request_close(live->request);
    live->request = NULL;
}

static void submit_random(struct fixture *fixture, struct live *live, unsigned *seed) {
    struct e2b_error err = {0};
    if (e2b_request_open(fixture->served, 1 + rand_r(seed) % 3, &live->request, &err) != E2B_OK) {
        assert_int_equal(err.status, E2B_BUSY);
        live->request = NULL;
        return;
    }
    struct e2b_request_options options = {.priority = rand_r(seed) % 3};
    if (rand_r(seed) % 4 == 0)
        options.deadline_ns = e2b_served_now_ns(fixture->served) + rand_r(seed) % 20000;
    live->answer = (struct fixture_answer){0};
    e2b_request_submit(live->request, &options, fixture_note, &live->answer);
}

static void random_life(unsigned seed) {
    struct fixture fixture = fixture_open(fixture_sim(), true, SLOTS);
    struct live live[LIVE] = {{0}};
    printf("seed %u\n", seed);
    e2b_sim_fail_randomly(fixture.device, E2B_SIM_FAULT_ENQUEUE, 0.002);
    e2b_sim_fail_randomly(fixture.device, E2B_SIM_FAULT_EVENT, 0.002);
    int answered = 0;
    for (int step = 0; step < 20000; step++) {
        struct live *one = &live[rand_r(&seed) % LIVE];
        if (!one->request)
            submit_random(&fixture, one, &seed);
        else if (rand_r(&seed) % 10 == 0)
            e2b_request_cancel(one->request);
        e2b_engine_step(fixture.engine);
        if (rand_r(&seed) % 2)
            e2b_sim_advance(
                fixture.device, fixture.device->ops->now_ns(fixture.device) + rand_r(&seed) % 3000);
        for (int i = 0; i < LIVE; i++) {
            answered += live[i].request && live[i].answer.count == 1;
            close_answered(&fixture, &live[i]);
        }
    }
    fixture_settle(&fixture);
    for (int i = 0; i < LIVE; i++) {
        assert_true(!live[i].request || live[i].answer.count == 1);
        close_answered(&fixture, &live[i]);
    }
    assert_true(answered > 1000);
    check_idle(&fixture);
    assert_int_equal(e2b_sim_objects(fixture.device).events, 0);
    fixture_close(&fixture);
}

static void random_lives_answer_everything_once(void **state) {
    (void)state;
    for (unsigned seed = 1; seed <= 5; seed++)
        random_life(seed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_enqueue_may_fail),
        cmocka_unit_test(each_command_may_fail),
        cmocka_unit_test(cancel_withdraws_what_waits_and_lets_run_what_runs),
        cmocka_unit_test(answers_do_not_wait_for_batches_that_are_enqueued),
        cmocka_unit_test(random_lives_answer_everything_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
