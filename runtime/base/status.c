#include "runtime/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
    int http, grpc;
} rows[] = {
#define ROW(name, http, grpc, text) {#name, text, http, grpc},
    E2B_STATUS_TABLE(ROW)
#undef ROW
};

const char *e2b_status_name(enum e2b_status status) {
    return rows[status].name;
}

const char *e2b_status_text(enum e2b_status status) {
    return rows[status].text;
}

int e2b_status_http(enum e2b_status status) {
    return rows[status].http;
}

int e2b_status_grpc(enum e2b_status status) {
    return rows[status].grpc;
}

enum e2b_status e2b_error_set(struct e2b_error *err, enum e2b_status status, int code,
    const char *where, const char *format, ...) {
    if (!err || err->status != E2B_OK)
        return err ? err->status : status;
    err->status = status;
    err->code = code;
    err->where = where;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

enum e2b_status e2b_error_while(struct e2b_error *err, const char *format, ...) {
    if (!err)
        return E2B_INTERNAL;
    size_t len = strlen(err->text);
    int lead = snprintf(err->text + len, sizeof err->text - len, ": while ");
    if (lead > 0 && len + (size_t)lead < sizeof err->text) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text + len + lead, sizeof err->text - len - (size_t)lead, format, args);
        va_end(args);
    }
    return err->status;
}

void e2b_error_clear(struct e2b_error *err) {
    memset(err, 0, sizeof *err);
}
