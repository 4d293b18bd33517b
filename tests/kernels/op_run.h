/* Runs a problem by one variant through the engine: a graph of the one node, whose operands are the
 * graph's inputs and outputs, with poisoned guard zones around them. */
#ifndef E2B_TESTS_OP_RUN_H
#define E2B_TESTS_OP_RUN_H

#include "backends/device.h"
#include "runtime/engine/instance.h"
#include "tests/kernels/op_problem.h"

struct e2b_op_setup {
    struct e2b_device *device;
    enum e2b_dtype precision; /* E2B_F32 or E2B_F16 */
    bool wide;                /* channels-last where free, strides larger than dense */
};

/* A prepared run; zeroed is empty. */
struct e2b_op_run {
    const struct e2b_op_problem *problem;
    struct e2b_op_setup setup;
    struct e2b_graph graph;
    struct e2b_node node;
    struct e2b_value values[E2B_CASE_INPUTS + E2B_MAX_OUTPUTS];
    struct e2b_storage storages[E2B_CASE_INPUTS + E2B_MAX_OUTPUTS];
    int inputs[E2B_CASE_INPUTS], outputs[E2B_MAX_OUTPUTS];         /* values of the node */
    struct e2b_buffer *buffers[E2B_CASE_INPUTS + E2B_MAX_OUTPUTS]; /* one a storage */
    struct e2b_buffer *in_buffers[E2B_CASE_INPUTS], *out_buffers[E2B_MAX_OUTPUTS];
    struct e2b_weights *weights;
    struct e2b_programs *programs;
    struct e2b_plan *plan;
    struct e2b_instance *instance;
};

/* Lay the graph out. Nothing to finish after it alone. */
void e2b_op_run_init(
    struct e2b_op_run *run, const struct e2b_op_problem *problem, const struct e2b_op_setup *setup);
/* Whether the variant takes the call; candidates gets how many tuning candidates it has. */
bool e2b_op_run_accepts(const struct e2b_op_run *run, const struct e2b_variant *variant,
    int *candidates, char *reason, size_t reason_bytes);
/* Plan and instantiate with that variant, inputs written and outputs poisoned. */
enum e2b_status e2b_op_run_prepare(struct e2b_op_run *run, const struct e2b_variant *variant,
    int candidate, struct e2b_error *err);
/* Run once and wait. */
enum e2b_status e2b_op_run_once(struct e2b_op_run *run, struct e2b_error *err);
/* Compare the outputs with the problem's reference: fails on elements never written or written
 * outside, on pad lanes that are not finite; error gets the largest relative error of an output. */
enum e2b_status e2b_op_run_check(struct e2b_op_run *run, double *error, struct e2b_error *err);
void e2b_op_run_finish(struct e2b_op_run *run);

#endif
