/* The passes that rewrite a specialised network (see specialise.h), in the order in which
 * e2b_graph_create runs them. Each leaves a network that computes the same; e2b_graph_reference
 * gives the same numbers before and after. They look only at what operators say of themselves
 * (layout rule, epilogue, bias and residual inputs) and at values, never at a model. */
#ifndef E2B_MODEL_PASSES_H
#define E2B_MODEL_PASSES_H

#include "runtime/model/network.h"

/* Readers of a view that changes neither shape nor type (Identity, Dropout) read its input. */
enum e2b_status e2b_pass_drop_views(struct e2b_network *net, struct e2b_error *err);

/* Chains of pointwise nodes that amount to a known activation become one: SiLU, hard swish, hard
 * sigmoid, GELU and its tanh form. Recognised by value: the chain is evaluated in double precision
 * on sample points, so the way in which an exporter wrote it does not matter. */
enum e2b_status e2b_pass_recognise(struct e2b_network *net, struct e2b_error *err);

/* LayerNormalization that was written as means, differences and a root becomes "layer_norm". */
enum e2b_status e2b_pass_layer_norm(struct e2b_network *net, struct e2b_error *err);

/* The product of queries and keys, times a scale, plus a mask, its softmax and the product with the
 * values become "attention". Transposes before and after are dropped where it reads and writes
 * tokens first, as projections have them; else they are views. */
enum e2b_status e2b_pass_attention(struct e2b_network *net, struct e2b_error *err);

/* A zero Pad of height and width becomes the padding of the convolution that reads it. */
enum e2b_status e2b_pass_pad(struct e2b_network *net, struct e2b_error *err);

/* BatchNormalization and per-channel Add, Sub, Mul, Div by constants become part of the weights and
 * bias of the convolution, matrix product or normalisation before them. */
enum e2b_status e2b_pass_affine(struct e2b_network *net, struct e2b_error *err);

/* The sum of two tensors of one shape becomes the residual input of the producer of one of them, or
 * of what that one adds already; the producer then runs where the sum ran. */
enum e2b_status e2b_pass_residual(struct e2b_network *net, struct e2b_error *err);

/* An activation becomes the epilogue of the operator before it. */
enum e2b_status e2b_pass_activation(struct e2b_network *net, struct e2b_error *err);

/* An average pool and a 1x1 convolution are both linear: of the two orders that one is taken by
 * which the pool has fewer channels, or the convolution fewer pixels. The pool becomes a depthwise
 * convolution where it takes over a bias or an activation. */
enum e2b_status e2b_pass_pool(struct e2b_network *net, struct e2b_error *err);

/* Products of one operand with several constant matrices (queries, keys and values), and like
 * convolutions of one image, become one by all of their columns, whose parts are read where they
 * lie. */
enum e2b_status e2b_pass_siblings(struct e2b_network *net, struct e2b_error *err);

/* A layer norm between products is computed by them, where options->sums_rows: see
 * kernels/gemm/gemm.h. */
enum e2b_status e2b_pass_norm(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* A 1x1 convolution that adds channels and the depthwise one that reads it, both with one
 * activation, become "expand_depthwise", where options->core_caches. */
enum e2b_status e2b_pass_expand(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* A depthwise convolution and the 1x1 one that reads it, with the expansion before it if there is
 * one, become "conv_block", where options->joins_blocks. */
enum e2b_status e2b_pass_blocks(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* Choose each value's element type and layout, inserting the operator "convert" where a reader
 * needs another than the value has. Transpose becomes a view: its readers go by strides. Float
 * values inside are stored in graph->precision; inputs and outputs keep theirs. */
enum e2b_status e2b_pass_layout(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* Three convolutions, 1x1, full, and 1x1, of which each is all that the next one reads, become
 * "conv_block", where options->joins_blocks and the device, options->traits, is expected to do that
 * faster; it takes the 1x1 convolution of the same image too that is added. */
enum e2b_status e2b_pass_bottlenecks(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* A maximum pool and the convolution whose output it alone reads become one, where the device,
 * options->traits, is expected to do that faster. */
enum e2b_status e2b_pass_max_pool(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* Give every value its storage and offset; concatenations are written in place where the parts
 * allow it; slot strides at the edges; lifetimes. */
enum e2b_status e2b_pass_storage(
    struct e2b_network *net, const struct e2b_graph_options *options, struct e2b_error *err);

/* What passes ask. */

const struct e2b_shape *e2b_shape_of(const struct e2b_network *net, int value);
bool e2b_node_has_input(const struct e2b_node *node, int input); /* that is not left out */
/* The node that makes `value` for one reader only; -1 if there is no such node. */
int e2b_sole_producer(const struct e2b_network *net, int value);
/* The epilogue in a node's params, NULL if its operator has none. */
struct e2b_epilogue *e2b_node_epilogue(const struct e2b_node *node);
/* Whether the node's epilogue exists and does nothing yet. */
bool e2b_epilogue_is_free(const struct e2b_node *node);
/* Node `into` makes the output of node `from`, which is removed. */
void e2b_take_over(struct e2b_network *net, int into, int from);
/* The node keeps its shape rule and reference, but its kernels are not run: its output is memory
 * that is there already. */
enum e2b_status e2b_make_view(
    struct e2b_network *net, struct e2b_node *node, struct e2b_error *err);

#endif
