#include "kernels/attention/attention.h"

#include "kernels/attention/variants.h"
#include "kernels/common/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST (-1e38)

static const struct e2b_shape *shape_of(const struct e2b_call *call, int input) {
    return &call->inputs[input].tensor.shape;
}

static enum e2b_status check_types(const struct e2b_call *call, struct e2b_error *err) {
    for (int i = 0; i < call->input_count; i++) {
        const struct e2b_tensor *tensor = &call->inputs[i].tensor;
        if (call->inputs[i].present && !e2b_dtype_is_float(tensor->dtype))
            return e2b_fail(err, E2B_INVALID, "attention: input %d is %s, it takes floats", i,
                e2b_dtype_name(tensor->dtype));
    }
    return E2B_OK;
}

static enum e2b_status check_shapes(const struct e2b_call *call, struct e2b_error *err) {
    const int64_t *q = shape_of(call, E2B_ATTENTION_Q)->dims;
    const int64_t *k = shape_of(call, E2B_ATTENTION_K)->dims;
    const int64_t *v = shape_of(call, E2B_ATTENTION_V)->dims;
    if (q[0] != k[0] || q[2] != k[2] || q[3] != k[3] || k[0] != v[0] || k[1] != v[1]
        || k[2] != v[2])
        return e2b_fail(err, E2B_INVALID,
            "attention: Q, K and V must agree in samples and heads, Q and K in depth, K and V in "
            "keys");
    if (k[1] < 1 || k[3] < 1 || v[3] < 1)
        return e2b_fail(err, E2B_INVALID, "attention: there are no keys, or heads have no depth");
    return E2B_OK;
}

static enum e2b_status check_mask(const struct e2b_call *call, struct e2b_error *err) {
    const int64_t *q = shape_of(call, E2B_ATTENTION_Q)->dims;
    const struct e2b_shape scores = {
        4, {q[0], q[2], q[1], shape_of(call, E2B_ATTENTION_K)->dims[1]}};
    struct e2b_shape both;
    if (!e2b_has_input(call, E2B_ATTENTION_MASK)
        || (e2b_shape_broadcast(shape_of(call, E2B_ATTENTION_MASK), &scores, &both)
            && e2b_shape_equal(&both, &scores)))
        return E2B_OK;
    char mask[96], wanted[96];
    return e2b_fail(err, E2B_INVALID, "attention: a mask of shape %s does not go with scores of %s",
        e2b_shape_print(shape_of(call, E2B_ATTENTION_MASK), mask, sizeof mask),
        e2b_shape_print(&scores, wanted, sizeof wanted));
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 3, 4, 1, err) != E2B_OK || check_types(call, err) != E2B_OK)
        return err->status;
    for (int i = E2B_ATTENTION_Q; i <= E2B_ATTENTION_V; i++)
        if (e2b_expect_rank(call, i, 4, 4, err) != E2B_OK)
            return err->status;
    if (check_shapes(call, err) != E2B_OK || check_mask(call, err) != E2B_OK)
        return err->status;
    struct e2b_shape y = *shape_of(call, E2B_ATTENTION_Q);
    y.dims[3] = shape_of(call, E2B_ATTENTION_V)->dims[3];
    return e2b_set_output(call, 0, call->inputs[E2B_ATTENTION_Q].tensor.dtype, &y, err);
}

static void strides_of(const struct e2b_operand *operand, bool dense, int64_t *out, int count) {
    struct e2b_tensor plain = {.shape = operand->tensor.shape};
    int64_t stride[E2B_MAX_RANK];
    e2b_tensor_set_dense(&plain, 1);
    e2b_operand_strides(operand, stride);
    for (int i = 0; i < count; i++)
        out[i] = dense ? plain.stride[i] : stride[i];
}

/* Its last dimensions fall together with (N, heads, queries, keys). */
static void mask_strides(const struct e2b_operand *mask, bool dense, int64_t out[4]) {
    int64_t stride[E2B_MAX_RANK];
    const struct e2b_shape *shape = &mask->tensor.shape;
    strides_of(mask, dense, stride, shape->rank);
    for (int i = 0; i < shape->rank; i++)
        out[4 - shape->rank + i] = shape->dims[i] == 1 ? 0 : stride[i];
}

void e2b_attention_read(const struct e2b_call *call, bool dense, struct e2b_attention *out) {
    const int64_t *q = shape_of(call, E2B_ATTENTION_Q)->dims;
    const int64_t *v = shape_of(call, E2B_ATTENTION_V)->dims;
    *out = (struct e2b_attention){.samples = q[0],
        .queries = q[1],
        .heads = q[2],
        .depth = q[3],
        .keys = v[1],
        .columns = v[3]};
    strides_of(&call->inputs[E2B_ATTENTION_Q], dense, out->q, 3);
    strides_of(&call->inputs[E2B_ATTENTION_K], dense, out->k, 3);
    strides_of(&call->inputs[E2B_ATTENTION_V], dense, out->v, 3);
    strides_of(&call->outputs[0], dense, out->y, 3);
    if (e2b_has_input(call, E2B_ATTENTION_MASK))
        mask_strides(&call->inputs[E2B_ATTENTION_MASK], dense, out->mask);
}

/* One query: q, k, v and mask begin at its head; weight has room for all keys. */
static void attend(const struct e2b_attention *sizes, double scale, const double *q,
    const double *k, const double *v, const double *mask, double *weight, double *y) {
    double largest = LOWEST, total = 0;
    for (int64_t j = 0; j < sizes->keys; j++) {
        double score = 0;
        for (int64_t d = 0; d < sizes->depth; d++)
            score += q[d] * k[j * sizes->k[1] + d];
        weight[j] = fmax(scale * score + (mask ? mask[j * sizes->mask[3]] : 0), LOWEST);
        largest = fmax(largest, weight[j]);
    }
    memset(y, 0, (size_t)sizes->columns * sizeof *y);
    for (int64_t j = 0; j < sizes->keys; j++) {
        double each = exp(weight[j] - largest);
        total += each;
        for (int64_t e = 0; e < sizes->columns; e++)
            y[e] += each * v[j * sizes->v[1] + e];
    }
    for (int64_t e = 0; e < sizes->columns; e++)
        y[e] /= total;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_attention_params *params = call->params;
    struct e2b_attention s;
    e2b_attention_read(call, true, &s);
    const double *mask = e2b_has_input(call, E2B_ATTENTION_MASK) ? in[E2B_ATTENTION_MASK] : NULL;
    double *weight = calloc((size_t)s.keys, sizeof *weight);
    for (int64_t i = 0; weight && i < s.samples * s.heads * s.queries; i++) {
        int64_t row = i % s.queries, head = i / s.queries % s.heads, n = i / s.queries / s.heads;
        attend(&s, (double)params->scale,
            in[E2B_ATTENTION_Q] + n * s.q[0] + row * s.q[1] + head * s.q[2],
            in[E2B_ATTENTION_K] + n * s.k[0] + head * s.k[2],
            in[E2B_ATTENTION_V] + n * s.v[0] + head * s.v[2],
            mask ? mask + n * s.mask[0] + head * s.mask[1] + row * s.mask[2] : NULL, weight,
            out[0] + n * s.y[0] + row * s.y[1] + head * s.y[2]);
    }
    free(weight);
}

static double flops(const struct e2b_call *call) {
    struct e2b_attention s;
    e2b_attention_read(call, true, &s);
    return (double)(s.samples * s.heads * s.queries) * (double)s.keys
        * (2.0 * (double)(s.depth + s.columns) + 5.0);
}

static const struct e2b_variant variants[] = {
    {"lanes_cpu", e2b_attention_lanes_accepts, NULL, e2b_attention_lanes_emit},
    {"mma", e2b_attention_mma_accepts, e2b_attention_mma_candidates, e2b_attention_mma_emit},
    {"tile_local", e2b_attention_tile_accepts, NULL, e2b_attention_tile_emit},
    {"direct", e2b_attention_direct_accepts, NULL, e2b_attention_direct_emit},
    {0},
};

const struct e2b_op e2b_op_attention = {
    .name = "attention",
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_attention_params),
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .flops = flops,
};
