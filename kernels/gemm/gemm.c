#include "kernels/gemm/gemm.h"

#include "kernels/common/infer.h"
#include "kernels/common/mma.h"
#include "kernels/gemm/variants.h"

#include <inttypes.h>
#include <stddef.h>

static enum e2b_status import_gemm(
    const struct e2b_onnx_node *node, void *to, struct e2b_error *err) {
    (void)err;
    struct e2b_gemm_params *params = to;
    params->alpha = e2b_attr_float(node, "alpha", 1);
    params->beta = e2b_attr_float(node, "beta", 1);
    params->trans_a = e2b_attr_int(node, "transA", 0) != 0;
    params->trans_b = e2b_attr_int(node, "transB", 0) != 0;
    return E2B_OK;
}

static enum e2b_status import_matmul(
    const struct e2b_onnx_node *node, void *to, struct e2b_error *err) {
    (void)node, (void)err;
    struct e2b_gemm_params *params = to;
    params->alpha = params->beta = 1;
    return E2B_OK;
}

static enum e2b_status check_operands(const struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 2, E2B_GEMM_INPUTS, 2, err) != E2B_OK)
        return err->status;
    for (int i = 0; i < call->input_count; i++) {
        const struct e2b_tensor *tensor = &call->inputs[i].tensor;
        enum e2b_dtype wanted =
            e2b_op_input_is_fp32(call->op, i) ? E2B_F32 : call->inputs[0].tensor.dtype;
        if (!call->inputs[i].present)
            continue;
        if (tensor->dtype != wanted)
            return e2b_fail(err, E2B_INVALID, "\"%s\": input %d is %s instead of %s", call->name, i,
                e2b_dtype_name(tensor->dtype), e2b_dtype_name(wanted));
        if (e2b_shape_count(&tensor->shape) < 1)
            return e2b_fail(err, E2B_INVALID, "\"%s\": input %d is empty", call->name, i);
    }
    return E2B_OK;
}

/* C and the residual must broadcast to Y. */
static enum e2b_status check_addends(
    const struct e2b_call *call, const struct e2b_shape *y, struct e2b_error *err) {
    for (int i = E2B_GEMM_BIAS; i <= E2B_GEMM_RESIDUAL; i++) {
        struct e2b_shape both;
        if (e2b_has_input(call, i)
            && (!e2b_shape_broadcast(&call->inputs[i].tensor.shape, y, &both)
                || !e2b_shape_equal(&both, y)
                || (i == E2B_GEMM_RESIDUAL
                    && !e2b_shape_equal(&call->inputs[i].tensor.shape, y)))) {
            char text[96], wanted[96];
            return e2b_fail(err, E2B_INVALID, "\"%s\": input %d of shape %s does not go with %s",
                call->name, i, e2b_shape_print(&call->inputs[i].tensor.shape, text, sizeof text),
                e2b_shape_print(y, wanted, sizeof wanted));
        }
    }
    return E2B_OK;
}

/* The shape of the sums of a tensor's rows. */
static struct e2b_shape sums_shape(const struct e2b_shape *of) {
    struct e2b_shape shape = *of;
    shape.dims[shape.rank - 1] = 2 * (of->dims[of->rank - 1] / E2B_GEMM_BLOCK);
    return shape;
}

static enum e2b_status check_rows(
    const struct e2b_call *call, const struct e2b_shape *rows, struct e2b_error *err) {
    const struct e2b_gemm_params *params = call->params;
    if (rows->rank < 2 || rows->dims[rows->rank - 1] % E2B_GEMM_BLOCK != 0
        || call->inputs[E2B_GEMM_B].tensor.shape.rank != 2 || params->trans_a)
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": sums of rows need rows of a multiple of %d, one matrix B and A as it is",
            call->name, E2B_GEMM_BLOCK);
    return E2B_OK;
}

/* The norm whose sums are input `first`, of rows of shape `rows`. */
static enum e2b_status check_norm(
    const struct e2b_call *call, int first, const struct e2b_shape *rows, struct e2b_error *err) {
    int present = 0;
    for (int i = first; i < first + 3; i++)
        present += e2b_has_input(call, i);
    if (present == 0)
        return E2B_OK;
    if (check_rows(call, rows, err) != E2B_OK)
        return err->status;
    struct e2b_shape sums = sums_shape(rows), row = {1, {rows->dims[rows->rank - 1]}};
    if (present < 3 || !e2b_shape_equal(&call->inputs[first].tensor.shape, &sums)
        || !e2b_shape_equal(&call->inputs[first + 1].tensor.shape, &row)
        || !e2b_shape_equal(&call->inputs[first + 2].tensor.shape, &row))
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": inputs %d to %d are not the sums, scale and shift of a norm", call->name,
            first, first + 2);
    return E2B_OK;
}

static enum e2b_status set_outputs(
    struct e2b_call *call, const struct e2b_shape *y, struct e2b_error *err) {
    const struct e2b_shape *a = &call->inputs[E2B_GEMM_A].tensor.shape;
    if (check_addends(call, y, err) != E2B_OK || check_norm(call, E2B_GEMM_A_SUMS, a, err) != E2B_OK
        || check_norm(call, E2B_GEMM_RESIDUAL_SUMS, y, err) != E2B_OK)
        return err->status;
    if (e2b_has_input(call, E2B_GEMM_RESIDUAL_SUMS) && !e2b_has_input(call, E2B_GEMM_RESIDUAL))
        return e2b_fail(err, E2B_INVALID, "\"%s\": sums of no residual", call->name);
    if (e2b_set_output(call, 0, call->inputs[0].tensor.dtype, y, err) != E2B_OK
        || call->output_count < 2)
        return err->status;
    if (check_rows(call, y, err) != E2B_OK)
        return err->status;
    struct e2b_shape sums = sums_shape(y);
    return e2b_set_output(call, 1, E2B_F32, &sums, err);
}

static enum e2b_status refuse_inner(
    const struct e2b_call *call, int64_t a, int64_t b, struct e2b_error *err) {
    return e2b_fail(err, E2B_INVALID,
        "\"%s\": the inner dimensions of the product differ, %" PRId64 " and %" PRId64, call->name,
        a, b);
}

static enum e2b_status infer_gemm(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_gemm_params *params = call->params;
    if (check_operands(call, err) != E2B_OK || e2b_expect_rank(call, 0, 2, 2, err) != E2B_OK
        || e2b_expect_rank(call, 1, 2, 2, err) != E2B_OK)
        return err->status;
    const int64_t *a = call->inputs[0].tensor.shape.dims, *b = call->inputs[1].tensor.shape.dims;
    int64_t k = a[!params->trans_a], kb = b[params->trans_b];
    if (k != kb)
        return refuse_inner(call, k, kb, err);
    struct e2b_shape y = {2, {a[params->trans_a], b[!params->trans_b]}};
    return set_outputs(call, &y, err);
}

static struct e2b_shape leading(const struct e2b_shape *shape) {
    struct e2b_shape out = *shape;
    out.rank = shape->rank > 2 ? shape->rank - 2 : 0;
    return out;
}

static enum e2b_status infer_matmul(struct e2b_call *call, struct e2b_error *err) {
    if (check_operands(call, err) != E2B_OK
        || e2b_expect_rank(call, 0, 1, E2B_MAX_RANK, err) != E2B_OK
        || e2b_expect_rank(call, 1, 1, E2B_MAX_RANK, err) != E2B_OK)
        return err->status;
    const struct e2b_shape *a = &call->inputs[0].tensor.shape;
    const struct e2b_shape *b = &call->inputs[1].tensor.shape;
    int64_t k = a->dims[a->rank - 1], kb = b->dims[b->rank == 1 ? 0 : b->rank - 2];
    if (k != kb)
        return refuse_inner(call, k, kb, err);
    struct e2b_shape y, a_batch = leading(a), b_batch = leading(b);
    if (!e2b_shape_broadcast(&a_batch, &b_batch, &y))
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": the leading dimensions of the operands do not broadcast", call->name);
    if (a->rank > 1)
        y.dims[y.rank++] = a->dims[a->rank - 2];
    if (b->rank > 1)
        y.dims[y.rank++] = b->dims[b->rank - 1];
    return set_outputs(call, &y, err);
}

static double flops(const struct e2b_call *call) {
    struct e2b_gemm gemm;
    e2b_gemm_read(call, true, &gemm);
    return 2.0 * (double)(e2b_gemm_batches(&gemm) * gemm.m * gemm.n) * (double)gemm.k;
}

static const char *const onnx_gemm[] = {"Gemm", NULL};
static const char *const onnx_matmul[] = {"MatMul", NULL};

static const struct e2b_variant variants[] = {
    {"panel_cpu", e2b_gemm_panel_accepts, NULL, e2b_gemm_panel_emit},
    {"mma", e2b_gemm_mma_accepts, e2b_mma_candidates, e2b_gemm_mma_emit},
    {"tile_local", e2b_gemm_tile_accepts, NULL, e2b_gemm_tile_emit},
    {"direct", e2b_gemm_direct_accepts, NULL, e2b_gemm_direct_emit},
    {"clblast", e2b_gemm_clblast_accepts, NULL, e2b_gemm_clblast_emit},
    {0},
};

#define GEMM_OP(op_name, op_onnx)                                                                  \
    {                                                                                              \
        .name = #op_name, .onnx = op_onnx, .layout = E2B_LAYOUT_ROW,                               \
        .params_bytes = sizeof(struct e2b_gemm_params), .import = import_##op_name,                \
        .infer = infer_##op_name, .reference = e2b_gemm_reference, .variants = variants,           \
        .flops = flops, .has_epilogue = true,                                                      \
        .epilogue_offset = offsetof(struct e2b_gemm_params, epilogue),                             \
        .bias_input = E2B_GEMM_BIAS, .residual_input = E2B_GEMM_RESIDUAL,                          \
        .fp32_inputs = 1u << E2B_GEMM_A_SUMS | 1u << E2B_GEMM_RESIDUAL_SUMS,                       \
        .fp32_outputs = 1u << 1                                                                    \
    }

const struct e2b_op e2b_op_gemm = GEMM_OP(gemm, onnx_gemm);
const struct e2b_op e2b_op_matmul = GEMM_OP(matmul, onnx_matmul);
