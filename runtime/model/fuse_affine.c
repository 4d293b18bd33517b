#include "kernels/binary/binary.h"
#include "kernels/conv/conv.h"
#include "kernels/gemm/gemm.h"
#include "kernels/norm/norm.h"
#include "runtime/model/passes.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* y = scale[c] x + shift[c] for each channel c of dimension `axis`. */
struct affine {
    int64_t channels;
    int axis, input; /* input: the value x */
    double *scale, *shift;
};

/* Where an operator keeps what an affine function of its output changes. */
struct weights {
    int input, axis; /* axis: the weight's dimension of output channels */
    int bias;        /* input */
    int output_axis;
    double beta; /* factor of the bias */
};

static bool find_weights(
    const struct e2b_network *net, const struct e2b_node *node, struct weights *out) {
    int rank = net->graph.values[node->outputs[0]].tensor.shape.rank;
    if (node->op == &e2b_op_conv) {
        *out = (struct weights){E2B_CONV_W, 0, E2B_CONV_BIAS, 1, 1};
    } else if (node->op == &e2b_op_gemm) {
        const struct e2b_gemm_params *params = node->params;
        *out =
            (struct weights){E2B_GEMM_B, params->trans_b ? 0 : 1, E2B_GEMM_BIAS, 1, params->beta};
    } else if (node->op == &e2b_op_matmul) {
        int weight_rank = net->graph.values[node->inputs[E2B_GEMM_B]].tensor.shape.rank;
        *out = (struct weights){E2B_GEMM_B, weight_rank - 1, E2B_GEMM_BIAS, rank - 1, 1};
        if (weight_rank < 2)
            return false;
    } else if (node->op == &e2b_op_batch_norm) {
        *out = (struct weights){1, 0, 2, 1, 1};
    } else {
        return false;
    }
    return net->graph.values[node->inputs[out->input]].constant && e2b_epilogue_is_free(node);
}

/* Whether a constant, broadcast against `rank` dimensions, varies along `axis` at most. */
static bool is_per_channel(
    const struct e2b_constant *constant, int rank, int axis, int64_t channels) {
    const struct e2b_shape *shape = &constant->shape;
    if (shape->rank > rank)
        return false;
    for (int i = 0; i < shape->rank; i++) {
        int64_t dim = shape->dims[i];
        bool is_axis = i + rank - shape->rank == axis;
        if (dim != 1 && !(is_axis && dim == channels))
            return false;
    }
    return true;
}

/* `channels` numbers, the one number of a scalar repeated. NULL on failure. */
static double *spread(
    const struct e2b_constant *constant, int64_t channels, struct e2b_error *err) {
    double *values = e2b_constant_doubles(constant, err);
    if (!values || e2b_shape_count(&constant->shape) == channels)
        return values;
    double *all = calloc((size_t)channels, sizeof *all);
    for (int64_t i = 0; all && i < channels; i++)
        all[i] = values[0];
    if (!all)
        e2b_fail_memory(err, "a folded bias");
    free(values);
    return all;
}

static bool read_batch_norm(const struct e2b_network *net, const struct e2b_node *node,
    struct affine *out, struct e2b_error *err) {
    const struct e2b_batch_norm_params *params = node->params;
    double *v[4] = {0};
    bool ok = true;
    for (int i = 0; i < 4 && ok; i++) {
        const struct e2b_constant *constant = net->graph.values[node->inputs[i + 1]].constant;
        ok = constant && (v[i] = spread(constant, out->channels, err));
    }
    for (int64_t c = 0; ok && c < out->channels; c++) {
        out->scale[c] = v[0][c] / sqrt(v[3][c] + (double)params->epsilon);
        out->shift[c] = v[1][c] - v[2][c] * out->scale[c];
    }
    for (int i = 0; i < 4; i++)
        free(v[i]);
    return ok;
}

static bool read_binary(const struct e2b_network *net, const struct e2b_node *node, int side,
    int rank, struct affine *out, struct e2b_error *err) {
    const struct e2b_binary_params *params = node->params;
    const struct e2b_constant *constant = net->graph.values[node->inputs[side]].constant;
    if (!constant || !is_per_channel(constant, rank, out->axis, out->channels)
        || (params->kind == E2B_BINARY_DIV && side == 0))
        return false;
    double *values = spread(constant, out->channels, err);
    for (int64_t c = 0; values && c < out->channels; c++) {
        double v = values[c];
        switch (params->kind) {
        case E2B_BINARY_ADD:
            out->shift[c] = v;
            break;
        case E2B_BINARY_SUB:
            out->scale[c] = side ? 1 : -1;
            out->shift[c] = side ? -v : v;
            break;
        case E2B_BINARY_MUL:
            out->scale[c] = v;
            break;
        default:
            out->scale[c] = 1 / v;
        }
    }
    free(values);
    return values != NULL;
}

/* The varying operand of an affine node, -1 if it is none. */
static int affine_input(const struct e2b_network *net, const struct e2b_node *node) {
    if (!node->op || !e2b_epilogue_is_free(node))
        return -1;
    if (node->op == &e2b_op_batch_norm)
        return node->inputs[0];
    if (node->op != &e2b_op_binary || node->input_count != 2)
        return -1;
    int kind = (int)((const struct e2b_binary_params *)node->params)->kind;
    if (kind != E2B_BINARY_ADD && kind != E2B_BINARY_SUB && kind != E2B_BINARY_MUL
        && kind != E2B_BINARY_DIV)
        return -1;
    int side = net->graph.values[node->inputs[0]].constant ? 1 : 0;
    const struct e2b_tensor *in = &net->graph.values[node->inputs[side]].tensor;
    const struct e2b_tensor *out = &net->graph.values[node->outputs[0]].tensor;
    if (!e2b_dtype_is_float(out->dtype) || !e2b_shape_equal(&in->shape, &out->shape))
        return -1;
    return node->inputs[side];
}

static bool read_affine(const struct e2b_network *net, const struct e2b_node *node,
    struct affine *out, struct e2b_error *err) {
    out->scale = calloc((size_t)out->channels + 1, sizeof(double));
    out->shift = calloc((size_t)out->channels + 1, sizeof(double));
    if (!out->scale || !out->shift)
        return false;
    for (int64_t c = 0; c < out->channels; c++)
        out->scale[c] = 1;
    if (node->op == &e2b_op_batch_norm)
        return out->axis == 1 && read_batch_norm(net, node, out, err);
    int side = node->inputs[0] == out->input ? 1 : 0;
    int rank = net->graph.values[out->input].tensor.shape.rank;
    return read_binary(net, node, side, rank, out, err);
}

static bool has_scale(const struct affine *affine) {
    for (int64_t c = 0; c < affine->channels; c++)
        if (affine->scale[c] != 1)
            return true;
    return false;
}

static void start_recipe(
    struct e2b_text *recipe, const char *what, int64_t number, const struct e2b_constant *from) {
    e2b_text_add(
        recipe, "%s %" PRId64 " #%" PRId64 " ", what, number, from ? (int64_t)from->id : -1);
}

/* constant[..., c, ...] * scale[c], c being dimension `axis`. */
static enum e2b_status scale_weights(struct e2b_network *net, const struct e2b_constant *from,
    int axis, const struct affine *affine, const struct e2b_constant **out, struct e2b_error *err) {
    struct e2b_text recipe = {0};
    start_recipe(&recipe, "scale", axis, from);
    e2b_text_add_bytes(&recipe, affine->scale, (size_t)affine->channels * sizeof(double));
    *out = e2b_constants_find(net->constants, &recipe);
    if (!*out)
        e2b_constants_add_scaled(net->constants, from, axis, affine->scale, &recipe, out, err);
    e2b_text_finish(&recipe);
    return err->status;
}

/* beta bias[c] scale[c] + shift[c]; bias may be NULL. */
static enum e2b_status make_bias(struct e2b_network *net, const struct e2b_constant *bias,
    double beta, const struct affine *affine, const struct e2b_constant **out,
    struct e2b_error *err) {
    const struct e2b_shape shape = {.rank = 1, .dims = {affine->channels}};
    double *values = bias ? spread(bias, affine->channels, err)
                          : calloc((size_t)affine->channels + 1, sizeof *values);
    if (!values)
        return err->status != E2B_OK ? err->status : e2b_fail_memory(err, "a folded bias");
    for (int64_t c = 0; c < affine->channels; c++)
        values[c] = beta * values[c] * affine->scale[c] + affine->shift[c];
    struct e2b_text recipe = {0};
    e2b_text_add(&recipe, "bias ");
    e2b_text_add_bytes(&recipe, values, (size_t)affine->channels * sizeof *values);
    *out = e2b_constants_find(net->constants, &recipe);
    if (!*out)
        e2b_constants_add_doubles(net->constants, E2B_F32, &shape, values, &recipe, out, err);
    free(values);
    e2b_text_finish(&recipe);
    return err->status;
}

static enum e2b_status set_constant(struct e2b_network *net, int node, int input,
    const struct e2b_constant *constant, struct e2b_error *err) {
    int value = e2b_network_add_constant(net, net->graph.nodes[node].name, constant, err);
    if (value < 0 || e2b_network_grow_inputs(net, node, input + 1, err) != E2B_OK)
        return err->status;
    net->graph.nodes[node].inputs[input] = value;
    return E2B_OK;
}

static enum e2b_status apply(struct e2b_network *net, int producer, const struct weights *weights,
    const struct affine *affine, const struct e2b_constant *bias, struct e2b_error *err) {
    struct e2b_node *node = &net->graph.nodes[producer];
    const struct e2b_constant *weight = net->graph.values[node->inputs[weights->input]].constant;
    const struct e2b_constant *made;
    if (has_scale(affine)
        && (scale_weights(net, weight, weights->axis, affine, &made, err) != E2B_OK
            || set_constant(net, producer, weights->input, made, err) != E2B_OK))
        return err->status;
    if (make_bias(net, bias, weights->beta, affine, &made, err) != E2B_OK
        || set_constant(net, producer, weights->bias, made, err) != E2B_OK)
        return err->status;
    if (node->op == &e2b_op_gemm)
        ((struct e2b_gemm_params *)node->params)->beta = 1;
    return E2B_OK;
}

static enum e2b_status fuse(struct e2b_network *net, int index, struct e2b_error *err) {
    struct e2b_graph *graph = &net->graph;
    struct affine affine = {.input = affine_input(net, &graph->nodes[index])};
    struct weights weights;
    int producer = e2b_sole_producer(net, affine.input);
    if (producer < 0 || !find_weights(net, &graph->nodes[producer], &weights))
        return E2B_OK;
    const struct e2b_node *node = &graph->nodes[producer];
    const struct e2b_shape *shape = &graph->values[affine.input].tensor.shape;
    int bias = weights.bias < node->input_count ? node->inputs[weights.bias] : -1;
    const struct e2b_constant *old = bias >= 0 ? graph->values[bias].constant : NULL;
    affine.axis = weights.output_axis;
    affine.channels = shape->dims[affine.axis];
    if ((bias >= 0 && !old)
        || (old && node->op != &e2b_op_conv && node->op != &e2b_op_batch_norm
            && !is_per_channel(old, shape->rank, affine.axis, affine.channels)))
        return E2B_OK;
    if (read_affine(net, &graph->nodes[index], &affine, err)
        && apply(net, producer, &weights, &affine, old, err) == E2B_OK)
        e2b_take_over(net, producer, index);
    free(affine.scale);
    free(affine.shift);
    return err->status;
}

enum e2b_status e2b_pass_affine(struct e2b_network *net, struct e2b_error *err) {
    for (int i = 0; i < net->graph.node_count; i++)
        if (fuse(net, i, err) != E2B_OK)
            return err->status;
    return e2b_network_tidy(net, err);
}
