/* An operator with a choice, y = 2 x, for tests of the tuner: several kernels on a simulated device
 * that cost what their names say, some of which are wrong, silent or cannot be made. */
#ifndef E2B_TESTS_ENGINE_CHOICES_H
#define E2B_TESTS_ENGINE_CHOICES_H

#include "backends/sim/sim.h"
#include "runtime/engine/trial.h"

/* Costs in ns an element. Variants in order: "standard", "good" with candidates 0..3 (the last two
 * are one kernel), "near" (1 % faster than standard), "wrong", "silent" (writes nothing), "absent"
 * (its kernel does not exist), "picky" (accepts nothing). */
#define CHOICES_STANDARD_NS 100
#define CHOICES_GOOD_NS 60, 40, 30, 30
#define CHOICES_BEST_NS 30

extern const struct e2b_op choices_op;
/* The same with "standard" and "near" only; and with "standard" alone. */
extern const struct e2b_op choices_near_op, choices_single_op;

/* The device's kernels; runs counts those of all. */
struct e2b_device *choices_device(int64_t *runs);

/* A chain of nodes of an operator over vectors. */
struct choices_graph {
    struct e2b_graph graph;
    struct e2b_node nodes[8];
    struct e2b_value values[16];
    int links[16];
};
/* Node i maps lengths[i] numbers. */
void choices_graph_init(struct choices_graph *graph, const struct e2b_op *op, int batch,
    const int64_t *lengths, int count);

#endif
