/* The answer to an inference request: a JSON head, then the outputs that were asked for in binary.
 */
#ifndef E2B_SERVER_ANSWER_H
#define E2B_SERVER_ANSWER_H

#include "runtime/base/text.h"
#include "runtime/server/infer.h"

struct e2b_labels {
    const char *const *names; /* of class 0, 1, ...; stays the caller's */
    int count;
};

struct e2b_answer_source {
    void *context;
    const void *(*output)(void *context, int sample, int output);
};

/* out is empty at the call; finish it also after a failure. head_bytes: length of the JSON when
 * binary data follows, else 0. INVALID when classes are asked of what is not a vector of scores. */
enum e2b_status e2b_answer_encode(const struct e2b_signature *signature,
    const struct e2b_infer *infer, const struct e2b_labels *labels,
    const struct e2b_answer_source *source, struct e2b_text *out, size_t *head_bytes,
    struct e2b_error *err);

/* Whether the classes that infer asks for can be given: to be told before the work is done. */
enum e2b_status e2b_answer_check(
    const struct e2b_signature *signature, const struct e2b_infer *infer, struct e2b_error *err);

/* {"error": "..."} */
void e2b_answer_error(struct e2b_text *out, const char *message);

#endif
