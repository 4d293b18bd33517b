/* How the body of an inference is to be read, from what its HTTP headers say. */
#ifndef E2B_SERVER_FORM_H
#define E2B_SERVER_FORM_H

#include "runtime/server/inference.h"

/* Values of headers, and of the query's ?top; NULL where absent. */
struct e2b_form_headers {
    const char *content_length, *transfer_encoding, *content_encoding, *content_type;
    const char *head_length; /* Inference-Header-Content-Length */
    const char *top;
};

/* 0, or the HTTP code of the refusal with err set. Sets all of out but its times. */
int e2b_form_read(const struct e2b_form_headers *headers, const struct e2b_catalog_model *model,
    size_t max_body_bytes, struct e2b_inference_form *out, struct e2b_error *err);

#endif
