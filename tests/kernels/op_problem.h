/* A test case made ready on the host: node imported, shapes inferred, inputs filled, reference
 * computed. Host only. */
#ifndef E2B_TESTS_OP_PROBLEM_H
#define E2B_TESTS_OP_PROBLEM_H

#include "tests/kernels/op_case.h"

struct e2b_op_problem {
    const struct e2b_op_case *test;
    struct e2b_call call; /* operands in the dtypes that the case declares, row-major and dense */
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_constant constants[E2B_CASE_INPUTS];
    double *in[E2B_CASE_INPUTS], *out[E2B_MAX_OUTPUTS]; /* row-major; NULL for absent inputs */
    void *params;
};

/* Import and infer, with random inputs representable in fp16. On failure, too, finish it. */
enum e2b_status e2b_op_problem_init(
    struct e2b_op_problem *problem, const struct e2b_op_case *test, struct e2b_error *err);
enum e2b_status e2b_op_problem_reference(struct e2b_op_problem *problem, struct e2b_error *err);
void e2b_op_problem_finish(struct e2b_op_problem *problem);

/* ||a - b|| / ||b||; infinite if an element of a is not finite or the norm of b is 0 but a's not.
 */
double e2b_relative_error(const double *a, const double *b, int64_t count);

#endif
