#include "kernels/block/block.h"

#include "kernels/block/variants.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct e2b_conv_params pointwise = {
    .rank = 2, .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}, .group = 1};

/* The part reads `x`, and weights and bias from the block's input `first` on. */
static void set_part(const struct e2b_call *block, struct e2b_block_part *part,
    const struct e2b_operand *x, int first) {
    part->in[E2B_CONV_X] = *x;
    for (int i = 0; i < 2; i++)
        if (e2b_has_input(block, first + i))
            part->in[E2B_CONV_W + i] = block->inputs[first + i];
    part->call = *block;
    part->call.op = &e2b_op_conv;
    part->call.params = &part->params;
    part->call.inputs = part->in;
    part->call.outputs = &part->out;
    part->call.input_count = E2B_CONV_RESIDUAL + 1;
    part->call.candidate = 0;
}

/* An image like `like` of as many channels as the part has weights. */
static void set_between(struct e2b_block_part *part, const struct e2b_tensor *like) {
    const struct e2b_traits *traits = part->call.traits;
    struct e2b_tensor *tensor = &part->out.tensor;
    *tensor = *like;
    tensor->shape.dims[1] = part->in[E2B_CONV_W].tensor.shape.dims[0];
    tensor->layout = E2B_CHANNELS_LAST;
    e2b_tensor_set_dense(tensor, traits ? traits->channel_align : 1);
    part->out.present = true;
}

void e2b_block_separate(const struct e2b_call *call, struct e2b_block_part parts[E2B_BLOCK_PARTS]) {
    const struct e2b_conv_block_params *params = call->params;
    const struct e2b_operand *wide = &call->inputs[E2B_BLOCK_X];
    struct e2b_block_part *expansion = &parts[E2B_EXPANSION], *middle = &parts[E2B_MIDDLE],
                          *shortcut = &parts[E2B_SHORTCUT], *projection = &parts[E2B_PROJECTION];
    memset(parts, 0, E2B_BLOCK_PARTS * sizeof *parts);
    expansion->params = shortcut->params = projection->params = pointwise;
    middle->params = params->middle;
    expansion->params.epilogue = params->middle.epilogue;
    projection->params.epilogue.activation = params->epilogue.activation;
    if (e2b_has_input(call, E2B_BLOCK_EXPANSION_W)) {
        set_part(call, expansion, wide, E2B_BLOCK_EXPANSION_W);
        set_between(expansion, &wide->tensor);
        wide = &expansion->out;
    }
    set_part(call, middle, wide, E2B_BLOCK_MIDDLE_W);
    set_between(middle, &call->outputs[0].tensor);
    set_part(call, projection, &middle->out, E2B_BLOCK_PROJECTION_W);
    projection->out = call->outputs[0];
    if (e2b_has_input(call, E2B_BLOCK_SHORTCUT_W)) {
        set_part(call, shortcut, &call->inputs[E2B_BLOCK_X], E2B_BLOCK_SHORTCUT_W);
        set_between(shortcut, &call->outputs[0].tensor);
        projection->in[E2B_CONV_RESIDUAL] = shortcut->out;
    } else if (e2b_has_input(call, E2B_BLOCK_RESIDUAL)) {
        projection->in[E2B_CONV_RESIDUAL] = call->inputs[E2B_BLOCK_RESIDUAL];
    }
    if (projection->in[E2B_CONV_RESIDUAL].present)
        projection->params.epilogue.residual_input = E2B_CONV_RESIDUAL;
}

static enum e2b_status import(const struct e2b_onnx_node *node, void *to, struct e2b_error *err) {
    struct e2b_conv_block_params *params = to;
    return e2b_op_conv.import(node, &params->middle, err);
}

static bool is_of_rank(const struct e2b_call *call, int input, int rank) {
    return e2b_has_input(call, input) && call->inputs[input].tensor.shape.rank == rank;
}

static bool has_ranks(const struct e2b_call *call) {
    static const int optional[] = {E2B_BLOCK_EXPANSION_W, E2B_BLOCK_SHORTCUT_W};
    for (int i = 0; i < 2; i++)
        if (e2b_has_input(call, optional[i]) && !is_of_rank(call, optional[i], 4))
            return false;
    return is_of_rank(call, E2B_BLOCK_X, 4) && is_of_rank(call, E2B_BLOCK_MIDDLE_W, 4)
        && is_of_rank(call, E2B_BLOCK_PROJECTION_W, 4);
}

static enum e2b_status infer(struct e2b_call *call, struct e2b_error *err) {
    struct e2b_conv_block_params *params = call->params;
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    if (!has_ranks(call))
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": it takes an image and two to four sets of weights, all of rank 4", call->name);
    if (e2b_has_input(call, E2B_BLOCK_SHORTCUT_W) && e2b_has_input(call, E2B_BLOCK_RESIDUAL))
        return e2b_fail(err, E2B_INVALID, "\"%s\": it has a residual and a shortcut", call->name);
    call->outputs[0].tensor = call->inputs[E2B_BLOCK_X].tensor;
    e2b_block_separate(call, parts);
    struct e2b_block_part *expansion = &parts[E2B_EXPANSION], *middle = &parts[E2B_MIDDLE],
                          *shortcut = &parts[E2B_SHORTCUT], *projection = &parts[E2B_PROJECTION];
    if (expansion->out.present && e2b_op_conv.infer(&expansion->call, err) != E2B_OK)
        return err->status;
    if (e2b_op_conv.infer(&middle->call, err) != E2B_OK)
        return err->status;
    params->middle = middle->params;
    projection->in[E2B_CONV_X] = middle->out;
    int64_t group = params->middle.group;
    if (group != 1
        && (group != middle->in[E2B_CONV_X].tensor.shape.dims[1]
            || group != middle->out.tensor.shape.dims[1]))
        return e2b_fail(err, E2B_INVALID,
            "\"%s\": its second convolution is neither depthwise nor full", call->name);
    if (shortcut->out.present) {
        if (e2b_op_conv.infer(&shortcut->call, err) != E2B_OK)
            return err->status;
        projection->in[E2B_CONV_RESIDUAL] = shortcut->out;
    }
    if (e2b_op_conv.infer(&projection->call, err) == E2B_OK)
        call->outputs[0] = projection->out;
    return err->status;
}

static void reference(const struct e2b_call *call, const double *const *in, double *const *out) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    const double *given[E2B_BLOCK_INPUTS] = {NULL};
    double *between[E2B_PROJECTION] = {NULL};
    e2b_block_separate(call, parts);
    for (int i = 0; i < call->input_count && i < E2B_BLOCK_INPUTS; i++)
        given[i] = e2b_has_input(call, i) ? in[i] : NULL;
    static const int first[] = {
        E2B_BLOCK_EXPANSION_W, E2B_BLOCK_MIDDLE_W, E2B_BLOCK_SHORTCUT_W, E2B_BLOCK_PROJECTION_W};
    const double *from = given[E2B_BLOCK_X], *added = given[E2B_BLOCK_RESIDUAL];
    for (int i = 0; i < E2B_BLOCK_PARTS; i++) {
        const double *const *weights = given + first[i];
        double *to = out[0];
        if (!parts[i].out.present)
            continue;
        if (i < E2B_PROJECTION)
            to = between[i] =
                calloc((size_t)e2b_shape_count(&parts[i].out.tensor.shape) + 1, sizeof *between[i]);
        if (!to)
            abort();
        e2b_conv_reference(&parts[i].call,
            (const double *const[]){i == E2B_SHORTCUT ? given[E2B_BLOCK_X] : from, weights[0],
                weights[1], i == E2B_PROJECTION ? added : NULL},
            &to);
        if (i == E2B_SHORTCUT)
            added = to;
        else
            from = to;
    }
    for (int i = 0; i < E2B_PROJECTION; i++)
        free(between[i]);
}

static double flops(const struct e2b_call *call) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    double sum = 0;
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++)
        if (parts[i].out.present)
            sum += e2b_op_conv.flops(&parts[i].call);
    return sum;
}

static const struct e2b_variant variants[] = {
    {"bottleneck", e2b_block_bottleneck_accepts, NULL, e2b_block_bottleneck_emit},
    {"bottleneck_strip", e2b_block_bottleneck_strip_accepts, e2b_block_bottleneck_strip_candidates,
        e2b_block_bottleneck_strip_emit},
    {"inverted_residual", e2b_block_inverted_residual_accepts,
        e2b_block_inverted_residual_candidates, e2b_block_inverted_residual_emit},
    {"apart", e2b_block_apart_accepts, NULL, e2b_block_apart_emit},
    {0},
};

static bool yields(const struct e2b_variant *variant, const struct e2b_call *call) {
    return (variant->emit == e2b_block_bottleneck_emit && e2b_block_bottleneck_yields(call))
        || (variant->emit == e2b_block_bottleneck_strip_emit
            && e2b_block_bottleneck_strip_yields(call))
        || (variant->emit == e2b_block_inverted_residual_emit
            && e2b_block_inverted_residual_yields(call));
}

bool e2b_block_is_faster(const struct e2b_call *call) {
    char reason[128];
    for (const struct e2b_variant *v = variants; v->name; v++)
        if (v->accepts(call, reason, sizeof reason) && !yields(v, call))
            return v->emit != e2b_block_apart_emit;
    return false;
}

_Static_assert((int)E2B_BLOCK_PARTS <= E2B_OP_LAUNCHES, "each part may be a launch");

static int launches(const struct e2b_call *call, bool merged, int64_t written[E2B_OP_LAUNCHES]) {
    struct e2b_block_part parts[E2B_BLOCK_PARTS];
    int count = 0;
    if (!merged && e2b_block_is_faster(call)) {
        written[0] = e2b_shape_count(&call->outputs[0].tensor.shape);
        return 1;
    }
    e2b_block_separate(call, parts);
    for (int i = 0; i < E2B_BLOCK_PARTS; i++)
        if (parts[i].out.present)
            written[count++] = e2b_shape_count(&parts[i].out.tensor.shape);
    return count;
}

const struct e2b_op e2b_op_conv_block = {
    .name = "conv_block",
    .layout = E2B_LAYOUT_IMAGE,
    .params_bytes = sizeof(struct e2b_conv_block_params),
    .import = import,
    .infer = infer,
    .reference = reference,
    .variants = variants,
    .yields = yields,
    .launches = launches,
    .flops = flops,
    .has_epilogue = true,
    .epilogue_offset = offsetof(struct e2b_conv_block_params, epilogue),
    .bias_input = E2B_BLOCK_PROJECTION_BIAS,
    .residual_input = E2B_BLOCK_RESIDUAL,
};
