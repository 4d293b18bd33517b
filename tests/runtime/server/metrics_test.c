#include "runtime/server/metrics.h"

#include "tests/support.h"
#include <jansson.h>
#include <string.h>

static struct e2b_histogram request, wait, compute;
static const int sizes[] = {1, 8};

static struct e2b_model_numbers numbers(const char *name) {
    struct e2b_model_numbers model = {
        .name = name,
        .version = "1",
        .stats = {.samples = 10,
            .executions = 4,
            .success = 7,
            .batch_count = {3, 1},
            .batch_compute_ns = {300, 900},
            .queue_ns = 5000,
            .upload_ns = 6000,
            .compute_ns = 7999,
            .download_ns = 8000,
            .request_ns = 90000,
            .padded_samples = 1,
            .drain_ns = 2500000,
            .pending = 2,
            .free_slots = 30,
            .slot_count = 32,
            .last_inference_ms = 1700000000000},
        .sizes = sizes,
        .size_count = 2,
        .device_bytes = 4096,
        .request = &request,
        .wait = &wait,
        .compute = &compute,
    };
    model.stats.prediction = (struct e2b_sched_prediction){20, 5, 0.0625, 0.25};
    model.stats.refused[E2B_SCHED_OVERLOAD_REASON] = 9;
    model.stats.gaps = 6;
    model.stats.splits = 3;
    model.stats.failure[E2B_DEADLINE] = 1;
    model.stats.failure[E2B_CANCELLED] = 2;
    model.stats.failure[E2B_DEVICE] = 3;
    model.refused[E2B_BUSY] = 4;
    model.refused[E2B_INVALID] = 5;
    return model;
}

static void has(const struct e2b_text *text, const char *line) {
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\n%s\n", line);
    if (!strstr(text->data, wanted))
        fail_msg("no line \"%s\" in\n%s", line, text->data);
}

static void test_histogram(void **state) {
    (void)state;
    struct e2b_histogram histogram = {0};
    e2b_histogram_add(&histogram, 0);
    e2b_histogram_add(&histogram, 100000); /* 100 us is in the first bucket */
    e2b_histogram_add(&histogram, 100001);
    e2b_histogram_add(&histogram, INT64_C(30000000000));
    assert_int_equal(histogram.buckets[0], 2);
    assert_int_equal(histogram.buckets[1], 1);
    assert_int_equal(histogram.buckets[E2B_HISTOGRAM_BUCKETS], 1);
    assert_int_equal(histogram.sum_ns, INT64_C(30000200001));
}

static void test_prometheus(void **state) {
    (void)state;
    struct e2b_text out = {0};
    struct e2b_model_numbers models[] = {numbers("a"), numbers("b\"\\")};
    e2b_histogram_add(&request, 150000);
    e2b_histogram_add(&request, 250000);
    e2b_metrics_write(&out, models, 2);
    has(&out, "nv_inference_request_success{model=\"a\",version=\"1\"} 7");
    has(&out, "nv_inference_request_success{model=\"b\\\"\\\\\",version=\"1\"} 7");
    has(&out, "nv_inference_count{model=\"a\",version=\"1\"} 10");
    has(&out, "nv_inference_exec_count{model=\"a\",version=\"1\"} 4");
    has(&out, "nv_inference_request_duration_us{model=\"a\",version=\"1\"} 90");
    has(&out, "nv_inference_queue_duration_us{model=\"a\",version=\"1\"} 5");
    has(&out, "nv_inference_compute_input_duration_us{model=\"a\",version=\"1\"} 6");
    has(&out, "nv_inference_compute_infer_duration_us{model=\"a\",version=\"1\"} 7");
    has(&out, "nv_inference_compute_output_duration_us{model=\"a\",version=\"1\"} 8");
    has(&out, "nv_inference_request_failure{model=\"a\",version=\"1\",reason=\"REJECTED\"} 5");
    has(&out, "nv_inference_request_failure{model=\"a\",version=\"1\",reason=\"CANCELED\"} 2");
    has(&out, "nv_inference_request_failure{model=\"a\",version=\"1\",reason=\"BACKEND\"} 3");
    has(&out, "nv_inference_request_failure{model=\"a\",version=\"1\",reason=\"OTHER\"} 5");
    has(&out, "nv_inference_pending_request_count{model=\"a\",version=\"1\"} 2");
    has(&out, "e2b_batch_count{model=\"a\",version=\"1\",batch_size=\"8\"} 1");
    has(&out, "e2b_predicted_batches{model=\"a\",version=\"1\"} 20");
    has(&out, "e2b_underpredicted_batches{model=\"a\",version=\"1\"} 5");
    has(&out, "e2b_prediction_error{model=\"a\",version=\"1\",of=\"mean\"} 0.062500");
    has(&out, "e2b_prediction_error{model=\"a\",version=\"1\",of=\"p99\"} 0.250000");
    has(&out, "e2b_pool_gaps{model=\"a\",version=\"1\"} 6");
    has(&out, "e2b_split_batches{model=\"a\",version=\"1\"} 3");
    has(&out,
        "e2b_refused_samples{model=\"a\",version=\"1\",reason=\"target cannot be met behind "
        "what is queued and running\"} 9");
    has(&out, "e2b_pool_free_slots{model=\"a\",version=\"1\"} 30");
    has(&out, "e2b_predicted_drain_us{model=\"a\",version=\"1\"} 2500");
    has(&out, "e2b_device_memory_bytes{model=\"a\",version=\"1\"} 4096");
    const char *name = "nv_inference_request_duration_histogram_us";
    char line[128];
    snprintf(line, sizeof line, "%s_bucket{model=\"a\",version=\"1\",le=\"100\"} 0", name);
    has(&out, line);
    snprintf(line, sizeof line, "%s_bucket{model=\"a\",version=\"1\",le=\"200\"} 1", name);
    has(&out, line);
    snprintf(line, sizeof line, "%s_bucket{model=\"a\",version=\"1\",le=\"+Inf\"} 2", name);
    has(&out, line);
    snprintf(line, sizeof line, "%s_sum{model=\"a\",version=\"1\"} 400", name);
    has(&out, line);
    snprintf(line, sizeof line, "%s_count{model=\"a\",version=\"1\"} 2", name);
    has(&out, line);
    e2b_text_finish(&out);
}

static void test_http(void **state) {
    (void)state;
    static atomic_uint_fast64_t answers[600];
    struct e2b_text out = {0};
    answers[200] = 3;
    answers[503] = 1;
    e2b_metrics_write_http(&out, answers, 2, true);
    has(&out, "e2b_http_answers{code=\"200\"} 3");
    has(&out, "e2b_http_answers{code=\"503\"} 1");
    has(&out, "e2b_http_open_requests 2");
    has(&out, "e2b_ready 1");
    e2b_text_finish(&out);
}

static int64_t number(const json_t *object, const char *block, const char *key) {
    const json_t *value = json_object_get(json_object_get(object, block), key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static void test_statistics(void **state) {
    (void)state;
    static const char *const blocks[] = {"success", "fail", "queue", "compute_input",
        "compute_infer", "compute_output", "cache_hit", "cache_miss"};
    struct e2b_text out = {0};
    struct e2b_model_numbers model = numbers("a\"b");
    e2b_stats_write(&out, &model, 1);
    json_t *root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    const json_t *row = json_array_get(json_object_get(root, "model_stats"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "a\"b");
    assert_int_equal(json_integer_value(json_object_get(row, "inference_count")), 10);
    assert_int_equal(json_integer_value(json_object_get(row, "execution_count")), 4);
    assert_int_equal(json_integer_value(json_object_get(row, "last_inference")), 1700000000000);
    const json_t *stats = json_object_get(row, "inference_stats");
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        assert_true(number(stats, blocks[i], "count") >= 0 && number(stats, blocks[i], "ns") >= 0);
    assert_int_equal(number(stats, "compute_infer", "ns"), 7999);
    assert_int_equal(number(stats, "fail", "count"), 15);
    const json_t *batch = json_array_get(json_object_get(row, "batch_stats"), 1);
    assert_int_equal(json_integer_value(json_object_get(batch, "batch_size")), 8);
    assert_int_equal(number(batch, "compute_infer", "ns"), 900);
    json_decref(root);
    e2b_text_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_prometheus),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_statistics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
