/* An inference request of the Open Inference Protocol, as its JSON head says it: which inputs with
 * how many samples, which outputs in which form, and how urgent. Knows no engine and no socket. */
#ifndef E2B_SERVER_INFER_H
#define E2B_SERVER_INFER_H

#include "kernels/op.h"
#include "runtime/base/status.h"
#include "runtime/model/graph.h"

#define E2B_MAX_CLASSES 1024 /* of a classified output */

struct json_t; /* jansson's json_t */

/* What a client may ask of a model. Everything pointed to outlives those who hold it. */
struct e2b_signature {
    const char *name, *version;
    int input_count, output_count;
    const struct e2b_io *inputs, *outputs;
    int max_batch; /* most samples of a request; 0: dimension 0 is no batch, a request is one sample
                    */
};

/* Elements of one sample, and its bytes. */
int64_t e2b_signature_sample_count(const struct e2b_signature *signature, const struct e2b_io *io);
size_t e2b_signature_sample_bytes(const struct e2b_signature *signature, const struct e2b_io *io);

struct e2b_infer_input {
    int index;                 /* in the signature */
    const struct json_t *data; /* NULL: binary, after the head. Owned by the request's root */
};

struct e2b_infer_output {
    int index; /* in the signature */
    bool binary;
    int classes; /* the best so many as "value:index:label"; 0: the tensor */
};

struct e2b_infer {
    struct json_t *root; /* NULL for requests without a JSON head */
    const char *id;      /* "" if none */
    int samples;
    int input_count, output_count;
    struct e2b_infer_input inputs[E2B_MAX_INPUTS]; /* in the order of the request */
    struct e2b_infer_output outputs[E2B_MAX_OUTPUTS];
    size_t binary_bytes; /* of all binary inputs */
    int priority;       /* 1 goes first; 0: the model's */
    int64_t timeout_us; /* 0: none */
};

/* Read the head. INVALID, NOT_FOUND (output name) or UNSUPPORTED with one line. out need not be
 * initialised; finish it whether or not this succeeds. */
enum e2b_status e2b_infer_parse(const struct e2b_signature *signature, const char *text,
    size_t bytes, struct e2b_infer *out, struct e2b_error *err);
/* The request whose body is one sample of the only input and nothing else, answered in binary. */
enum e2b_status e2b_infer_raw(
    const struct e2b_signature *signature, struct e2b_infer *out, struct e2b_error *err);
/* The request for all outputs as JSON (top > 0: the best of each), all inputs being elsewhere. */
void e2b_infer_plain(const struct e2b_signature *signature, int top, struct e2b_infer *out);
void e2b_infer_finish(struct e2b_infer *infer); /* zeroed is fine */

#endif
