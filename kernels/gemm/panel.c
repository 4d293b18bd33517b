#include "kernels/common/jobs.h"
#include "kernels/gemm/variants.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COLUMNS 16 /* of a panel, as in gemm.cl */
#define MAX_ROWS 6 /* of a register tile */

/* Where the kernel finds packed B, and how far it is from batch to batch. */
struct packed_b {
    int packing; /* -1: scratch 0 */
    int64_t batch_floats;
};

static int64_t panel_count(const struct e2b_gemm *gemm) {
    return e2b_ceil_div(gemm->n, COLUMNS);
}

static bool b_is_shared(const struct e2b_gemm *gemm) {
    for (int i = 0; i < gemm->rank; i++)
        if (gemm->batch[E2B_GEMM_B][i] != 0)
            return false;
    return true;
}

bool e2b_gemm_panel_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    const char *refused = e2b_gemm_refuses(call, &gemm);
    if (!call->traits->is_cpu)
        refused = "made for a CPU";
    else if (!refused && e2b_gemm_has_sums(call))
        refused = "takes or tells sums of rows";
    else if (!refused && panel_count(&gemm) * gemm.k * COLUMNS > INT32_MAX)
        refused = "packed B has more than 2^31 elements";
    if (refused)
        snprintf(reason, reason_bytes, "%s", refused);
    return !refused;
}

/* numbers: [0] n, [1] k, [2] row stride, [3] column stride. To [panel][k][column]. */
static void pack_panels(const struct e2b_packing *packing, void *to) {
    const struct e2b_constant *from = packing->from[0];
    const int64_t *n = packing->numbers;
    const char *data = from->data;
    size_t bytes = e2b_dtype_bytes(from->dtype);
    float *out = to;
    memset(to, 0, packing->bytes);
    for (int64_t j = 0; j < n[0]; j++)
        for (int64_t k = 0; k < n[1]; k++) {
            double value;
            size_t at = (size_t)(k * n[2] + j * n[3]) * bytes;
            e2b_to_double(from->dtype, data + at, &value, 1);
            out[(j / COLUMNS * n[1] + k) * COLUMNS + j % COLUMNS] = (float)value;
        }
}

static int pack_constant(
    const struct e2b_call *call, const struct e2b_gemm *gemm, struct e2b_launch_list *list) {
    struct e2b_packing packing = {.from = {call->inputs[E2B_GEMM_B].constant},
        .numbers = {gemm->n, gemm->k, gemm->row[E2B_GEMM_B], gemm->column[E2B_GEMM_B]},
        .bytes = (size_t)(panel_count(gemm) * gemm->k * COLUMNS) * sizeof(float),
        .pack = pack_panels};
    snprintf(packing.key, sizeof packing.key, "gemm-panel%d k%" PRId64 " by %" PRId64, COLUMNS,
        gemm->k, gemm->row[E2B_GEMM_B]);
    return e2b_launch_list_pack(list, &packing);
}

/* A launch that packs B of each batch into scratch 0. */
static enum e2b_status pack_on_device(const struct e2b_call *call, const struct e2b_gemm *gemm,
    struct e2b_launch_list *list, int64_t batches, struct e2b_error *err) {
    extern const struct e2b_source e2b_source_gemm;
    size_t floats = (size_t)(batches * panel_count(gemm) * gemm->k * COLUMNS);
    list->scratch[list->scratch_count++] = (struct e2b_scratch){.bytes = floats * sizeof(float)};
    struct e2b_launch *launch = e2b_launch_add(list, &e2b_source_gemm, "gemm_pack", "-D%s -DPACK",
        e2b_dtype_macro(call->outputs[0].tensor.dtype));
    if (!launch)
        return e2b_fail_memory(err, "a matrix product's launch");
    if (e2b_gemm_add_operand(call, list, launch, E2B_GEMM_B, err) != E2B_OK)
        return err->status;
    launch->bytes = (double)floats * 2 * sizeof(float);
    e2b_launch_scratch(launch, 0);
    const int64_t numbers[] = {gemm->n, gemm->k, gemm->row[E2B_GEMM_B], gemm->column[E2B_GEMM_B]};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        e2b_launch_int(launch, numbers[i]);
    int lead = E2B_GEMM_KERNEL_BATCH - gemm->rank;
    for (int i = 1; i < E2B_GEMM_KERNEL_BATCH; i++)
        e2b_launch_int(launch, i < lead ? 1 : gemm->dims[i - lead]);
    for (int i = 0; i < E2B_GEMM_KERNEL_BATCH; i++)
        e2b_launch_int(launch, i < lead ? 0 : gemm->batch[E2B_GEMM_B][i - lead]);
    e2b_launch_grid(launch, (size_t)gemm->k, (size_t)panel_count(gemm), (size_t)batches);
    e2b_launch_group(launch, 16, 1, 1);
    return E2B_OK;
}

static enum e2b_status pack_b(const struct e2b_call *call, const struct e2b_gemm *gemm,
    struct e2b_launch_list *list, struct packed_b *out, struct e2b_error *err) {
    bool shared = b_is_shared(gemm);
    out->packing = -1;
    out->batch_floats = shared ? 0 : panel_count(gemm) * gemm->k * COLUMNS;
    if (!shared || !call->inputs[E2B_GEMM_B].constant)
        return pack_on_device(call, gemm, list, shared ? 1 : e2b_gemm_batches(gemm), err);
    out->packing = pack_constant(call, gemm, list);
    return out->packing < 0 ? e2b_fail_memory(err, "packed weights") : E2B_OK;
}

/* Whether vectors of a row can be written, and what is added read, as they lie. */
static bool is_contiguous(const struct e2b_call *call, const struct e2b_gemm *gemm) {
    return gemm->column[E2B_GEMM_Y] == 1 && gemm->column[E2B_GEMM_BIAS] <= 1
        && (!e2b_has_input(call, E2B_GEMM_RESIDUAL) || gemm->column[E2B_GEMM_RESIDUAL] == 1);
}

enum e2b_status e2b_gemm_panel_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, false, &gemm);
    struct packed_b b;
    if (pack_b(call, &gemm, out, &b, err) != E2B_OK)
        return err->status;
    int rows = gemm.m < MAX_ROWS ? (int)gemm.m : MAX_ROWS;
    int64_t batches = e2b_gemm_batches(&gemm);
    struct e2b_jobs jobs = e2b_jobs_cut(call->traits, e2b_ceil_div(gemm.m, rows),
        rows * gemm.k * (int64_t)sizeof(float), panel_count(&gemm),
        gemm.k * COLUMNS * (int64_t)sizeof(float), batches);
    char more[64];
    snprintf(more, sizeof more, "-DPANEL -DROWS=%d -DA_STEP=%s", rows,
        gemm.column[E2B_GEMM_A] == 1 ? "1" : "a_column");
    struct e2b_launch *launch = e2b_gemm_launch(call, out, "gemm_panel", more, err);
    if (!launch || e2b_gemm_add_operand(call, out, launch, E2B_GEMM_A, err) != E2B_OK)
        return err->status;
    if (b.packing < 0) {
        e2b_launch_scratch(launch, 0);
    } else {
        e2b_launch_packed(launch, b.packing);
        e2b_launch_int(launch, 0);
    }
    e2b_launch_int(launch, b.batch_floats);
    e2b_launch_int(launch, jobs.tile_blocks);
    e2b_launch_int(launch, jobs.panel_blocks);
    e2b_launch_int(launch, is_contiguous(call, &gemm));
    e2b_gemm_add_geometry(call, &gemm, launch);
    e2b_launch_grid(launch, (size_t)(batches * jobs.tile_blocks * jobs.panel_blocks), 1, 1);
    e2b_launch_group(launch, 1, 1, 1);
    return E2B_OK;
}
