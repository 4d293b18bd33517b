/* An ONNX file without its weights: the same message, but raw data of large_bytes and more of an
 * initializer is left where it is, and raw_offset and raw_bytes (onnx.proto) say where. */
#ifndef E2B_MODEL_ONNX_SLIM_H
#define E2B_MODEL_ONNX_SLIM_H

#include "runtime/base/status.h"
#include "runtime/base/text.h"

/* Adds the slim message to out, which the caller finishes. INVALID if the bytes are no message. */
enum e2b_status e2b_onnx_slim(const void *bytes, size_t count, size_t large_bytes,
    struct e2b_text *out, struct e2b_error *err);

#endif
