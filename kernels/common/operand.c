#include "kernels/common/operand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *e2b_dtype_macro(enum e2b_dtype dtype) {
    static const char *const macros[E2B_DTYPE_COUNT] = {[E2B_F32] = "T_F32",
        [E2B_F16] = "T_F16",
        [E2B_F64] = "T_F64",
        [E2B_U8] = "T_U8",
        [E2B_I8] = "T_I8",
        [E2B_I32] = "T_I32",
        [E2B_I64] = "T_I64",
        [E2B_BOOL] = "T_BOOL"};
    return macros[dtype] ? macros[dtype] : "T_F32";
}

/* numbers: [0] dtype, [1] elements to fill; converts what the constant has and zeroes the rest. */
static void pack_converted(const struct e2b_packing *packing, void *to) {
    const struct e2b_constant *from = packing->from[0];
    enum e2b_dtype dtype = (enum e2b_dtype)packing->numbers[0];
    size_t bytes = e2b_dtype_bytes(dtype);
    memset(to, 0, packing->bytes);
    if (!from)
        return;
    int64_t count = e2b_shape_count(&from->shape);
    if (from->dtype == dtype) {
        memcpy(to, from->data, (size_t)count * bytes);
        return;
    }
    const char *source = from->data;
    for (int64_t i = 0; i < count; i++) {
        double value;
        e2b_to_double(from->dtype, source + (size_t)i * e2b_dtype_bytes(from->dtype), &value, 1);
        e2b_from_double(dtype, &value, (char *)to + (size_t)i * bytes, 1);
    }
}

static int pack_as(struct e2b_launch_list *list, const struct e2b_constant *constant,
    enum e2b_dtype dtype, int64_t count) {
    struct e2b_packing packing = {.from = {constant},
        .numbers = {dtype, count},
        .bytes = (size_t)count * e2b_dtype_bytes(dtype),
        .pack = pack_converted};
    snprintf(
        packing.key, sizeof packing.key, "row %s %lld", e2b_dtype_name(dtype), (long long)count);
    return e2b_launch_list_pack(list, &packing);
}

enum e2b_status e2b_launch_operand(struct e2b_launch_list *list, struct e2b_launch *launch,
    const struct e2b_call *call, int input, enum e2b_dtype dtype, struct e2b_error *err) {
    const struct e2b_operand *operand = e2b_has_input(call, input) ? &call->inputs[input] : NULL;
    if (operand && !operand->constant) {
        e2b_launch_input(launch, input);
        return E2B_OK;
    }
    const struct e2b_constant *constant = operand ? operand->constant : NULL;
    int64_t count = constant ? e2b_shape_count(&constant->shape) : 1;
    int packing = pack_as(list, constant, dtype, count > 0 ? count : 1);
    if (packing < 0)
        return e2b_fail_memory(err, "a packed constant");
    e2b_launch_packed(launch, packing);
    e2b_launch_int(launch, 0);
    return E2B_OK;
}

void e2b_operand_strides(const struct e2b_operand *operand, int64_t stride[E2B_MAX_RANK]) {
    struct e2b_tensor tensor = operand->tensor;
    if (operand->constant) {
        tensor.layout = E2B_ROW_MAJOR;
        e2b_tensor_set_dense(&tensor, 1);
    }
    memcpy(stride, tensor.stride, sizeof tensor.stride);
}

int e2b_pack_zeros(struct e2b_launch_list *list, size_t bytes) {
    return pack_as(list, NULL, E2B_U8, (int64_t)bytes);
}

int e2b_pack_vector(
    struct e2b_launch_list *list, const struct e2b_constant *constant, int64_t count) {
    return pack_as(list, constant, E2B_F32, count);
}
