#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

#include <string.h>

/* DepthToSpace and SpaceToDepth: channels to blocks of pixels and back. */

static enum e2b_status import(
    const struct e2b_onnx_node *node, void *params, struct e2b_error *err) {
    struct e2b_block_params *block = params;
    const char *mode = e2b_attr_string(node, "mode", "DCR");
    int64_t size = e2b_attr_int(node, "blocksize", 0);
    if (size < 1 || size > 1024)
        return e2b_fail(
            err, E2B_INVALID, "%s: blocksize %lld is outside 1..1024", node->type, (long long)size);
    if (strcmp(mode, "DCR") && strcmp(mode, "CRD"))
        return e2b_fail(
            err, E2B_INVALID, "%s: mode \"%s\" is neither DCR nor CRD", node->type, mode);
    block->block = (int32_t)size;
    block->column_row = !strcmp(mode, "CRD");
    return E2B_OK;
}

static enum e2b_status infer_depth_to_space(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_block_params *params = call->params;
    int64_t block = params->block;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 4, 4, err) != E2B_OK)
        return err->status;
    const int64_t *dims = call->inputs[0].tensor.shape.dims;
    if (dims[1] % (block * block))
        return e2b_fail(err, E2B_INVALID,
            "DepthToSpace: %lld channels are no multiple of the square of blocksize %lld",
            (long long)dims[1], (long long)block);
    struct e2b_shape shape = {
        4, {dims[0], dims[1] / (block * block), dims[2] * block, dims[3] * block}};
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

static enum e2b_status infer_space_to_depth(struct e2b_call *call, struct e2b_error *err) {
    const struct e2b_block_params *params = call->params;
    int64_t block = params->block;
    if (e2b_expect(call, 1, 1, 1, err) != E2B_OK || e2b_expect_rank(call, 0, 4, 4, err) != E2B_OK)
        return err->status;
    const int64_t *dims = call->inputs[0].tensor.shape.dims;
    if (dims[2] % block || dims[3] % block)
        return e2b_fail(err, E2B_INVALID,
            "SpaceToDepth: %lldx%lld pixels are no multiple of blocksize %lld", (long long)dims[2],
            (long long)dims[3], (long long)block);
    struct e2b_shape shape = {
        4, {dims[0], dims[1] * block * block, dims[2] / block, dims[3] / block}};
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

/* Over N, block row, block column, channel, row, column of the side with fewer channels: where an
 * element lies on the deep and on the wide side. */
static void lay_blocks(const struct e2b_call *call, const struct e2b_tensor *deep,
    const struct e2b_tensor *wide, int64_t *deep_stride, int64_t *wide_stride,
    struct e2b_walk *walk) {
    const struct e2b_block_params *params = call->params;
    int64_t block = params->block, channels = wide->shape.dims[1];
    const int64_t *dims = deep->shape.dims;
    int64_t channel = deep->stride[1];
    *walk = (struct e2b_walk){.rank = 6,
        .operands = 2,
        .lane_dim = -1,
        .dims = {dims[0], block, block, channels, dims[2], dims[3]}};
    const int64_t on_deep[6] = {deep->stride[0],
        channel * (params->column_row ? block : block * channels),
        channel * (params->column_row ? 1 : channels),
        channel * (params->column_row ? block * block : 1), deep->stride[2], deep->stride[3]};
    const int64_t on_wide[6] = {wide->stride[0], wide->stride[2], wide->stride[3], wide->stride[1],
        wide->stride[2] * block, wide->stride[3] * block};
    memcpy(deep_stride, on_deep, sizeof on_deep);
    memcpy(wide_stride, on_wide, sizeof on_wide);
}

static void lay_depth_to_space(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    struct e2b_walk *walk = &part->walk;
    int64_t from[6], to[6];
    lay_blocks(call, in, out, from, to, walk);
    memcpy(walk->stride[0], to, sizeof to);
    memcpy(walk->stride[1], from, sizeof from);
    walk->lane_dim = 3;
}

static void lay_space_to_depth(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    struct e2b_walk *walk = &part->walk;
    int64_t from[6], to[6];
    lay_blocks(call, out, in, to, from, walk);
    memcpy(walk->stride[0], to, sizeof to);
    memcpy(walk->stride[1], from, sizeof from);
}

static const struct e2b_mover depth_to_space = {.lay = lay_depth_to_space};
static const struct e2b_mover space_to_depth = {.lay = lay_space_to_depth};

static void reference_depth_to_space(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&depth_to_space, call, in, out);
}

static void reference_space_to_depth(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&space_to_depth, call, in, out);
}

static enum e2b_status emit_depth_to_space(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&depth_to_space, call, list, err);
}

static enum e2b_status emit_space_to_depth(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&space_to_depth, call, list, err);
}

static const struct e2b_variant depth_to_space_variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit_depth_to_space}, {.name = NULL}};
static const struct e2b_variant space_to_depth_variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit_space_to_depth}, {.name = NULL}};

const struct e2b_op e2b_op_depth_to_space = {
    .name = "depth_to_space",
    .onnx = (const char *const[]){"DepthToSpace", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .params_bytes = sizeof(struct e2b_block_params),
    .import = import,
    .infer = infer_depth_to_space,
    .reference = reference_depth_to_space,
    .variants = depth_to_space_variants,
};

/* Row-major: several runs of output channels come from one run of input channels, so no launch ends
 * the output's channels and could write its pad lanes. */
const struct e2b_op e2b_op_space_to_depth = {
    .name = "space_to_depth",
    .onnx = (const char *const[]){"SpaceToDepth", NULL},
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_block_params),
    .import = import,
    .infer = infer_space_to_depth,
    .reference = reference_space_to_depth,
    .variants = space_to_depth_variants,
};
