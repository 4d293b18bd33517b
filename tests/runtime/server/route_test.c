#include "runtime/server/route.h"

#include "tests/support.h"
#include <string.h>

static void test_paths(void **state) {
    (void)state;
    static const struct {
        const char *method, *url;
        int http;
        enum e2b_route_kind kind;
        const char *model, *version;
    } cases[] = {
        {"GET", "/v2", 200, E2B_ROUTE_SERVER, "", ""},
        {"GET", "/v2/", 200, E2B_ROUTE_SERVER, "", ""},
        {"HEAD", "/v2/health/live", 200, E2B_ROUTE_LIVE, "", ""},
        {"GET", "/v2/health/ready", 200, E2B_ROUTE_READY, "", ""},
        {"GET", "/v2/models/m", 200, E2B_ROUTE_MODEL, "m", ""},
        {"GET", "/v2/models/stats", 200, E2B_ROUTE_ALL_STATS, "", ""},
        {"GET", "/v2/models/m/versions/3", 200, E2B_ROUTE_MODEL, "m", "3"},
        {"GET", "/v2/models/m/ready", 200, E2B_ROUTE_MODEL_READY, "m", ""},
        {"GET", "/v2/models/m/versions/3/config", 200, E2B_ROUTE_MODEL_CONFIG, "m", "3"},
        {"GET", "/v2/models/m/stats", 200, E2B_ROUTE_MODEL_STATS, "m", ""},
        {"POST", "/v2/models/m/infer", 200, E2B_ROUTE_INFER, "m", ""},
        {"POST", "/v2/models/m/versions/1/infer", 200, E2B_ROUTE_INFER, "m", "1"},
        {"POST", "/v2/repository/index", 200, E2B_ROUTE_INDEX, "", ""},
        {"POST", "/v2/repository/here/index", 200, E2B_ROUTE_INDEX, "", ""},
        {"GET", "/metrics", 200, E2B_ROUTE_METRICS, "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct e2b_route route;
        print_message("%s %s\n", cases[i].method, cases[i].url);
        assert_int_equal(e2b_route_find(cases[i].method, cases[i].url, &route), cases[i].http);
        assert_int_equal(route.kind, cases[i].kind);
        assert_string_equal(route.model, cases[i].model);
        assert_string_equal(route.version, cases[i].version);
    }
}

static void test_unknown(void **state) {
    (void)state;
    static const char *const urls[] = {"", "/", "v2", "/v3", "/v2x", "/v2/models", "/v2/models/",
        "/v2//models/m", "/v2/models/m/infer/x", "/v2/models/m/versions/", "/v2/models//infer",
        "/v2/repository//index", "/metrics/x", "/v2/models/m/versions/1/load"};
    struct e2b_route route;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        print_message("%s\n", urls[i]);
        assert_int_equal(e2b_route_find("GET", urls[i], &route), 404);
    }
    char url[512] = "/v2/models/";
    memset(url + strlen(url), 'm', 300);
    assert_int_equal(e2b_route_find("GET", url, &route), 404);
}

static void test_methods(void **state) {
    (void)state;
    struct e2b_route route;
    assert_int_equal(e2b_route_find("GET", "/v2/models/m/infer", &route), 405);
    assert_string_equal(route.allow, "POST");
    assert_int_equal(e2b_route_find("DELETE", "/v2/models/m", &route), 405);
    assert_string_equal(route.allow, "GET, HEAD");
    assert_int_equal(e2b_route_find("POST", "/metrics", &route), 405);
    assert_int_equal(e2b_route_find("OPTIONS", "/v2", &route), 405);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
