/* A TensorProto to a constant: raw or typed data, in the file or beside it. */
#ifndef E2B_MODEL_ONNX_TENSOR_H
#define E2B_MODEL_ONNX_TENSOR_H

#include "onnx.pb-c.h"
#include "runtime/model/constants.h"

/* Where data lies that is not in the message. */
struct e2b_onnx_place {
    const char *folder;                 /* of external data; NULL: nowhere */
    const struct e2b_weight_file *file; /* that the message was made slim from; NULL: it was not */
};

/* what: how messages call the tensor, e.g. its name. Every size is checked against the data that is
 * there. */
enum e2b_status e2b_onnx_tensor(struct e2b_constants *store, const Onnx__TensorProto *proto,
    const char *what, const struct e2b_onnx_place *place, const struct e2b_constant **out,
    struct e2b_error *err);

#endif
