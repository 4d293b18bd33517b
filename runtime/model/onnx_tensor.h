/* A TensorProto to a constant: raw or typed data, in the file or beside it. */
#ifndef E2B_MODEL_ONNX_TENSOR_H
#define E2B_MODEL_ONNX_TENSOR_H

#include "onnx.pb-c.h"
#include "runtime/model/constants.h"

/* what: how messages call the tensor, e.g. its name. folder: where external data may be read, NULL
 * for nowhere. Every size is checked against the data that is there. */
enum e2b_status e2b_onnx_tensor(struct e2b_constants *store, const Onnx__TensorProto *proto,
    const char *what, const char *folder, const struct e2b_constant **out, struct e2b_error *err);

#endif
