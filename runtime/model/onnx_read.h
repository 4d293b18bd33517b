/* An ONNX file's graph to a network. */
#ifndef E2B_MODEL_ONNX_READ_H
#define E2B_MODEL_ONNX_READ_H

#include "runtime/model/model.h"
#include "runtime/model/onnx_tensor.h"

#include <stddef.h>

/* Fills model->net, inputs and outputs (shapes of outputs are not known yet). model->constants and
 * model->net exist and are empty. Refuses broken files and unknown operators, naming them. */
enum e2b_status e2b_onnx_read(struct e2b_model *model, const void *bytes, size_t count,
    const struct e2b_onnx_place *place, struct e2b_error *err);

#endif
