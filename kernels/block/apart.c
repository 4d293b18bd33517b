#include "kernels/block/variants.h"

#include <stdio.h>

/* The variant of a part that a node of its own would have. */
static const struct e2b_variant *variant_of(
    const struct e2b_call *call, char *reason, size_t reason_bytes) {
    for (const struct e2b_variant *v = call->op->variants; v->name; v++)
        if (v->accepts(call, reason, reason_bytes) && !call->op->yields(v, call))
            return v;
    return NULL;
}

bool e2b_block_apart_accepts(const struct e2b_call *call, char *reason, size_t reason_bytes) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++)
        if (parts[i].out.present && !variant_of(&parts[i].call, reason, reason_bytes))
            return false;
    return true;
}

/* The part's launches name its tensors; give them those of the block. */
static void rename_args(
    struct e2b_launch *launch, struct e2b_arg x, struct e2b_arg residual, struct e2b_arg y) {
    for (int i = 0; i < launch->arg_count; i++) {
        struct e2b_arg *arg = &launch->args[i];
        if (arg->kind == E2B_ARG_OUTPUT)
            *arg = y;
        else if (arg->kind == E2B_ARG_INPUT && arg->index == E2B_CONV_RESIDUAL)
            *arg = residual;
        else if (arg->kind == E2B_ARG_INPUT)
            *arg = x;
    }
}

static int add_between(const struct e2b_block_part *part, struct e2b_launch_list *out) {
    const struct e2b_tensor *tensor = &part->out.tensor;
    int64_t element = (int64_t)e2b_dtype_bytes(tensor->dtype);
    int64_t elements = e2b_tensor_extent(tensor, part->call.traits->channel_align);
    out->scratch[out->scratch_count] =
        (struct e2b_scratch){.bytes = (size_t)(elements * element), .element_bytes = (int)element};
    return out->scratch_count++;
}

enum e2b_status e2b_block_apart_emit(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    const struct e2b_arg whole = {.kind = E2B_ARG_INPUT, .index = E2B_BLOCK_X};
    struct e2b_arg x = whole, residual = {.kind = E2B_ARG_INPUT, .index = E2B_BLOCK_RESIDUAL};
    char reason[128];
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++) {
        struct e2b_arg y = {.kind = E2B_ARG_OUTPUT, .index = 0};
        int first = out->launch_count;
        if (!parts[i].out.present)
            continue;
        if (i < E2B_PROJECTION)
            y = (struct e2b_arg){.kind = E2B_ARG_SCRATCH, .index = add_between(&parts[i], out)};
        const struct e2b_variant *v = variant_of(&parts[i].call, reason, sizeof reason);
        if (v->emit(&parts[i].call, out, err) != E2B_OK)
            return err->status;
        for (int k = first; k < out->launch_count; k++)
            rename_args(&out->launches[k], i == E2B_SHORTCUT ? whole : x, residual, y);
        if (i == E2B_SHORTCUT)
            residual = y;
        else
            x = y;
    }
    return E2B_OK;
}
