#include "kernels/common/mma.h"

#include "kernels/gemm/variants.h"

#include <stdio.h>

#define DEPTH_ALIGN 8 /* elements: chunks never reach beyond a row */

static struct e2b_mma_norm norm_of(
    const struct e2b_call *call, int first, int64_t columns, float epsilon) {
    if (!e2b_has_input(call, first))
        return (struct e2b_mma_norm){0};
    return (struct e2b_mma_norm){.sums_input = first,
        .row = e2b_gemm_sums_row(&call->inputs[first].tensor),
        .columns = columns,
        .scale = call->inputs[first + 1].constant,
        .shift = call->inputs[first + 2].constant,
        .epsilon = epsilon};
}

static struct e2b_mma_problem problem_of(const struct e2b_call *call, const struct e2b_gemm *gemm) {
    const struct e2b_gemm_params *params = call->params;
    bool has_bias = e2b_has_input(call, E2B_GEMM_BIAS);
    bool has_residual = e2b_has_input(call, E2B_GEMM_RESIDUAL);
    return (struct e2b_mma_problem){
        .samples = gemm->m,
        .height = 1,
        .width = 1,
        .out_height = 1,
        .out_width = 1,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride = {1, 1},
        .dilation = {1, 1},
        .channels = gemm->k,
        .outputs = gemm->n,
        .outputs_end = gemm->n,
        .x_stride = {gemm->row[E2B_GEMM_A], 0, 0},
        .y_stride = {gemm->row[E2B_GEMM_Y], 0, 0},
        .r_stride = {gemm->row[E2B_GEMM_RESIDUAL], 0, 0},
        .residual_input = has_residual ? E2B_GEMM_RESIDUAL : 0,
        .weights = call->inputs[E2B_GEMM_B].constant,
        .bias = has_bias ? call->inputs[E2B_GEMM_BIAS].constant : NULL,
        .weight_stride = {gemm->column[E2B_GEMM_B], gemm->row[E2B_GEMM_B], 0},
        .weight_scale = params->alpha,
        .bias_scale = params->beta,
        .activation = params->epilogue.activation,
        .x_norm = norm_of(call, E2B_GEMM_A_SUMS, gemm->k, params->a_epsilon),
        .r_norm = norm_of(call, E2B_GEMM_RESIDUAL_SUMS, gemm->n, params->residual_epsilon),
        .tells_sums = call->output_count > 1 && call->outputs[1].present,
    };
}

static const char *refuses_norm(const struct e2b_call *call, const struct e2b_mma_norm *norm) {
    if (!norm->sums_input)
        return NULL;
    if (!norm->scale || !norm->shift)
        return "scale and shift of a norm are not constant";
    if (call->inputs[norm->sums_input].constant || norm->row < 0 || norm->row % 2)
        return "sums of rows are constant or not in line";
    return norm->columns > E2B_GEMM_LONGEST_ROW ? "normalised rows are too long" : NULL;
}

static const char *refuses_operands(const struct e2b_call *call, const struct e2b_gemm *gemm) {
    const struct e2b_operand *inputs = call->inputs;
    bool has_bias = e2b_has_input(call, E2B_GEMM_BIAS);
    bool has_residual = e2b_has_input(call, E2B_GEMM_RESIDUAL);
    if (gemm->rank > 0)
        return "batches";
    if (inputs[E2B_GEMM_A].constant || !inputs[E2B_GEMM_B].constant)
        return "B is not constant";
    if (has_bias && (!inputs[E2B_GEMM_BIAS].constant || gemm->row[E2B_GEMM_BIAS] != 0))
        return "the bias is not a constant row";
    if (has_residual
        && (inputs[E2B_GEMM_RESIDUAL].constant || gemm->column[E2B_GEMM_RESIDUAL] != 1))
        return "rows of the residual are not dense";
    if (gemm->column[E2B_GEMM_A] != 1 || gemm->column[E2B_GEMM_Y] != 1)
        return "rows of A or Y are not dense";
    if (gemm->k % DEPTH_ALIGN)
        return "the inner dimension is not a multiple of 8";
    return NULL;
}

bool e2b_gemm_mma_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    const char *refused = e2b_gemm_refuses(call, &gemm);
    if (!refused)
        refused = refuses_operands(call, &gemm);
    if (!refused) {
        struct e2b_mma_problem problem = problem_of(call, &gemm);
        refused = e2b_mma_refuses(call, &problem);
        if (!refused)
            refused = refuses_norm(call, &problem.x_norm);
        if (!refused)
            refused = refuses_norm(call, &problem.r_norm);
    }
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

enum e2b_status e2b_gemm_mma_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    struct e2b_mma_problem problem = problem_of(call, &gemm);
    return e2b_mma_emit(call, &problem, out, err);
}
