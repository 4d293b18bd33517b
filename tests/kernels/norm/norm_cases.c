#include "tests/kernels/op_case.h"

#define POSITIVE(n) IN(F32, SHAPE(n), .constant = true, .low = 0.5, .high = 2)

static const struct e2b_op_case cases[] = {
    {"batch norm of values", "batch_norm", ATTRS(FLOAT("epsilon", 0)),
        INPUTS(IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(3, 5)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(2, 3)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(1, 0)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(1, 2)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(4, 9))),
        .expected = VALUES(3, 3)},
    {"batch norm", "batch_norm",
        INPUTS(F32(2, 19, 5, 6), CONST_F32(19), CONST_F32(19), CONST_F32(19), POSITIVE(19))},
    {"batch norm and relu", "batch_norm",
        INPUTS(F32(2, 32, 5, 6), CONST_F32(32), CONST_F32(32), CONST_F32(32), POSITIVE(32)),
        .activation = {E2B_ACT_RELU, 0, 0}},
    {"batch norm of rows", "batch_norm",
        INPUTS(F32(7, 30), CONST_F32(30), CONST_F32(30), CONST_F32(30), POSITIVE(30))},
    {"batch norm with a wrong length", "batch_norm",
        INPUTS(F32(7, 30), CONST_F32(30), CONST_F32(3), CONST_F32(30), POSITIVE(30)),
        .fails = "30 numbers"},
    {"batch norm in training", "batch_norm", ATTRS(INT("training_mode", 1)),
        INPUTS(F32(7, 3), CONST_F32(3), CONST_F32(3), CONST_F32(3), POSITIVE(3)),
        .fails = "training"},
    {"lrn", "lrn", ATTRS(INT("size", 5), FLOAT("alpha", 0.1f), FLOAT("beta", 0.75f)),
        INPUTS(IN(F32, SHAPE(2, 96, 5, 4), .low = -3, .high = 3))},
    {"lrn of few channels", "lrn", ATTRS(INT("size", 4), FLOAT("alpha", 1), FLOAT("bias", 2)),
        INPUTS(F32(2, 3, 5, 4))},
    {"lrn of odd channels", "lrn", ATTRS(INT("size", 3), FLOAT("alpha", 1)),
        INPUTS(F32(1, 21, 5, 4))},
    {"lrn without a size", "lrn", INPUTS(F32(1, 21, 5, 4)), .fails = "size 0"},
};
E2B_OP_CASES(norm, cases);
