/* A graph while it is built and rewritten: what import and passes work on. Nodes may be appended in
 * any place of the order and values rewired freely; e2b_network_tidy then drops what no output
 * needs and restores the order. Removing a node is setting its op to NULL. */
#ifndef E2B_MODEL_NETWORK_H
#define E2B_MODEL_NETWORK_H

#include "runtime/model/arena.h"
#include "runtime/model/constants.h"
#include "runtime/model/graph.h"

struct e2b_network {
    struct e2b_graph graph;          /* first: an e2b_graph * is an e2b_network * */
    struct e2b_arena arena;          /* names, params and operand lists */
    struct e2b_constants *constants; /* the model's */
    int value_capacity, node_capacity;
};

/* NULL when out of memory. */
struct e2b_network *e2b_network_create(struct e2b_constants *constants);
void e2b_network_destroy(struct e2b_network *net);
/* An independent copy, params included; names stay the original's, which must outlive it. */
struct e2b_network *e2b_network_copy(const struct e2b_network *net);

/* Append a value or node; -1 with err set when out of memory. A new node has params zeroed and all
 * operands -1; name is not copied. Pointers to values and nodes move when one is added. */
int e2b_network_add_value(struct e2b_network *net, const char *name, struct e2b_error *err);
int e2b_network_add_node(struct e2b_network *net, const struct e2b_op *op, const char *name,
    int input_count, int output_count, struct e2b_error *err);
/* A value that holds a constant. */
int e2b_network_add_constant(struct e2b_network *net, const char *name,
    const struct e2b_constant *constant, struct e2b_error *err);
/* Make `value` the node's output. */
void e2b_network_set_output(struct e2b_network *net, int node, int output, int value);
/* The list of a node's inputs grows to `count`, new ones are -1. */
enum e2b_status e2b_network_grow_inputs(
    struct e2b_network *net, int node, int count, struct e2b_error *err);

/* The same of its outputs. */
enum e2b_status e2b_network_grow_outputs(
    struct e2b_network *net, int node, int count, struct e2b_error *err);

/* How many node inputs and graph outputs are `value`. */
int e2b_network_use_count(const struct e2b_network *net, int value);
/* Let every reader of `from` read `to`. */
void e2b_network_replace(struct e2b_network *net, int from, int to);

/* Drop removed nodes and those that no output needs; order the rest so that producers come before
 * users and otherwise as they were. Fails on a cycle, naming a node of it. */
enum e2b_status e2b_network_tidy(struct e2b_network *net, struct e2b_error *err);

#endif
