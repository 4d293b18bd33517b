#include "kernels/gemm/variants.h"

#include <stdio.h>

#define ROUTINE "clblast_sgemm" /* its arguments: backends/device.h */

static const char *refuses(const struct e2b_call *call, const struct e2b_gemm *gemm) {
    if (call->outputs[0].tensor.dtype != E2B_F32)
        return "fp32 only";
    if (gemm->rank > 0)
        return "no batches";
    if (e2b_gemm_has_sums(call))
        return "takes or tells sums of rows";
    if (gemm->m == 1 || gemm->n == 1 || gemm->k == 1)
        return "vectors";
    if (gemm->column[E2B_GEMM_A] != 1 || gemm->column[E2B_GEMM_Y] != 1
        || (gemm->column[E2B_GEMM_B] != 1 && gemm->row[E2B_GEMM_B] != 1))
        return "rows are not dense, or A is transposed";
    return e2b_gemm_refuses(call, gemm);
}

bool e2b_gemm_clblast_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    const char *refused = refuses(call, &gemm);
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

static enum e2b_status add_routine(const struct e2b_call *call, const struct e2b_gemm *gemm,
    struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_launch *launch = e2b_launch_add(out, NULL, ROUTINE, "%s", "");
    if (!launch)
        return e2b_fail_memory(err, "a matrix product's launch");
    launch->routine = ROUTINE;
    launch->flops = call->op->flops(call);
    if (e2b_gemm_add_operand(call, out, launch, E2B_GEMM_A, err) != E2B_OK
        || e2b_gemm_add_operand(call, out, launch, E2B_GEMM_B, err) != E2B_OK)
        return err->status;
    e2b_launch_output(launch, 0);
    bool transposed = gemm->column[E2B_GEMM_B] != 1;
    const int64_t numbers[] = {gemm->m, gemm->n, gemm->k, gemm->row[E2B_GEMM_A],
        transposed ? gemm->column[E2B_GEMM_B] : gemm->row[E2B_GEMM_B], gemm->row[E2B_GEMM_Y],
        transposed};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    e2b_launch_grid(launch, 1, 1, 1);
    return E2B_OK;
}

enum e2b_status e2b_gemm_clblast_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    const struct e2b_gemm_params *params = call->params;
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    if (add_routine(call, &gemm, out, err) != E2B_OK)
        return err->status;
    bool is_done = params->alpha == 1.0f && !e2b_has_input(call, E2B_GEMM_BIAS)
        && !e2b_has_input(call, E2B_GEMM_RESIDUAL)
        && params->epilogue.activation.kind == E2B_ACT_IDENTITY;
    if (is_done)
        return E2B_OK;
    struct e2b_launch *launch = e2b_gemm_launch(call, out, "gemm_finish", "-DFINISH", err);
    if (!launch)
        return err->status;
    launch->flops = 0;
    e2b_gemm_add_geometry(call, &gemm, launch);
    e2b_launch_grid(launch, (size_t)gemm.n, (size_t)gemm.m, 1);
    e2b_launch_group(launch, 16, 4, 1);
    return E2B_OK;
}
