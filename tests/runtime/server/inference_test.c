#include "runtime/server/inference.h"

#include "runtime/base/clock.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"
#include <string.h>

#define HEAD                                                                                       \
    "{\"inputs\":[{\"name\":\"x\",\"shape\":[2,4],\"datatype\":\"FP32\","                          \
    "\"parameters\":{\"binary_data_size\":32}}]}"

/* An engine on the simulated device, which goes on only when the test says so. */
struct bench {
    struct fixture fixture;
    struct e2b_catalog catalog;
    struct e2b_inference_form form;
    int done;
};

static struct bench open_bench(int slots) {
    struct e2b_error err = {0};
    struct bench bench = {.fixture = fixture_open(fixture_sim(), true, slots)};
    const struct e2b_served_entry entry = {.served = bench.fixture.served, .image_input = -1};
    assert_ok(e2b_catalog_init(&bench.catalog, &entry, 1, &err), err);
    bench.form.head_bytes = strlen(HEAD);
    bench.form.total_bytes = strlen(HEAD) + 32;
    return bench;
}

static void close_bench(struct bench *bench) {
    e2b_catalog_finish(&bench->catalog);
    fixture_close(&bench->fixture);
}

static int free_slots(const struct bench *bench) {
    struct e2b_served_stats stats;
    e2b_served_stats_get(bench->fixture.served, &stats);
    return stats.free_slots;
}

static void note_done(void *context) {
    ((struct bench *)context)->done++;
}

static void start(struct bench *bench, struct e2b_inference *inference) {
    struct e2b_error err = {0};
    assert_ok(e2b_inference_init(inference, bench->catalog.models, &bench->form, &err), err);
}

static void feed(struct e2b_inference *inference, const void *data, size_t bytes) {
    struct e2b_error err = {0};
    assert_ok(e2b_inference_feed(inference, data, bytes, &err), err);
}

static void test_whole_course(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench bench = open_bench(8);
    struct e2b_inference inference;
    struct e2b_text out = {0};
    struct e2b_request_times times;
    size_t head_bytes;
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    start(&bench, &inference);
    feed(&inference, HEAD, strlen(HEAD));
    assert_int_equal(free_slots(&bench), 6); /* taken at the head */
    feed(&inference, x, sizeof x);
    assert_memory_equal(e2b_request_input(inference.request, 1, 0, NULL), x + 4, 16);
    assert_ok(e2b_inference_end(&inference, &err), err);
    e2b_inference_submit(&inference, note_done, &bench);
    fixture_settle(&bench.fixture);
    assert_int_equal(bench.done, 1);
    assert_ok(e2b_inference_answer(&inference, &out, &head_bytes, &times, &err), err);
    assert_non_null(strstr(out.data, "\"shape\":[2,4]"));
    assert_int_equal(head_bytes, 0);
    assert_true(times.total > 0 && times.compute > 0);
    assert_int_equal(free_slots(&bench), 8); /* before the answer is sent */
    uint64_t counted = 0;
    for (int i = 0; i <= E2B_HISTOGRAM_BUCKETS; i++)
        counted += bench.catalog.models[0].request.buckets[i];
    assert_int_equal(counted, 1);
    e2b_text_finish(&out);
    e2b_inference_finish(&inference);
    close_bench(&bench);
}

static void test_left_half_way(void **state) {
    (void)state;
    struct bench bench = open_bench(8);
    struct e2b_inference inference;
    start(&bench, &inference);
    feed(&inference, HEAD "abc", strlen(HEAD) + 3);
    assert_int_equal(free_slots(&bench), 6);
    e2b_inference_finish(&inference);
    assert_int_equal(free_slots(&bench), 8);
    e2b_inference_finish(&inference);
    close_bench(&bench);
}

static void test_full_pool(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench bench = open_bench(4);
    struct e2b_inference first, second, third;
    start(&bench, &first);
    start(&bench, &second);
    start(&bench, &third);
    feed(&first, HEAD, strlen(HEAD));
    feed(&second, HEAD, strlen(HEAD));
    assert_int_equal(e2b_inference_feed(&third, HEAD, strlen(HEAD), &err), E2B_BUSY);
    e2b_inference_finish(&third);
    e2b_inference_finish(&second);
    e2b_inference_finish(&first);
    close_bench(&bench);
}

static void test_cancelled(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench bench = open_bench(4);
    struct e2b_inference inference;
    struct e2b_text out = {0};
    struct e2b_request_times times;
    size_t head_bytes;
    const float x[8] = {0};
    start(&bench, &inference);
    feed(&inference, HEAD, strlen(HEAD));
    feed(&inference, x, sizeof x);
    assert_ok(e2b_inference_end(&inference, &err), err);
    e2b_inference_submit(&inference, note_done, &bench);
    e2b_request_cancel(inference.request);
    fixture_settle(&bench.fixture);
    assert_int_equal(bench.done, 1);
    assert_int_equal(
        e2b_inference_answer(&inference, &out, &head_bytes, &times, &err), E2B_CANCELLED);
    assert_int_equal(free_slots(&bench), 4);
    e2b_inference_finish(&inference);
    close_bench(&bench);
}

static void test_body_that_takes_too_long(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench bench = open_bench(4);
    struct e2b_inference inference;
    bench.form.arrival_ns = e2b_clock_ns() - 50000000;
    bench.form.deadline_ns = bench.form.arrival_ns + 40000000;
    start(&bench, &inference);
    assert_fails(e2b_inference_feed(&inference, HEAD, 1, &err), E2B_DEADLINE, "40 ms", err);
    e2b_inference_finish(&inference);
    close_bench(&bench);
}

static void test_no_images(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct bench bench = open_bench(4);
    struct e2b_inference inference;
    bench.form.image = true;
    assert_fails(e2b_inference_init(&inference, bench.catalog.models, &bench.form, &err),
        E2B_INVALID, "takes no images", err);
    e2b_inference_finish(&inference);
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_course),
        cmocka_unit_test(test_left_half_way),
        cmocka_unit_test(test_full_pool),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_body_that_takes_too_long),
        cmocka_unit_test(test_no_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
