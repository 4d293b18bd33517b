#include "kernels/op.h"

#include <string.h>

const struct e2b_attr *e2b_attr_find(const struct e2b_onnx_node *node, const char *name) {
    for (int i = 0; i < node->attr_count; i++)
        if (!strcmp(node->attrs[i].name, name))
            return &node->attrs[i];
    return NULL;
}

static const struct e2b_attr *find_kind(
    const struct e2b_onnx_node *node, const char *name, int kind) {
    const struct e2b_attr *attr = e2b_attr_find(node, name);
    return attr && (int)attr->kind == kind ? attr : NULL;
}

int64_t e2b_attr_int(const struct e2b_onnx_node *node, const char *name, int64_t fallback) {
    const struct e2b_attr *attr = find_kind(node, name, E2B_ATTR_INT);
    return attr ? attr->i : fallback;
}

float e2b_attr_float(const struct e2b_onnx_node *node, const char *name, float fallback) {
    const struct e2b_attr *attr = find_kind(node, name, E2B_ATTR_FLOAT);
    return attr ? attr->f : fallback;
}

const char *e2b_attr_string(
    const struct e2b_onnx_node *node, const char *name, const char *fallback) {
    const struct e2b_attr *attr = find_kind(node, name, E2B_ATTR_STRING);
    return attr ? attr->s : fallback;
}

int e2b_attr_ints(const struct e2b_onnx_node *node, const char *name, int64_t *out, int capacity) {
    const struct e2b_attr *attr = find_kind(node, name, E2B_ATTR_INTS);
    if (!attr)
        return -1;
    for (size_t i = 0; i < attr->count && i < (size_t)capacity; i++)
        out[i] = attr->ints[i];
    return (int)attr->count;
}

bool e2b_op_input_is_fp32(const struct e2b_op *op, int input) {
    return input < 32 && op->fp32_inputs >> input & 1;
}

bool e2b_op_output_is_fp32(const struct e2b_op *op, int output) {
    return output < 32 && op->fp32_outputs >> output & 1;
}

bool e2b_op_has_fast_variant(const struct e2b_call *call) {
    char reason[128];
    for (const struct e2b_variant *v = call->op->variants; v && v->name && v[1].name; v++)
        if (!v->accepts || v->accepts(call, reason, sizeof reason))
            return true;
    return false;
}
