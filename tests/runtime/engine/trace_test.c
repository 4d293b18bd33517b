#include "runtime/engine/trace.h"

#include "runtime/base/file.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];

static struct e2b_trace *open_trace(int64_t limit) {
    struct e2b_trace *trace = NULL;
    struct e2b_error err = {0};
    strcpy(path, "/tmp/e2b-trace-XXXXXX");
    close(mkstemp(path));
    assert_ok(e2b_trace_create(path, limit, &trace, &err), err);
    return trace;
}

/* The text of the completed trace, to be freed. */
static char *close_trace(struct e2b_trace *trace) {
    struct e2b_error err = {0};
    struct e2b_file file;
    assert_ok(e2b_trace_close(trace, &err), err);
    assert_ok(e2b_file_map(path, &file, &err), err);
    char *text = strndup((const char *)file.data, file.bytes);
    assert_non_null(text);
    e2b_file_unmap(&file);
    unlink(path);
    return text;
}

static int count_of(const char *text, const char *part) {
    int count = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        count++;
    return count;
}

/* Brackets outside strings match, which with the fixed forms that are printed makes it JSON. */
static void assert_balanced(const char *text) {
    int depth = 0;
    bool quoted = false;
    for (const char *c = text; *c; c++) {
        if (quoted && *c == '\\')
            c++;
        else if (*c == '"')
            quoted = !quoted;
        else if (!quoted)
            depth += (*c == '{' || *c == '[') - (*c == '}' || *c == ']');
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    assert_false(quoted);
}

static void each_kind_of_event_is_written(void **state) {
    (void)state;
    struct e2b_trace *trace = open_trace(1000);
    const struct e2b_sched_model model = {.name = "a \"model\"\\",
        .slot_count = 3,
        .size_count = 2,
        .sizes = {1, 4},
        .instances = {1, 2}};
    const struct e2b_sched_action run = {
        .kind = E2B_SCHED_RUN, .reason = E2B_SCHED_GREEDY_REASON, .first = 1, .count = 2};
    const struct e2b_sched_action reject = {.kind = E2B_SCHED_REJECT,
        .reason = E2B_SCHED_OVERLOAD_REASON,
        .foreseen_ns = 9000000,
        .allowed_ns = 8000500};
    const struct e2b_sched_action wait = {
        .kind = E2B_SCHED_SET_TIMER, .reason = E2B_SCHED_TIMEOUT_REASON, .timer_ns = 7000000};
    const struct e2b_trace_batch batch = {0, 4, 1, 1, 1, 2, 5000001, 6000002};
    struct e2b_slot slot = {.state = E2B_SLOT_READY};
    slot.entered_ns[E2B_SLOT_FILLING] = 1000;
    slot.entered_ns[E2B_SLOT_COPYING] = 2000;
    slot.entered_ns[E2B_SLOT_READY] = 4500;
    slot.entered_ns[E2B_SLOT_RUNNING] = 10; /* of the request before */
    e2b_trace_model(trace, 0, &model);
    e2b_trace_decision(trace, 5000000, &run);
    e2b_trace_decision(trace, 5000000, &wait);
    e2b_trace_decision(trace, 5000000, &reject);
    e2b_trace_enqueue(trace, 0, 2, 5000000, 5250000);
    e2b_trace_batch(trace, &batch);
    e2b_trace_copy(trace, &(struct e2b_trace_copy){0, -1, 0, 2, 1, {1, 2000, 4000}});
    e2b_trace_copy(trace, &(struct e2b_trace_copy){0, 1, 1, 1, 2, {1, 6001000, 6003500}});
    e2b_trace_copy(trace, &(struct e2b_trace_copy){.model = 0}); /* the device told no times */
    e2b_trace_slot(trace, 0, 2, &slot, 9000, E2B_DEADLINE);
    e2b_trace_queue(trace, 5000, 0, 3);
    e2b_trace_queue(trace, 6000, 0, 3); /* nothing new */
    e2b_trace_queue(trace, 7000, 0, 0);
    char *text = close_trace(trace);
    assert_balanced(text);
    assert_non_null(strstr(text, "\"a \\\"model\\\"\\\\\""));
    assert_int_equal(count_of(text, "\"thread_name\""), 1 + 2 * 3 + 2 + 3);
    assert_int_equal(count_of(text, "\"cat\":\"transfer\""), 2);
    assert_non_null(
        strstr(text, "\"ts\":2.000,\"dur\":2.000,\"cat\":\"transfer\",\"name\":\"in\""));
    assert_non_null(
        strstr(text, "\"ts\":6001.000,\"dur\":2.500,\"cat\":\"transfer\",\"name\":\"out\""));
    assert_non_null(strstr(text, "largest size that the ready run fills"));
    assert_non_null(strstr(text, "\"name\":\"wait\",\"args\":{\"us\":2000.000,"));
    assert_int_equal(count_of(text, "foreseen_us"), 1);
    assert_non_null(strstr(text, "\"foreseen_us\":9000.000,\"allowed_us\":8000.500,"));
    assert_non_null(strstr(text, "\"ts\":5000.000,\"dur\":250.000,\"cat\":\"host\""));
    assert_non_null(strstr(text, "\"ts\":5000.001,\"dur\":1000.001,\"cat\":\"batch\""));
    assert_non_null(
        strstr(text, "\"ts\":2.000,\"dur\":2.500,\"cat\":\"copy\",\"name\":\"COPYING\""));
    assert_int_equal(count_of(text, "\"status\":\"DEADLINE\""), 3);
    assert_int_equal(count_of(text, "\"name\":\"waiting\""), 2);
    free(text);
}

static void a_full_trace_is_still_whole(void **state) {
    (void)state;
    struct e2b_trace *trace = open_trace(5);
    for (int i = 0; i < 100; i++)
        e2b_trace_queue(trace, i * 1000, 0, i);
    char *text = close_trace(trace);
    assert_balanced(text);
    assert_int_equal(count_of(text, "\"name\":\"waiting\""), 5);
    free(text);
}

static void no_trace_is_fine_and_a_bad_path_is_named(void **state) {
    (void)state;
    struct e2b_trace *trace = NULL;
    struct e2b_error err = {0};
    e2b_trace_queue(NULL, 0, 0, 1);
    e2b_trace_slot(NULL, 0, 0, NULL, 0, E2B_OK);
    assert_ok(e2b_trace_close(NULL, &err), err);
    assert_fails(e2b_trace_create("/nonexistent/trace.json", 1, &trace, &err), E2B_IO,
        "/nonexistent/trace.json", err);
}

/* Seven requests at once on a simulated device: what the engine did is all there. */
static void an_engine_is_recorded(void **state) {
    (void)state;
    enum { REQUESTS = 7 };
    struct fixture fixture = fixture_open(fixture_sim(), true, 16);
    struct fixture_answer answers[REQUESTS] = {{0}};
    struct e2b_request *requests[REQUESTS] = {NULL};
    struct e2b_trace *trace = open_trace(100000);
    struct e2b_error err = {0};
    assert_ok(e2b_engine_restart(fixture.engine,
                  &(struct e2b_engine_options){.policy = "greedy_idle", .trace = trace}, &err),
        err);
    for (int i = 0; i < REQUESTS; i++) {
        assert_ok(e2b_request_open(fixture.served, 1, &requests[i], &err), err);
        fixture_write(requests[i], 0, (float)i);
        e2b_request_submit(requests[i], NULL, fixture_note, &answers[i]);
    }
    fixture_settle(&fixture);
    for (int i = 0; i < REQUESTS; i++) {
        assert_int_equal(answers[i].count, 1);
        e2b_request_close(requests[i]);
    }
    struct e2b_served_stats stats;
    e2b_served_stats_get(fixture.served, &stats);
    fixture_close(&fixture);
    char *text = close_trace(trace);
    assert_balanced(text);
    assert_true(stats.executions >= 2);
    assert_int_equal(count_of(text, "\"cat\":\"batch\""), stats.executions);
    assert_int_equal(count_of(text, "\"name\":\"run "), stats.executions);
    assert_int_equal(count_of(text, "device was idle"), stats.executions);
    assert_int_equal(count_of(text, "\"name\":\"enqueue\""), stats.executions);
    assert_int_equal(count_of(text, "\"name\":\"RUNNING\""), REQUESTS);
    assert_int_equal(count_of(text, "\"name\":\"COPYING\""), REQUESTS);
    assert_int_equal(count_of(text, "\"name\":\"in\""), 1); /* all came at once */
    assert_int_equal(count_of(text, "\"name\":\"out\""), stats.executions);
    assert_true(count_of(text, "\"name\":\"waiting\"") >= 2);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_event_is_written),
        cmocka_unit_test(a_full_trace_is_still_whole),
        cmocka_unit_test(no_trace_is_fine_and_a_bad_path_is_named),
        cmocka_unit_test(an_engine_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
