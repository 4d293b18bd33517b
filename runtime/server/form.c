#include "runtime/server/form.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

static int refuse(int http, const char *text, struct e2b_error *err) {
    e2b_fail(err, E2B_INVALID, "%s", text);
    return http;
}

/* Digits only. */
static bool parse_size(const char *text, size_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *out = (size_t)value;
    return isdigit((unsigned char)*text) && !*end && errno == 0;
}

static int read_lengths(const struct e2b_form_headers *headers, size_t max,
    struct e2b_inference_form *form, struct e2b_error *err) {
    const char *length = headers->transfer_encoding ? NULL : headers->content_length;
    const char *head = headers->head_length;
    form->total_bytes = E2B_BODY_UNKNOWN;
    form->head_bytes = E2B_BODY_ALL_HEAD;
    if (length && !parse_size(length, &form->total_bytes))
        return refuse(400, "Content-Length is not a number", err);
    if (length && form->total_bytes > max) {
        e2b_fail(err, E2B_TOO_LARGE, "the body has %zu bytes, more than the %zu allowed",
            form->total_bytes, max);
        return e2b_status_http(E2B_TOO_LARGE);
    }
    size_t most = form->total_bytes < max ? form->total_bytes : max;
    if (head && (!parse_size(head, &form->head_bytes) || form->head_bytes > most)) {
        e2b_fail(err, E2B_INVALID,
            "Inference-Header-Content-Length: \"%.40s\" is outside 0..%zu, the body's length", head,
            most);
        return e2b_status_http(E2B_INVALID);
    }
    return 0;
}

static int read_top(const char *top, const struct e2b_catalog_model *model,
    struct e2b_inference_form *form, struct e2b_error *err) {
    size_t classes = model->entry.labels.count > 0 ? 5 : 0;
    if (top && (!parse_size(top, &classes) || classes > E2B_MAX_CLASSES)) {
        e2b_fail(err, E2B_INVALID, "top=%.20s is outside 0..%d", top, E2B_MAX_CLASSES);
        return e2b_status_http(E2B_INVALID);
    }
    form->top = (int)classes;
    return 0;
}

static bool is_picture(const char *type) {
    return strncasecmp(type, "image/jpeg", 10) == 0 || strncasecmp(type, "image/png", 9) == 0;
}

int e2b_form_read(const struct e2b_form_headers *headers, const struct e2b_catalog_model *model,
    size_t max_body_bytes, struct e2b_inference_form *out, struct e2b_error *err) {
    const char *encoding = headers->content_encoding, *type = headers->content_type;
    out->image = type && strncasecmp(type, "image/", 6) == 0;
    out->top = 0;
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return refuse(
            415, "compressed bodies are not supported: send without Content-Encoding", err);
    if (out->image && !is_picture(type))
        return refuse(415, "this image type is not supported: send image/jpeg or image/png", err);
    if (out->image && model->image.width == 0)
        return refuse(415, "this model takes no images: send tensors as the protocol says", err);
    int http = out->image ? read_top(headers->top, model, out, err) : 0;
    return http ? http : read_lengths(headers, max_body_bytes, out, err);
}
