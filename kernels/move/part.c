#include "kernels/move/part.h"

#include "kernels/common/operand.h"

static int part_count(const struct e2b_mover *mover, const struct e2b_call *call) {
    return mover->count ? mover->count(call) : 1;
}

static struct e2b_tensor dense(const struct e2b_tensor *tensor) {
    struct e2b_tensor result = *tensor;
    result.layout = E2B_ROW_MAJOR;
    e2b_tensor_set_dense(&result, 1);
    return result;
}

static void copy_part(const struct e2b_part *part, const double *in, double *out) {
    struct e2b_cursor cursor = {.walk = &part->walk};
    int64_t count = e2b_walk_count(&part->walk);
    for (int64_t i = 0; i < count; i++, e2b_cursor_next(&cursor))
        out[part->base[0] + cursor.position[0]] = in[part->base[1] + cursor.position[1]];
}

void e2b_mover_reference(const struct e2b_mover *mover, const struct e2b_call *call,
    const double *const *in, double *const *out) {
    for (int i = 0; i < part_count(mover, call); i++) {
        struct e2b_part part = {0};
        if (mover->choose)
            mover->choose(&part, i);
        struct e2b_tensor from = dense(&call->inputs[part.input].tensor);
        struct e2b_tensor to = dense(&call->outputs[part.output].tensor);
        mover->lay(call, &from, &to, &part);
        copy_part(&part, in[part.input], out[part.output]);
    }
}

static enum e2b_status emit_part(const struct e2b_mover *mover, const struct e2b_call *call,
    int index, struct e2b_launch_list *list, struct e2b_error *err) {
    struct e2b_part part = {0};
    if (mover->choose)
        mover->choose(&part, index);
    struct e2b_tensor from = call->inputs[part.input].tensor;
    const struct e2b_tensor *to = &call->outputs[part.output].tensor;
    e2b_operand_strides(&call->inputs[part.input], from.stride);
    mover->lay(call, &from, to, &part);
    struct e2b_map map = {
        .function = to->dtype == E2B_BOOL && from.dtype != E2B_BOOL ? "TO_BOOL" : "FIRST",
        .walk = part.walk,
        .operands = {{E2B_MAP_OUTPUT, part.output, part.base[0]},
            {E2B_MAP_INPUT, part.input, part.base[1]}}};
    if (map.walk.lane_dim >= 0)
        map.walk.pad_lanes = e2b_pad_lanes(to, call->traits);
    return e2b_map_emit(call, &map, list, err);
}

enum e2b_status e2b_mover_emit(const struct e2b_mover *mover, const struct e2b_call *call,
    struct e2b_launch_list *list, struct e2b_error *err) {
    for (int i = 0; i < part_count(mover, call); i++)
        if (emit_part(mover, call, i, list, err) != E2B_OK)
            return err->status;
    return E2B_OK;
}
