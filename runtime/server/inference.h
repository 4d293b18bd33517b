/* One inference: its body is fed as it arrives, then it is submitted, answered and encoded. Knows
 * the engine and no socket. One thread at a time, but for the answer, which comes from the
 * engine's.
 */
#ifndef E2B_SERVER_INFERENCE_H
#define E2B_SERVER_INFERENCE_H

#include "runtime/server/body.h"
#include "runtime/server/catalog.h"

/* How the body is to be read, from the HTTP headers. */
struct e2b_inference_form {
    bool image;                      /* JPEG or PNG bytes */
    int top;                         /* image: so many classes; 0: all outputs whole */
    size_t head_bytes, total_bytes;  /* as e2b_body_init takes them */
    int64_t arrival_ns, deadline_ns; /* deadline of requests that name none; 0: none */
};

struct e2b_inference {
    struct e2b_catalog_model *model;
    struct e2b_inference_form form;
    struct e2b_body body;  /* body.infer also describes an image's request */
    struct e2b_text image; /* its bytes */
    struct e2b_request *request;
    struct e2b_error outcome;
    void (*done)(void *context);
    void *context;
};

enum e2b_status e2b_inference_init(struct e2b_inference *inference, struct e2b_catalog_model *model,
    const struct e2b_inference_form *form, struct e2b_error *err);
/* After a failure: finish it. BUSY when no slots are free. */
enum e2b_status e2b_inference_feed(
    struct e2b_inference *inference, const void *data, size_t bytes, struct e2b_error *err);
/* The body has ended: decode it, as far as that waited for the end. After a failure: finish it. */
enum e2b_status e2b_inference_end(struct e2b_inference *inference, struct e2b_error *err);
/* After end. done is called once, from a thread of the engine, possibly before this returns. */
void e2b_inference_submit(
    struct e2b_inference *inference, void (*done)(void *context), void *context);
/* After done: the answer, as e2b_answer_encode gives it, or why there is none. Frees the slots. */
enum e2b_status e2b_inference_answer(struct e2b_inference *inference, struct e2b_text *out,
    size_t *head_bytes, struct e2b_request_times *times, struct e2b_error *err);
/* Not between submit and done. Zeroed is fine; twice is fine. */
void e2b_inference_finish(struct e2b_inference *inference);

#endif
