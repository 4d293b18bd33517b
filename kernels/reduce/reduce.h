/* "reduce": ReduceSum, Mean, Max, Min, Prod, L1, L2, SumSquare, LogSum and LogSumExp over any
 * dimensions. "arg_max": ArgMax and ArgMin over one, as INT64. */
#ifndef E2B_KERNELS_REDUCE_REDUCE_H
#define E2B_KERNELS_REDUCE_REDUCE_H

#include "kernels/op.h"

/* ROW(name, ONNX type) */
#define E2B_REDUCE_TABLE(ROW)                                                                      \
    ROW(SUM, "ReduceSum")                                                                          \
    ROW(MEAN, "ReduceMean")                                                                        \
    ROW(MAX, "ReduceMax")                                                                          \
    ROW(MIN, "ReduceMin")                                                                          \
    ROW(PROD, "ReduceProd")                                                                        \
    ROW(L1, "ReduceL1")                                                                            \
    ROW(L2, "ReduceL2")                                                                            \
    ROW(SUM_SQUARE, "ReduceSumSquare")                                                             \
    ROW(LOG_SUM, "ReduceLogSum")                                                                   \
    ROW(LOG_SUM_EXP, "ReduceLogSumExp")

enum e2b_reduce_kind {
#define ROW(name, onnx) E2B_REDUCE_##name,
    E2B_REDUCE_TABLE(ROW)
#undef ROW
        E2B_REDUCE_COUNT
};

struct e2b_reduce_params {
    int32_t kind;
    int32_t keep;       /* reduced dimensions stay as 1 */
    int32_t none_empty; /* no axes: reduce nothing, not all */
    int32_t listed;     /* how many axes came as an attribute */
    int64_t axes[E2B_MAX_RANK];
    uint32_t reduced; /* bit i: dimension i is; set by infer */
};

struct e2b_arg_max_params {
    int32_t axis;                /* not negative after infer */
    int32_t keep, last, minimum; /* last: of equal ones the last */
};

extern const struct e2b_op e2b_op_reduce, e2b_op_arg_max;

#endif
