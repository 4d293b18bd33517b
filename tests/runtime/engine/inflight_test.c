#include "runtime/engine/inflight.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

/* Requests of a manual engine that the test itself takes through their states. */
struct setting {
    struct fixture fixture;
    struct e2b_inflight inflight;
};

static void open_setting(struct setting *setting) {
    *setting = (struct setting){.fixture = fixture_open(fixture_sim(), true, 8)};
    setting->inflight.device = setting->fixture.device;
}

static struct e2b_request *submit(
    struct setting *setting, int samples, struct fixture_answer *answer) {
    struct e2b_error err = {0};
    struct e2b_request *request;
    assert_ok(e2b_request_open(setting->fixture.served, samples, &request, &err), err);
    request->done = fixture_note;
    request->context = answer;
    atomic_fetch_add(&setting->inflight.count, 1);
    e2b_inflight_add(&setting->inflight, request);
    return request;
}

static void move(struct setting *setting, const struct e2b_request *request,
    enum e2b_slot_state last, int64_t now_ns) {
    for (int i = 0; i < request->sample_count; i++)
        for (int state = E2B_SLOT_COPYING; state <= (int)last; state++)
            e2b_pool_move(setting->fixture.served->pool, request->slots[i],
                (enum e2b_slot_state)state, now_ns);
}

static void close_setting(struct setting *setting) {
    assert_null(setting->inflight.first);
    assert_int_equal(atomic_load(&setting->inflight.count), 0);
    assert_int_equal(e2b_pool_free_count(setting->fixture.served->pool), 8);
    fixture_close(&setting->fixture);
}

static void the_last_sample_answers_with_the_first_failure(void **state) {
    (void)state;
    struct setting setting;
    struct fixture_answer answer = {0};
    struct e2b_error first = {0}, second = {0};
    open_setting(&setting);
    e2b_fail(&first, E2B_DEVICE, "first");
    e2b_fail(&second, E2B_DEADLINE, "second");
    struct e2b_request *request = submit(&setting, 3, &answer);
    struct e2b_served *served = setting.fixture.served;
    e2b_inflight_fail(&setting.inflight, served, request->slots[1], &first);
    assert_int_equal(e2b_pool_free_count(served->pool), 6);
    e2b_inflight_fail(&setting.inflight, served, request->slots[0], &second);
    assert_int_equal(answer.count, 0);
    e2b_inflight_fail(&setting.inflight, served, request->slots[2], &second);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.status, E2B_DEVICE);
    e2b_request_close(request);
    close_setting(&setting);
}

/* Slot 1 is a hole in the batch. */
static void a_batch_answers_each_of_its_requests(void **state) {
    (void)state;
    struct setting setting;
    struct fixture_answer answers[3] = {{0}};
    struct e2b_request *requests[3];
    struct e2b_error error = {0};
    open_setting(&setting);
    for (int i = 0; i < 3; i++)
        requests[i] = submit(&setting, 1, &answers[i]);
    struct e2b_batch batch = {.served = setting.fixture.served, .first = 0, .span = 3, .count = 2};
    for (int i = 0; i < 3; i += 2) {
        move(&setting, requests[i], E2B_SLOT_DRAINING, 5);
        e2b_batch_take(&batch, requests[i]->slots[0]);
    }
    e2b_inflight_answer(&setting.inflight, &batch);
    e2b_fail(&error, E2B_CANCELLED, "gone");
    assert_int_equal(answers[1].count, 0);
    e2b_inflight_fail_request(&setting.inflight, requests[1], &error);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answers[i].count, 1);
        assert_int_equal(answers[i].status, i == 1 ? E2B_CANCELLED : E2B_OK);
        e2b_request_close(requests[i]);
    }
    struct e2b_served_stats stats;
    e2b_served_stats_get(setting.fixture.served, &stats);
    assert_int_equal(stats.success, 2);
    assert_int_equal(stats.failure[E2B_CANCELLED], 1);
    close_setting(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_sample_answers_with_the_first_failure),
        cmocka_unit_test(a_batch_answers_each_of_its_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
