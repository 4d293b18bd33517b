#include "runtime/engine/request.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <string.h>

static void each_sample_has_its_own_memory(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_request *request;
    size_t bytes;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    assert_ok(e2b_request_open(fixture.served, 3, &request, &err), err);
    assert_int_equal(e2b_request_samples(request), 3);
    for (int i = 0; i < 3; i++) {
        void *input = e2b_request_input(request, i, 0, &bytes);
        memset(input, i + 1, bytes);
        assert_int_equal(bytes, FIXTURE_FEATURES * sizeof(float));
        assert_non_null(e2b_request_output(request, i, 0, &bytes));
        assert_int_equal(bytes, FIXTURE_FEATURES * sizeof(float));
    }
    for (int i = 0; i < 3; i++) {
        const char *at = e2b_request_input(request, i, 0, NULL);
        assert_true(at[0] == i + 1 && at[bytes - 1] == i + 1);
    }
    e2b_request_close(request);
    e2b_request_close(NULL);
    fixture_close(&fixture);
}

static void a_fixed_batch_takes_one_at_a_time(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_request *request;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    fixture.served->batchable = false;
    assert_fails(
        e2b_request_open(fixture.served, 2, &request, &err), E2B_INVALID, "the fixed batch", err);
    fixture_close(&fixture);
}

static void a_slot_given_back_is_free_at_once(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_request *request;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    assert_ok(e2b_request_open(fixture.served, 4, &request, &err), err);
    int slot = request->slots[2];
    e2b_request_give_back(request, slot, 1);
    assert_int_equal(request->slots[2], -1);
    assert_int_equal(e2b_pool_free_count(fixture.served->pool), 1);
    e2b_request_close(request);
    assert_int_equal(e2b_pool_free_count(fixture.served->pool), 4);
    fixture_close(&fixture);
}

static void what_would_be_refused_takes_no_slot(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_request *request, *other;
    struct fixture_answer answer = {0};
    struct e2b_served_stats stats;
    struct fixture fixture = fixture_open(fixture_sim(), true, 4);
    atomic_store(&fixture.served->room, 0);
    assert_fails(e2b_request_open(fixture.served, 2, &request, &err), E2B_DEADLINE,
        "target cannot be met", err);
    e2b_served_stats_get(fixture.served, &stats);
    assert_int_equal(stats.refused[E2B_SCHED_OVERLOAD_REASON], 2);
    assert_int_equal(stats.free_slots, 4);
    assert_int_equal(atomic_load(&fixture.served->turned_away), 2);
    atomic_store(&fixture.served->room, 1);
    assert_ok(e2b_request_open(fixture.served, 2, &request, &err), err);
    e2b_request_submit(request, NULL, fixture_note, &answer);
    assert_int_equal(atomic_load(&fixture.served->coming), 2);
    assert_fails(e2b_request_open(fixture.served, 1, &other, &err), E2B_DEADLINE,
        "target cannot be met", err);
    fixture_settle(&fixture);
    assert_int_equal(atomic_load(&fixture.served->coming), 0);
    assert_ok(e2b_request_open(fixture.served, 1, &other, &err), err);
    e2b_request_close(other);
    e2b_request_close(request);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_has_its_own_memory),
        cmocka_unit_test(a_fixed_batch_takes_one_at_a_time),
        cmocka_unit_test(a_slot_given_back_is_free_at_once),
        cmocka_unit_test(what_would_be_refused_takes_no_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
