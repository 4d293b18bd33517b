#include "kernels/gemm/variants.h"

#include <stdio.h>

extern const struct e2b_source e2b_source_gemm;

const char *e2b_gemm_refuses(const struct e2b_call *call, const struct e2b_gemm *gemm) {
    enum e2b_dtype dtype = call->outputs[0].tensor.dtype;
    if (dtype != E2B_F32 && dtype != E2B_F16)
        return "kernels take fp32 and fp16 only";
    if (gemm->rank > E2B_GEMM_KERNEL_BATCH)
        return "more than 3 batch dimensions that do not merge";
    for (int i = 0; i < call->input_count; i++)
        if (call->inputs[i].present && e2b_tensor_extent(&call->inputs[i].tensor, 1) > INT32_MAX)
            return "an operand has more than 2^31 elements";
    if (e2b_tensor_extent(&call->outputs[0].tensor, 1) > INT32_MAX)
        return "the output has more than 2^31 elements";
    return NULL;
}

static double operand_bytes(const struct e2b_tensor *tensor) {
    return (double)e2b_shape_count(&tensor->shape) * (double)e2b_dtype_bytes(tensor->dtype);
}

enum e2b_status e2b_gemm_add_operand(const struct e2b_call *call, struct e2b_launch_list *list,
    struct e2b_launch *launch, int input, struct e2b_error *err) {
    return e2b_launch_operand(list, launch, call, input, call->outputs[0].tensor.dtype, err);
}

/* The norm whose sums are input `first`: NORM_TENSORS of gemm.cl. */
static enum e2b_status add_norm(const struct e2b_call *call, struct e2b_launch_list *list,
    struct e2b_launch *launch, int first, float epsilon, struct e2b_error *err) {
    if (!e2b_has_input(call, first))
        return E2B_OK;
    e2b_launch_input(launch, first);
    e2b_launch_int(launch, e2b_gemm_sums_row(&call->inputs[first].tensor));
    if (e2b_gemm_add_operand(call, list, launch, first + 1, err) != E2B_OK
        || e2b_gemm_add_operand(call, list, launch, first + 2, err) != E2B_OK)
        return err->status;
    e2b_launch_float(launch, (double)epsilon);
    return E2B_OK;
}

struct e2b_launch *e2b_gemm_launch(const struct e2b_call *call, struct e2b_launch_list *list,
    const char *kernel, const char *more, struct e2b_error *err) {
    const struct e2b_gemm_params *params = call->params;
    bool bias = e2b_has_input(call, E2B_GEMM_BIAS);
    bool residual = e2b_has_input(call, E2B_GEMM_RESIDUAL);
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_gemm, kernel,
        "-D%s -DACTIVATION=%d%s%s%s%s %s", e2b_dtype_macro(call->outputs[0].tensor.dtype),
        (int)params->epilogue.activation.kind, bias ? " -DBIAS" : "", residual ? " -DRESIDUAL" : "",
        e2b_has_input(call, E2B_GEMM_A_SUMS) ? " -DA_NORM" : "",
        e2b_has_input(call, E2B_GEMM_RESIDUAL_SUMS) ? " -DR_NORM" : "", more);
    if (!launch) {
        e2b_fail_memory(err, "a matrix product's launch");
        return NULL;
    }
    launch->flops = call->op->flops(call);
    launch->bytes = operand_bytes(&call->outputs[0].tensor);
    for (int i = 0; i < call->input_count; i++)
        if (call->inputs[i].present)
            launch->bytes += operand_bytes(&call->inputs[i].tensor);
    e2b_launch_output(launch, 0);
    if (bias && e2b_gemm_add_operand(call, list, launch, E2B_GEMM_BIAS, err) != E2B_OK)
        return NULL;
    if (residual && e2b_gemm_add_operand(call, list, launch, E2B_GEMM_RESIDUAL, err) != E2B_OK)
        return NULL;
    if (add_norm(call, list, launch, E2B_GEMM_A_SUMS, params->a_epsilon, err) != E2B_OK
        || add_norm(call, list, launch, E2B_GEMM_RESIDUAL_SUMS, params->residual_epsilon, err)
            != E2B_OK)
        return NULL;
    return launch;
}

/* Batch dimension `which` of the 3 that kernels take, right-aligned. */
static int64_t batch_number(
    const struct e2b_gemm *gemm, const int64_t *numbers, int which, int64_t absent) {
    int index = gemm->rank - E2B_GEMM_KERNEL_BATCH + which;
    return index < 0 ? absent : numbers[index];
}

void e2b_gemm_add_geometry(
    const struct e2b_call *call, const struct e2b_gemm *gemm, struct e2b_launch *launch) {
    const struct e2b_gemm_params *params = call->params;
    e2b_launch_int(launch, gemm->m);
    e2b_launch_int(launch, gemm->n);
    e2b_launch_int(launch, gemm->k);
    for (int o = 0; o < E2B_GEMM_OPERANDS; o++) {
        e2b_launch_int(launch, gemm->row[o]);
        e2b_launch_int(launch, gemm->column[o]);
    }
    for (int i = 1; i < E2B_GEMM_KERNEL_BATCH; i++)
        e2b_launch_int(launch, batch_number(gemm, gemm->dims, i, 1));
    for (int o = 0; o < E2B_GEMM_OPERANDS; o++)
        for (int i = 0; i < E2B_GEMM_KERNEL_BATCH; i++)
            e2b_launch_int(launch, batch_number(gemm, gemm->batch[o], i, 0));
    e2b_launch_float(launch, (double)params->alpha);
    e2b_launch_float(launch, (double)params->beta);
    e2b_launch_float(launch, (double)params->epilogue.activation.a);
    e2b_launch_float(launch, (double)params->epilogue.activation.b);
}
