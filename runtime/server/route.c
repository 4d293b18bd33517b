#include "runtime/server/route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* In a pattern * is one segment that is skipped, {m} the model, {v} its version. First match wins.
 */
static const struct pattern {
    const char *path, *allow;
    enum e2b_route_kind kind;
} patterns[] = {
    {"/v2", "GET, HEAD", E2B_ROUTE_SERVER},
    {"/v2/health/live", "GET, HEAD", E2B_ROUTE_LIVE},
    {"/v2/health/ready", "GET, HEAD", E2B_ROUTE_READY},
    {"/v2/models/stats", "GET, HEAD", E2B_ROUTE_ALL_STATS},
    {"/v2/models/{m}", "GET, HEAD", E2B_ROUTE_MODEL},
    {"/v2/models/{m}/ready", "GET, HEAD", E2B_ROUTE_MODEL_READY},
    {"/v2/models/{m}/config", "GET, HEAD", E2B_ROUTE_MODEL_CONFIG},
    {"/v2/models/{m}/stats", "GET, HEAD", E2B_ROUTE_MODEL_STATS},
    {"/v2/models/{m}/infer", "POST", E2B_ROUTE_INFER},
    {"/v2/models/{m}/versions/{v}", "GET, HEAD", E2B_ROUTE_MODEL},
    {"/v2/models/{m}/versions/{v}/ready", "GET, HEAD", E2B_ROUTE_MODEL_READY},
    {"/v2/models/{m}/versions/{v}/config", "GET, HEAD", E2B_ROUTE_MODEL_CONFIG},
    {"/v2/models/{m}/versions/{v}/stats", "GET, HEAD", E2B_ROUTE_MODEL_STATS},
    {"/v2/models/{m}/versions/{v}/infer", "POST", E2B_ROUTE_INFER},
    {"/v2/repository/index", "POST", E2B_ROUTE_INDEX},
    {"/v2/repository/*/index", "POST", E2B_ROUTE_INDEX},
    {"/metrics", "GET, HEAD", E2B_ROUTE_METRICS},
};

static bool take(char *out, size_t capacity, const char *segment, size_t length) {
    if (length == 0 || length >= capacity)
        return false;
    memcpy(out, segment, length);
    out[length] = '\0';
    return true;
}

static bool matches_segment(const char *pattern, size_t pattern_length, const char *url,
    size_t length, struct e2b_route *out) {
    if (pattern_length == 3 && memcmp(pattern, "{m}", 3) == 0)
        return take(out->model, sizeof out->model, url, length);
    if (pattern_length == 3 && memcmp(pattern, "{v}", 3) == 0)
        return take(out->version, sizeof out->version, url, length);
    if (pattern_length == 1 && *pattern == '*')
        return length > 0;
    return length == pattern_length && memcmp(pattern, url, length) == 0;
}

static bool matches(const char *pattern, const char *url, struct e2b_route *out) {
    while (*pattern == '/' && *url == '/') {
        size_t pattern_length = strcspn(++pattern, "/"), length = strcspn(++url, "/");
        if (!matches_segment(pattern, pattern_length, url, length, out))
            return false;
        pattern += pattern_length;
        url += length;
    }
    return *pattern == '\0' && (*url == '\0' || strcmp(url, "/") == 0);
}

static bool takes(const struct pattern *pattern, const char *method) {
    bool get = pattern->allow[0] == 'G';
    return get ? strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0
               : strcmp(method, "POST") == 0;
}

int e2b_route_find(const char *method, const char *url, struct e2b_route *out) {
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        *out = (struct e2b_route){.kind = patterns[i].kind};
        if (!matches(patterns[i].path, url, out))
            continue;
        if (takes(&patterns[i], method))
            return 200;
        out->allow = patterns[i].allow;
        return 405;
    }
    *out = (struct e2b_route){0};
    return 404;
}
