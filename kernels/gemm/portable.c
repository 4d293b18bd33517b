#include "kernels/common/jobs.h"
#include "kernels/gemm/variants.h"

#include <stdio.h>

#define TILE 64  /* rows and columns of a group's tile, as in gemm.cl */
#define GROUP 16 /* work-items a side */
#define LOCAL_BYTES (2 * 16 * (TILE + 1) * 4)

static bool accept(const char *refused, char *reason, size_t reason_bytes) {
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

bool e2b_gemm_tile_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    const char *refused = e2b_gemm_refuses(call, &gemm);
    if (call->traits->max_group < GROUP * GROUP || call->traits->local_bytes < LOCAL_BYTES)
        refused = "needs groups of 256 work-items and 9 KiB of local memory";
    if (!refused && e2b_gemm_has_sums(call))
        refused = "takes or tells sums of rows";
    return accept(refused, reason, reason_bytes);
}

bool e2b_gemm_direct_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    const char *refused = e2b_gemm_refuses(call, &gemm);
    for (int i = E2B_GEMM_A_SUMS; i < call->input_count; i++)
        if (!refused && call->inputs[i].present && e2b_op_input_is_fp32(call->op, i)
            && (call->inputs[i].constant || e2b_gemm_sums_row(&call->inputs[i].tensor) < 0))
            refused = "sums of rows are constant or not in line";
    return accept(refused, reason, reason_bytes);
}

/* A launch with all arguments that tile and direct take; NULL with err set. */
static struct e2b_launch *begin(const struct e2b_call *call, const struct e2b_gemm *gemm,
    struct e2b_launch_list *out, const char *kernel, const char *more, struct e2b_error *err) {
    struct e2b_launch *launch = e2b_gemm_launch(call, out, kernel, more, err);
    if (!launch || e2b_gemm_add_operand(call, out, launch, E2B_GEMM_A, err) != E2B_OK
        || e2b_gemm_add_operand(call, out, launch, E2B_GEMM_B, err) != E2B_OK)
        return NULL;
    e2b_gemm_add_geometry(call, gemm, launch);
    return launch;
}

enum e2b_status e2b_gemm_tile_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    struct e2b_launch *launch = begin(call, &gemm, out, "gemm_tile", "-DTILE", err);
    if (!launch)
        return err->status;
    e2b_launch_grid(launch, (size_t)e2b_ceil_div(gemm.n, TILE) * GROUP,
        (size_t)e2b_ceil_div(gemm.m, TILE) * GROUP, (size_t)e2b_gemm_batches(&gemm));
    e2b_launch_group(launch, GROUP, GROUP, 1);
    return E2B_OK;
}

/* A launch that reads the output again for the sums of its rows. */
static enum e2b_status add_sums(const struct e2b_call *call, const struct e2b_gemm *gemm,
    struct e2b_launch_list *out, struct e2b_error *err) {
    extern const struct e2b_source e2b_source_gemm;
    struct e2b_launch *launch = e2b_launch_add(out, &e2b_source_gemm, "gemm_sums",
        "-D%s -DROW_SUMS", e2b_dtype_macro(call->outputs[0].tensor.dtype));
    if (!launch)
        return e2b_fail_memory(err, "a matrix product's launch");
    launch->bytes = (double)(e2b_gemm_batches(gemm) * gemm->m * gemm->n)
        * (double)e2b_dtype_bytes(call->outputs[0].tensor.dtype);
    e2b_launch_output(launch, 0);
    e2b_launch_output(launch, 1);
    e2b_gemm_add_geometry(call, gemm, launch);
    e2b_launch_grid(launch, (size_t)(gemm->n / E2B_GEMM_BLOCK), (size_t)gemm->m,
        (size_t)e2b_gemm_batches(gemm));
    e2b_launch_group(launch, 16, 4, 1);
    return E2B_OK;
}

enum e2b_status e2b_gemm_direct_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    struct e2b_launch *launch = begin(call, &gemm, out, "gemm_direct", "-DDIRECT", err);
    if (!launch)
        return err->status;
    e2b_launch_grid(launch, (size_t)gemm.n, (size_t)gemm.m, (size_t)e2b_gemm_batches(&gemm));
    e2b_launch_group(launch, 16, 4, 1);
    bool tells = call->output_count > 1 && call->outputs[1].present;
    return tells ? add_sums(call, &gemm, out, err) : E2B_OK;
}
