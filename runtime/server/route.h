/* The paths that the server knows. */
#ifndef E2B_SERVER_ROUTE_H
#define E2B_SERVER_ROUTE_H

enum e2b_route_kind {
    E2B_ROUTE_SERVER,
    E2B_ROUTE_LIVE,
    E2B_ROUTE_READY,
    E2B_ROUTE_MODEL,
    E2B_ROUTE_MODEL_READY,
    E2B_ROUTE_MODEL_CONFIG,
    E2B_ROUTE_MODEL_STATS,
    E2B_ROUTE_ALL_STATS,
    E2B_ROUTE_INFER,
    E2B_ROUTE_INDEX,
    E2B_ROUTE_METRICS
};

struct e2b_route {
    enum e2b_route_kind kind;
    char model[128], version[24]; /* "" if the path names none */
    const char *allow;            /* the methods that the path takes, when the method is not one */
};

/* url: path, percent-decoded, without query. Returns 200, 404, or 405 with allow set. HEAD is taken
 * where GET is. A model name too long to be one is 404. */
int e2b_route_find(const char *method, const char *url, struct e2b_route *out);

#endif
