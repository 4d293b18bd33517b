/* Statuses and errors. Every function that can fail returns an enum e2b_status and takes, last, a
 * struct e2b_error that the caller owns and has zeroed; it is NULL only where a header says that it
 * may be. Filling one needs no memory, so running out of it can be reported. The first cause is
 * kept; outer layers only append to it. "Must wait" is not an error. */
#ifndef E2B_BASE_STATUS_H
#define E2B_BASE_STATUS_H

/* ROW(name, HTTP code, gRPC code, text) */
#define E2B_STATUS_TABLE(ROW)                                                                      \
    ROW(OK, 200, 0, "ok")                                                                          \
    ROW(INVALID, 400, 3, "invalid argument")                                                       \
    ROW(NOT_FOUND, 404, 5, "not found")                                                            \
    ROW(TOO_LARGE, 413, 8, "too large")                                                            \
    ROW(CANCELLED, 400, 1, "cancelled")                                                            \
    ROW(UNSUPPORTED, 501, 12, "not supported")                                                     \
    ROW(BUSY, 503, 14, "busy")                                                                     \
    ROW(DEADLINE, 503, 4, "deadline exceeded")                                                     \
    ROW(NO_MEMORY, 503, 8, "out of memory")                                                        \
    ROW(DEVICE, 500, 13, "device error")                                                           \
    ROW(IO, 500, 13, "input/output error")                                                         \
    ROW(INTERNAL, 500, 13, "internal error")

enum e2b_status {
#define ROW(name, http, grpc, text) E2B_##name,
    E2B_STATUS_TABLE(ROW)
#undef ROW
        E2B_STATUS_COUNT
};

/* A zeroed struct is "no error". text is one line that names the thing and the allowed range. */
struct e2b_error {
    enum e2b_status status;
    int code;          /* code of the lower layer (errno, OpenCL), 0 if none */
    const char *where; /* file:line that failed first; for logs, never for clients */
    char text[320];
};

const char *e2b_status_name(enum e2b_status status); /* "INVALID" */
const char *e2b_status_text(enum e2b_status status); /* "invalid argument" */
int e2b_status_http(enum e2b_status status);
int e2b_status_grpc(enum e2b_status status);

/* Record a failure unless err already holds one (err may be NULL). Returns status. */
enum e2b_status e2b_error_set(struct e2b_error *err, enum e2b_status status, int code,
    const char *where, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Append ": while <...>" context to the first cause. Returns err's status (INTERNAL if err is
 * NULL). */
enum e2b_status e2b_error_while(struct e2b_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void e2b_error_clear(struct e2b_error *err);

#define E2B_STRINGIFY_(x) #x
#define E2B_STRINGIFY(x) E2B_STRINGIFY_(x)
#define E2B_HERE __FILE__ ":" E2B_STRINGIFY(__LINE__)

/* return e2b_fail(err, E2B_INVALID, "%s: %d is outside %d..%d", ...); */
#define e2b_fail(err, status, ...) e2b_error_set(err, status, 0, E2B_HERE, __VA_ARGS__)
#define e2b_fail_code(err, status, code, ...)                                                      \
    e2b_error_set(err, status, code, E2B_HERE, __VA_ARGS__)
#define e2b_fail_memory(err, what) e2b_fail(err, E2B_NO_MEMORY, "no memory for %s", what)

#endif
