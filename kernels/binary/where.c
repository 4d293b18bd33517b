#include "kernels/binary/binary.h"
#include "kernels/common/infer.h"
#include "kernels/common/strided.h"

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    if (e2b_expect(call, 3, 3, 1, err) != E2B_OK)
        return err->status;
    const struct e2b_tensor *condition = &call->inputs[0].tensor, *a = &call->inputs[1].tensor,
                            *b = &call->inputs[2].tensor;
    struct e2b_shape shape;
    if (condition->dtype != E2B_BOOL || a->dtype != b->dtype)
        return e2b_fail(err, E2B_INVALID,
            "where: inputs are %s, %s and %s; it takes BOOL and two of one type",
            e2b_dtype_name(condition->dtype), e2b_dtype_name(a->dtype), e2b_dtype_name(b->dtype));
    if (!e2b_shape_broadcast(&condition->shape, &a->shape, &shape)
        || !e2b_shape_broadcast(&shape, &b->shape, &shape))
        return e2b_fail(err, E2B_INVALID, "where: shapes of its inputs do not broadcast");
    return e2b_set_output(call, 0, a->dtype, &shape, err);
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    struct e2b_walk walk;
    e2b_walk_init(&walk, &call->outputs[0].tensor.shape);
    for (int i = 0; i < 3; i++)
        e2b_walk_add_dense(&walk, &call->inputs[i].tensor.shape);
    struct e2b_cursor cursor = {.walk = &walk};
    int64_t count = e2b_walk_count(&walk);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor)) {
        int from = in[0][cursor.position[0]] != 0 ? 1 : 2;
        out[0][i] = in[from][cursor.position[from]];
    }
}

static enum e2b_status emit(
    const struct e2b_call *call, struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_map map;
    e2b_map_init(&map, call, "WHERE", 0);
    for (int i = 0; i < 3; i++)
        e2b_map_input(&map, call, i);
    return e2b_map_emit(call, &map, list, err);
}

static const struct e2b_variant variants[] = {
    {.name = "map", .accepts = e2b_accepts_strided, .emit = emit}, {.name = NULL}};

const struct e2b_op e2b_op_where = {
    .name = "where",
    .onnx = (const char *const[]){"Where", NULL},
    .layout = E2B_LAYOUT_FOLLOW,
    .import = e2b_import_nothing,
    .infer = infer,
    .reference = reference,
    .variants = variants,
};
