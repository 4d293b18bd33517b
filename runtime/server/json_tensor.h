/* Tensors and strings between JSON text and memory. A tensor of several samples lies in several
 * places, one a sample, each dense and row-major. */
#ifndef E2B_SERVER_JSON_TENSOR_H
#define E2B_SERVER_JSON_TENSOR_H

#include "kernels/tensor.h"
#include "runtime/base/status.h"
#include "runtime/base/text.h"

struct json_t; /* jansson's json_t */

/* Where a tensor goes, sample by sample. */
struct e2b_json_sink {
    const char *name; /* for messages */
    enum e2b_dtype dtype;
    int samples;
    int64_t sample_count; /* elements of one sample */
    void *(*memory)(void *context, int sample);
    void *context;
};

/* data is flat or nested to any depth, read in order. INVALID when the count differs or an element
 * does not fit the type: integers must be whole and in range, BOOL takes true, false, 0 and 1. */
enum e2b_status e2b_json_read(
    const struct json_t *data, const struct e2b_json_sink *sink, struct e2b_error *err);

/* Append count elements as "1,2,3". Floats round-trip; NaN and infinities, which JSON lacks, are
 * null. */
void e2b_json_write(struct e2b_text *out, enum e2b_dtype dtype, const void *memory, int64_t count);

/* Append a quoted string; bytes that are not UTF-8 become "?". */
void e2b_json_write_string(struct e2b_text *out, const char *string);

#endif
