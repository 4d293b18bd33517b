/* The body of an inference request, taken in as it arrives: a JSON head, then the binary inputs in
 * the head's order, each byte written once, to its sample's place. A body without binary inputs is
 * all head. Memory it holds is bounded by the head; it knows no engine and no socket. */
#ifndef E2B_SERVER_BODY_H
#define E2B_SERVER_BODY_H

#include "runtime/base/text.h"
#include "runtime/server/infer.h"

#define E2B_BODY_ALL_HEAD SIZE_MAX /* no Inference-Header-Content-Length: the body is JSON */
#define E2B_BODY_UNKNOWN SIZE_MAX  /* no Content-Length */

/* Where samples go. open is called once, when the head is understood and before any sample. */
struct e2b_body_sink {
    void *context;
    enum e2b_status (*open)(void *context, int samples, struct e2b_error *err);
    void *(*input)(void *context, int sample, int input);
};

struct e2b_body {
    const struct e2b_signature *signature;
    struct e2b_body_sink sink;
    size_t head_bytes, total_bytes; /* as the headers say */
    struct e2b_text head;
    bool begun; /* infer is set and the sink is open */
    struct e2b_infer infer;
    int input, sample;     /* being written: input counts in the request's order */
    unsigned char *memory; /* of that sample, NULL before its first byte */
    size_t left_in_sample;
};

/* head_bytes 0 is the raw form: one sample of the only input. */
void e2b_body_init(struct e2b_body *body, const struct e2b_signature *signature,
    const struct e2b_body_sink *sink, size_t head_bytes, size_t total_bytes);
/* Any cut of the body into pieces gives the same result. After a failure feed no more. */
enum e2b_status e2b_body_feed(
    struct e2b_body *body, const void *data, size_t bytes, struct e2b_error *err);
/* The body has ended: every input is there, or INVALID says what is missing. */
enum e2b_status e2b_body_end(struct e2b_body *body, struct e2b_error *err);
void e2b_body_finish(struct e2b_body *body); /* zeroed is fine */

#endif
