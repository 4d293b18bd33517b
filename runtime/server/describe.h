/* The protocol's descriptions of the server and its models, as JSON. */
#ifndef E2B_SERVER_DESCRIBE_H
#define E2B_SERVER_DESCRIBE_H

#include "runtime/base/text.h"
#include "runtime/server/infer.h"

void e2b_describe_server(struct e2b_text *out);
void e2b_describe_model(struct e2b_text *out, const struct e2b_signature *signature);
/* The model's configuration as clients of the field read it. preferred: batch sizes. */
void e2b_describe_config(struct e2b_text *out, const struct e2b_signature *signature,
    const int *preferred, int preferred_count);
/* One row of the repository's index. */
void e2b_describe_index_row(
    struct e2b_text *out, const struct e2b_signature *signature, bool ready);

#endif
