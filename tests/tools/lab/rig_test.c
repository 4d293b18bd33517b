#include "tools/lab/rig.h"

#include "tests/support.h"
#include "tests/tools/lab/bench.h"

#include <string.h>

struct answer {
    struct e2b_lab_rig *rig;
    int question;
    bool own, other; /* right as its own question's answer, as the next one's */
    enum e2b_status status;
    int64_t at_ns;
    struct e2b_request_times times;
    atomic_int come;
};

static void take(void *context, struct e2b_request *request, const struct e2b_error *err) {
    struct answer *answer = context;
    int next = (answer->question + 1) % E2B_LAB_QUESTIONS;
    answer->status = err->status;
    answer->own = e2b_lab_rig_is_right(answer->rig, 0, answer->question, request);
    answer->other = e2b_lab_rig_is_right(answer->rig, 0, next, request);
    answer->at_ns = e2b_lab_rig_now_ns(answer->rig);
    e2b_request_times(request, &answer->times);
    e2b_request_close(request);
    atomic_store(&answer->come, 1);
}

/* An answer is told from that of every neighbouring question: a mix-up of slots would show. */
static void answers_are_told_apart(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_error err = {0};
    bench_open(&rig, bench_table(), "elastic", 1, 0);
    for (int question = 0; question < E2B_LAB_QUESTIONS; question++) {
        struct answer answer = {.rig = &rig, .question = question};
        struct e2b_request *request = NULL;
        assert_ok(e2b_lab_rig_ask(&rig, 0, question, &request, &err), err);
        e2b_request_submit(request, NULL, take, &answer);
        assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answer.come, 1));
        assert_int_equal(answer.status, E2B_OK);
        assert_true(answer.own);
        assert_false(answer.other);
    }
    e2b_lab_rig_finish(&rig);
}

/* Eight at once travel together, 10 us and 40 us each, and are one batch. */
static void a_batch_takes_what_the_table_says(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_error err = {0};
    struct answer answers[8];
    bench_open(&rig, bench_table(), "greedy_idle", 2, 0);
    memset(answers, 0, sizeof answers);
    int64_t start_ns = e2b_lab_rig_now_ns(&rig);
    for (int i = 0; i < 8; i++) {
        struct e2b_request *request = NULL;
        answers[i].rig = &rig;
        answers[i].question = i;
        assert_ok(e2b_lab_rig_ask(&rig, 0, i, &request, &err), err);
        e2b_request_submit(request, NULL, take, &answers[i]);
    }
    assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answers[7].come, 1));
    int64_t took_ns = answers[7].at_ns - start_ns;
    assert_true(answers[7].own);
    assert_true(took_ns > 3000000 + 330000 && took_ns < 3000000 + 330000 + 200000);
    e2b_lab_rig_finish(&rig);
}

/* Batches of 8 and of 2 side by side: the shorter one's answers do not wait for the longer one. */
static void a_short_batch_is_answered_before_a_long_one_beside_it(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_error err = {0};
    struct answer answers[10];
    bench_open(&rig, bench_table(),
        "tfserving:max_batch_size=8,batch_timeout_micros=500,poll_micros=0", 1, 0);
    memset(answers, 0, sizeof answers);
    for (int i = 0; i < 10; i++) {
        struct e2b_request *request = NULL;
        answers[i].rig = &rig;
        assert_ok(e2b_lab_rig_ask(&rig, 0, 0, &request, &err), err);
        e2b_request_submit(request, NULL, take, &answers[i]);
    }
    for (int i = 0; i < 10; i++)
        assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answers[i].come, 1));
    struct e2b_served_stats stats;
    e2b_served_stats_get(rig.models[0].served, &stats);
    assert_int_equal(stats.batch_count[3], 1);
    assert_true(answers[9].at_ns < answers[0].at_ns - 500000);
    e2b_lab_rig_finish(&rig);
}

static void ask_for(struct e2b_lab_rig *rig, struct answer *answers, int count) {
    struct e2b_error err = {0};
    for (int i = 0; i < count; i++) {
        struct e2b_request *request = NULL;
        answers[i].rig = rig;
        assert_ok(e2b_lab_rig_ask(rig, 0, 0, &request, &err), err);
        e2b_request_submit(request, NULL, take, &answers[i]);
    }
}

/* The first one runs and four wait when twenty come at once, whose copies keep the thread busy for
 * 4 ms: what runs ends meanwhile, and the next batch starts then. */
static void what_comes_does_not_keep_an_idle_device_waiting(void **state) {
    (void)state;
    enum { ALL = 25 };
    struct e2b_lab_rig rig;
    struct answer answers[ALL];
    struct e2b_lab_table table = *bench_table();
    table.copy_host_ns = 200000;
    bench_open(&rig, &table, "greedy_idle", 1, 0);
    memset(answers, 0, sizeof answers);
    ask_for(&rig, answers, 1);
    e2b_lab_rig_pass(&rig, e2b_lab_rig_now_ns(&rig) + 300000, NULL, 0);
    ask_for(&rig, answers + 1, 4);
    e2b_lab_rig_pass(&rig, e2b_lab_rig_now_ns(&rig) + 900000, NULL, 0);
    assert_int_equal(answers[0].come, 0);
    ask_for(&rig, answers + 5, ALL - 5);
    for (int i = 0; i < ALL; i++)
        assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answers[i].come, 1));
    print_message("ready for %.3f ms\n", (double)answers[1].times.wait / 1e6);
    assert_true(answers[1].times.wait < table.models[0].solo_ns[0] + table.copy_host_ns);
    e2b_lab_rig_finish(&rig);
}

/* A batch of two takes as much longer as gathering two samples does, for those who gather. */
static void gathering_takes_its_time(void **state) {
    (void)state;
    struct e2b_lab_table table = *bench_table();
    int64_t took_ns[2];
    for (int gathers = 0; gathers < 2; gathers++) {
        struct e2b_lab_rig rig;
        struct answer answers[2];
        table.gather_host_ns = gathers * 300000;
        bench_open(&rig, &table, "gather/greedy_idle", 1, 0);
        memset(answers, 0, sizeof answers);
        int64_t start_ns = e2b_lab_rig_now_ns(&rig);
        ask_for(&rig, answers, 2);
        assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answers[1].come, 1));
        took_ns[gathers] = answers[1].at_ns - start_ns;
        e2b_lab_rig_finish(&rig);
    }
    assert_int_equal(took_ns[1] - took_ns[0], 2 * 300000);
}

static void policies_change_on_one_rig(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_error err = {0};
    bench_open(&rig, bench_table(), "elastic", 1, 0);
    for (const struct e2b_policy_ops *const *ops = e2b_policy_all(); *ops; ops++) {
        struct e2b_lab_contender contender;
        struct answer answer = {.rig = &rig, .question = 3};
        struct e2b_request *request = NULL;
        assert_ok(e2b_lab_contender_parse((*ops)->name, &contender, &err), err);
        assert_ok(e2b_lab_rig_use(&rig, &contender, &err), err);
        assert_ok(e2b_lab_rig_ask(&rig, 0, 3, &request, &err), err);
        e2b_request_submit(request, NULL, take, &answer);
        assert_true(e2b_lab_rig_pass(&rig, INT64_MAX, &answer.come, 1));
        assert_true(answer.own);
    }
    e2b_lab_rig_finish(&rig);
}

static void a_table_is_simulated_whatever_the_precision(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    const struct e2b_lab_rig_spec spec = {.table = bench_table(),
        .models = {{"a", 0}},
        .model_count = 1,
        .instances = 1,
        .slots = 64,
        .precision = E2B_F16,
        .percentile = 0.99};
    assert_ok(e2b_lab_contender_parse("elastic", &contender, &err), err);
    assert_ok(e2b_lab_rig_init(&rig, &spec, &contender, &err), err);
    e2b_lab_rig_finish(&rig);
}

static void a_model_that_is_not_there_is_named(void **state) {
    (void)state;
    struct e2b_lab_rig rig;
    struct e2b_lab_contender contender;
    struct e2b_error err = {0};
    const struct e2b_lab_rig_spec spec = {.table = bench_table(),
        .models = {{"nobody", 0}},
        .model_count = 1,
        .instances = 1,
        .slots = 64,
        .precision = E2B_F32,
        .percentile = 0.99};
    assert_ok(e2b_lab_contender_parse("elastic", &contender, &err), err);
    assert_fails(e2b_lab_rig_init(&rig, &spec, &contender, &err), E2B_NOT_FOUND, "\"nobody\"", err);
    e2b_lab_rig_finish(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(a_batch_takes_what_the_table_says),
        cmocka_unit_test(a_short_batch_is_answered_before_a_long_one_beside_it),
        cmocka_unit_test(what_comes_does_not_keep_an_idle_device_waiting),
        cmocka_unit_test(gathering_takes_its_time),
        cmocka_unit_test(policies_change_on_one_rig),
        cmocka_unit_test(a_table_is_simulated_whatever_the_precision),
        cmocka_unit_test(a_model_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
