/* Runs a graph as a device would, but with the operators' references as kernels: values are read
 * from and written to their storages by strides, in their element types; the arena is planned and
 * full of old garbage; lanes up to channel_align are overwritten. What is wrong in layouts, shared
 * storages, lifetimes or slot strides shows as wrong numbers. */
#ifndef E2B_TESTS_STORED_RUN_H
#define E2B_TESTS_STORED_RUN_H

#include "runtime/model/graph.h"

/* inputs and outputs: dense doubles in the shapes of the graph's inputs and outputs. */
void e2b_stored_run(const struct e2b_graph *graph, int channel_align, const double *const *inputs,
    double *const *outputs);

/* Fill with numbers in -1..1, the same for the same seed. */
void e2b_fill(double *values, int64_t count, unsigned seed);

/* Make the model's graph with these options and check that the stored run, the graph's reference,
 * and the reference of the network before all passes agree within tolerance * (1 + |y|). Returns
 * the graph. */
struct e2b_graph *e2b_check_graph(
    struct e2b_model *model, const struct e2b_graph_options *options, double tolerance);

/* How many nodes have the operator of this name and run kernels. */
int e2b_count_nodes(const struct e2b_graph *graph, const char *op);

#endif
