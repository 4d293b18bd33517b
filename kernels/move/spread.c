#include "kernels/common/infer.h"
#include "kernels/move/move.h"
#include "kernels/move/part.h"

/* Expand and Tile: elements are repeated. */

static enum e2b_status infer_expand(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_shape shape;
    char from[96], to[96];
    if (e2b_expect(call, 2, 2, 1, err) != E2B_OK
        || e2b_expect_ints(call, 1, shape.dims, E2B_MAX_RANK, &shape.rank, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *in = &call->inputs[0].tensor;
    struct e2b_shape wanted = shape;
    if (!e2b_shape_broadcast(&in->shape, &wanted, &shape))
        return e2b_fail(err, E2B_INVALID, "Expand: shape %s does not expand to %s",
            e2b_shape_print(&in->shape, from, sizeof from),
            e2b_shape_print(&wanted, to, sizeof to));
    return e2b_set_output(call, 0, in->dtype, &shape, err);
}

static void lay_expand(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    (void)call;
    e2b_walk_init(&part->walk, &out->shape);
    e2b_walk_add(&part->walk, &out->shape, out->stride);
    e2b_walk_add(&part->walk, &in->shape, in->stride);
    part->walk.lane_dim = 1;
}

static enum e2b_status infer_tile(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_tile_params *params = call->params;
    int count;
    if (e2b_expect(call, 2, 2, 1, err) != E2B_OK
        || e2b_expect_ints(call, 1, params->repeats, E2B_MAX_RANK, &count, err) != E2B_OK)
        return err->status;
    struct e2b_shape shape = call->inputs[0].tensor.shape;
    if (count != shape.rank)
        return e2b_fail(
            err, E2B_INVALID, "Tile: %d repeats for an input of rank %d", count, shape.rank);
    for (int i = 0; i < count; i++) {
        if (params->repeats[i] < 0 || params->repeats[i] > E2B_MAX_ELEMENTS)
            return e2b_fail(err, E2B_INVALID, "Tile: repeats %lld are outside 0..%lld",
                (long long)params->repeats[i], (long long)E2B_MAX_ELEMENTS);
        shape.dims[i] *= params->repeats[i];
    }
    return e2b_set_output(call, 0, call->inputs[0].tensor.dtype, &shape, err);
}

/* Every dimension is two: the repetition, which the input does not have, and its own. */
static void lay_tile(const struct e2b_call *call, const struct e2b_tensor *in,
    const struct e2b_tensor *out, struct e2b_part *part) {
    const struct e2b_tile_params *params = call->params;
    struct e2b_walk *walk = &part->walk;
    *walk = (struct e2b_walk){.rank = 2 * in->shape.rank, .operands = 2, .lane_dim = -1};
    for (int i = 0; i < in->shape.rank; i++) {
        walk->dims[2 * i] = params->repeats[i];
        walk->dims[2 * i + 1] = in->shape.dims[i];
        walk->stride[0][2 * i] = in->shape.dims[i] * out->stride[i];
        walk->stride[0][2 * i + 1] = out->stride[i];
        walk->stride[1][2 * i + 1] = in->stride[i];
    }
}

static const struct e2b_mover expand = {.lay = lay_expand}, tile = {.lay = lay_tile};

static void reference_expand(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&expand, call, in, out);
}

static void reference_tile(
    const struct e2b_call *call, const double *const *in, double *const *out) {
    e2b_mover_reference(&tile, call, in, out);
}

static enum e2b_status emit_expand(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&expand, call, list, err);
}

static enum e2b_status emit_tile(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    return e2b_mover_emit(&tile, call, list, err);
}

static const struct e2b_variant expand_variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit_expand}, {.name = NULL}};
static const struct e2b_variant tile_variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit_tile}, {.name = NULL}};

const struct e2b_op e2b_op_expand = {
    .name = "expand",
    .onnx = (const char *const[]){"Expand", NULL},
    .layout = E2B_LAYOUT_ROW,
    .import = e2b_import_nothing,
    .infer = infer_expand,
    .reference = reference_expand,
    .variants = expand_variants,
};

const struct e2b_op e2b_op_tile = {
    .name = "tile",
    .onnx = (const char *const[]){"Tile", NULL},
    .layout = E2B_LAYOUT_ROW,
    .params_bytes = sizeof(struct e2b_tile_params),
    .import = e2b_import_nothing,
    .infer = infer_tile,
    .reference = reference_tile,
    .variants = tile_variants,
};
