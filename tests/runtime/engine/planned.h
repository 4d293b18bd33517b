/* The fixture's network planned for one batch size, without an engine. */
#ifndef E2B_TESTS_ENGINE_PLANNED_H
#define E2B_TESTS_ENGINE_PLANNED_H

#include "backends/sim/sim.h"
#include "runtime/engine/plan.h"

#define PLANNED_SLOT_FLOATS 16 /* from one slot to the next */

struct planned {
    struct e2b_device *device; /* the caller's */
    struct e2b_model *model;
    struct e2b_graph *graph;
    struct e2b_weights *weights;
    struct e2b_programs *programs;
    struct e2b_plan *plan;
};

struct planned planned_open(struct e2b_device *device, int batch);
void planned_close(struct planned *planned);

/* A simulated device on which each of the network's kernels takes what `cost` tells. */
struct e2b_device *planned_sim(e2b_sim_cost_fn *cost);

#endif
