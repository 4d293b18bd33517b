/* What HTTP clients get, by a real server on a real device; tests/integration/server asks more. */
#include "runtime/server/exchange.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/server/client.h"
#include <math.h>

static struct fixture fixture;
static struct e2b_server *server;
static int port;

static int open_server(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device = fixture_opencl();
    if (!device)
        return 0;
    fixture = fixture_open(device, false, 8);
    const struct e2b_served_entry entry = {.served = fixture.served, .image_input = -1};
    const struct e2b_server_options options = {
        .address = "127.0.0.1", .threads = 2, .max_body_bytes = 4096};
    assert_ok(e2b_server_create(&options, &entry, 1, &server, &err), err);
    assert_ok(e2b_server_start(server, &err), err);
    e2b_server_set_ready(server, true);
    port = e2b_server_port(server);
    return 0;
}

static int close_server(void **state) {
    (void)state;
    if (!server)
        return 0;
    e2b_server_destroy(server);
    fixture_close(&fixture);
    return 0;
}

static void test_answers(void **state) {
    (void)state;
    static const struct {
        const char *method, *path, *headers, *body;
        int code;
        const char *says;
    } cases[] = {
        {"GET", "/v2", "", "", 200, "\"extensions\":["},
        {"GET", "/v2/health/live", "", "", 200, "{\"live\":true}"},
        {"GET", "/v2/health/ready", "", "", 200, "{\"ready\":true}"},
        {"GET", "/v2/models/tiny", "", "", 200, "\"shape\":[-1,4]"},
        {"GET", "/v2/models/tiny/ready", "", "", 200, "{\"name\":\"tiny\",\"ready\":true}"},
        {"GET", "/v2/models/tiny/versions/1/config", "", "", 200, "\"max_batch_size\":8"},
        {"GET", "/v2/models/stats", "", "", 200, "\"model_stats\":[{\"name\":\"tiny\""},
        {"POST", "/v2/repository/index", "", "{}", 200, "\"state\":\"READY\""},
        {"GET", "/metrics", "", "", 200, "nv_inference_count{model=\"tiny\",version=\"1\"}"},
        {"GET", "/v3", "", "", 404, "{\"error\":\"unknown path"},
        {"GET", "/v2/models/none", "", "", 404, "{\"error\":\"unknown model"},
        {"PUT", "/v2", "", "x", 405, "Allow: GET, HEAD"},
        {"POST", "/v2/models/none/infer", "", "{}", 404, "unknown model"},
        {"POST", "/v2/models/tiny/infer", "", "{}", 400, "{\"error\":"},
        {"POST", "/v2/models/tiny/infer", "Content-Type: image/png\r\n", "x", 415, "no images"},
        {"POST", "/v2/models/tiny/infer", "Content-Encoding: gzip\r\n", "x", 415, "compressed"},
        {"POST", "/v2/models/tiny/infer", "Inference-Header-Content-Length: 9\r\n", "x", 400,
            "outside 0..1"},
    };
    if (!server)
        e2b_skip("no OpenCL device");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client_answer answer;
        print_message("%s %s\n", cases[i].method, cases[i].path);
        client_ask(port, cases[i].method, cases[i].path, cases[i].headers, cases[i].body, &answer);
        assert_int_equal(answer.code, cases[i].code);
        if (!strstr(answer.text, cases[i].says))
            fail_msg("no %s in %s", cases[i].says, answer.text);
    }
}

static void test_infers(void **state) {
    (void)state;
    if (!server)
        e2b_skip("no OpenCL device");
    struct client_answer answer;
    client_ask(port, "POST", "/v2/models/tiny/infer", "",
        "{\"id\":\"i\",\"inputs\":[{\"name\":\"x\",\"shape\":[1,4],\"datatype\":\"FP32\","
        "\"data\":[-1,0,1,2]}]}",
        &answer);
    assert_int_equal(answer.code, 200);
    assert_non_null(strstr(answer.text, "\"id\":\"i\""));
    assert_non_null(strstr(answer.text, "E2b-Timing: fill;dur="));
    const char *data = strstr(answer.text, "\"data\":[");
    assert_non_null(data);
    data += strlen("\"data\":[");
    for (int i = 0; i < 4; i++) {
        char *end;
        double want = 1 / (1 + exp(-fmax(i - 1, 0) - 1));
        assert_true(fabs(strtod(data, &end) - want) < 1e-5);
        data = end + 1;
    }
}

static void test_too_large(void **state) {
    (void)state;
    if (!server)
        e2b_skip("no OpenCL device");
    char body[5001];
    struct client_answer answer;
    memset(body, ' ', 5000);
    body[5000] = '\0';
    client_ask(port, "POST", "/v2/models/tiny/infer", "Expect: 100-continue\r\n", body, &answer);
    assert_int_equal(answer.code, 413);
    assert_non_null(strstr(answer.text, "more than the 4096 allowed"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_infers),
        cmocka_unit_test(test_too_large),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
