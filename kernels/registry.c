#include "kernels/op.h"

#include <string.h>

/* operators.def is written by CMake from the list of folders: ROW(name) for each operator. */
#define ROW(name) extern const struct e2b_op e2b_op_##name;
#include "operators.def"
#undef ROW

static const struct e2b_op *const all[] = {
#define ROW(name) &e2b_op_##name,
#include "operators.def"
#undef ROW
    NULL};

const struct e2b_op *const *e2b_op_all(void) {
    return all;
}

const struct e2b_op *e2b_op_find(const char *name) {
    for (const struct e2b_op *const *op = all; *op; op++)
        if (!strcmp((*op)->name, name))
            return *op;
    return NULL;
}

const struct e2b_op *e2b_op_for_onnx(const char *onnx_type) {
    for (const struct e2b_op *const *op = all; *op; op++)
        for (const char *const *type = (*op)->onnx; type && *type; type++)
            if (!strcmp(*type, onnx_type))
                return *op;
    return NULL;
}
