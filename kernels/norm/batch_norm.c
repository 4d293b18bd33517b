#include "kernels/common/infer.h"
#include "kernels/common/strided.h"
#include "kernels/norm/norm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum input { X, SCALE, BIAS, MEAN, VARIANCE };

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_batch_norm_params *norm = params;
    norm->epsilon = e2b_attr_float(node, "epsilon", 1e-5f);
    if (e2b_attr_int(node, "training_mode", 0)
        || (node->opset < 7 && !e2b_attr_int(node, "is_test", 0)))
        return e2b_fail(err, E2B_UNSUPPORTED,
            "BatchNormalization: it is in training mode: export the model for inference");
    if (!(norm->epsilon >= 0))
        return e2b_fail(
            err, E2B_INVALID, "BatchNormalization: epsilon %g is below 0", (double)norm->epsilon);
    return E2B_OK;
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 5, 5, 1, err) != E2B_OK
        || e2b_expect_rank(call, X, 2, E2B_MAX_RANK, err) != E2B_OK)
        return err->status;
    int64_t channels = call->inputs[X].tensor.shape.dims[1];
    if (!e2b_dtype_is_float(call->inputs[X].tensor.dtype))
        return e2b_fail(err, E2B_INVALID, "batch_norm: it takes floats");
    for (int i = SCALE; i <= VARIANCE; i++) {
        const struct e2b_shape *shape = &call->inputs[i].tensor.shape;
        if (shape->rank != 1 || shape->dims[0] != channels)
            return e2b_fail(err, E2B_INVALID, "batch_norm: input %d must have %lld numbers", i,
                (long long)channels);
    }
    return e2b_set_output_like(call, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    const struct e2b_batch_norm_params *params = call->params;
    const struct e2b_shape *shape = &call->outputs[0].tensor.shape;
    int64_t channels = shape->dims[1], count = e2b_shape_count(shape);
    int64_t inner = count ? count / shape->dims[0] / channels : 1;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = i / inner % channels;
        double factor = in[SCALE][c] / sqrt(in[VARIANCE][c] + (double)params->epsilon);
        out[0][i] = e2b_activation_apply(
            &params->epilogue.activation, (in[X][i] - in[MEAN][c]) * factor + in[BIAS][c]);
    }
}

static bool accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    for (int i = SCALE; i <= VARIANCE; i++)
        if (!call->inputs[i].constant) {
            snprintf(reason, reason_bytes, "input %d must be known when the model is loaded", i);
            return false;
        }
    return e2b_accepts_strided(call, reason, reason_bytes);
}

/* numbers: [0] channels, [1] 1 for the offsets, 0 for the factors, [2] the bits of epsilon */
static void pack_affine(const struct e2b_packing *packing, void *to) {
    float *numbers = to, epsilon;
    uint32_t bits = (uint32_t)packing->numbers[2];
    memcpy(&epsilon, &bits, sizeof epsilon);
    for (int64_t c = 0; c < packing->numbers[0]; c++) {
        double scale = e2b_constant_number(packing->from[0], c);
        double variance = e2b_constant_number(packing->from[1], c);
        double factor = scale / sqrt(variance + (double)epsilon);
        numbers[c] = (float)(packing->numbers[1] ? e2b_constant_number(packing->from[2], c)
                    - e2b_constant_number(packing->from[3], c) * factor
                                                 : factor);
    }
}

/* Appends an operand of one number a channel. */
static bool add_packed(
    const struct e2b_call *call, bool offsets, struct e2b_map *map, struct e2b_launch_list *list) {
    const struct e2b_batch_norm_params *params = call->params;
    const struct e2b_operand *in = call->inputs;
    int64_t channels = in[X].tensor.shape.dims[1];
    uint32_t bits;
    memcpy(&bits, &params->epsilon, sizeof bits);
    struct e2b_packing packing = {
        .from = {in[SCALE].constant, in[VARIANCE].constant, in[BIAS].constant, in[MEAN].constant},
        .numbers = {channels, offsets, bits},
        .bytes = (size_t)(channels > 0 ? channels : 1) * sizeof(float),
        .pack = pack_affine};
    snprintf(packing.key, sizeof packing.key, "batch_norm %s %08x", offsets ? "offset" : "factor",
        (unsigned)bits);
    int index = e2b_launch_list_pack(list, &packing);
    map->operands[map->walk.operands] = (struct e2b_map_operand){E2B_MAP_PACKED, index, 0};
    map->walk.stride[map->walk.operands++][1] = 1;
    return index >= 0;
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    const struct e2b_batch_norm_params *params = call->params;
    struct e2b_map map;
    e2b_map_init(&map, call, "AFFINE", 0);
    e2b_map_input(&map, call, X);
    map.activation = params->epilogue.activation;
    if (!add_packed(call, false, &map, list) || !add_packed(call, true, &map, list))
        return e2b_fail_memory(err, "packed factors");
    return e2b_map_emit(call, &map, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = accepts, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_batch_norm = {
    .name = "batch_norm",
    .onnx = (const char *const[]){"BatchNormalization", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_batch_norm_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_batch_norm_params, epilogue),
};
