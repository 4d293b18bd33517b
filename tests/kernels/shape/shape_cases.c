#include "tests/kernels/op_case.h"

#define NUMBER(type, value) IN(type, SCALAR, .constant = true, .values = VALUES(value))

static const float seven[] = {7};
static const struct e2b_constant constant_seven = {
    .id = 99, .dtype = E2B_F32, .shape = {1, {1}}, .data = seven};

static const struct e2b_op_case cases[] = {
    {"shape", "shape", INPUTS(F32(2, 3, 4)), .expected = VALUES(2, 3, 4), .expected_count = 3},
    {"part of a shape", "shape", ATTRS(INT("start", -2), INT("end", 2)), INPUTS(F32(2, 3, 4)),
        .expected = VALUES(3), .expected_count = 1},
    {"shape from end to start", "shape", ATTRS(INT("start", 2), INT("end", 1)),
        INPUTS(F32(2, 3, 4))},
    {"size", "size", INPUTS(F32(2, 3, 4)), .expected = VALUES(24)},
    {"constant integers", "constant", ATTRS(INTS("value_ints", 4, -5)), .expected = VALUES(4, -5)},
    {"constant float", "constant", ATTRS(FLOAT("value_float", 2.5f)), .expected = VALUES(2.5)},
    {"constant tensor", "constant",
        ATTRS({.name = "value", .kind = E2B_ATTR_TENSOR, .tensor = &constant_seven}),
        .expected = VALUES(7)},
    {"constant of shape", "constant_of_shape",
        ATTRS({.name = "value", .kind = E2B_ATTR_TENSOR, .tensor = &constant_seven}),
        INPUTS(CONST_I64(2, 2)), .expected = VALUES(7, 7, 7, 7), .expected_count = 4},
    {"zeros of shape", "constant_of_shape", INPUTS(CONST_I64(3)), .expected = VALUES(0, 0, 0)},
    {"range", "range", INPUTS(NUMBER(I64, 1), NUMBER(I64, 8), NUMBER(I64, 3)),
        .expected = VALUES(1, 4, 7), .expected_count = 3},
    {"range downwards", "range", INPUTS(NUMBER(F32, 1), NUMBER(F32, 0), NUMBER(F32, -0.5)),
        .expected = VALUES(1, 0.5), .expected_count = 2},
    {"range the wrong way", "range", INPUTS(NUMBER(I64, 5), NUMBER(I64, 1), NUMBER(I64, 1))},
    {"range in steps of 0", "range", INPUTS(NUMBER(I64, 5), NUMBER(I64, 1), NUMBER(I64, 0)),
        .fails = "no usable length"},
    {"range without end", "range", INPUTS(NUMBER(F32, 0), NUMBER(F32, 1e30), NUMBER(F32, 1)),
        .fails = "no usable length"},
    {"range of computed numbers", "range", INPUTS(NUMBER(I64, 5), IN(I64, SCALAR), NUMBER(I64, 0)),
        .fails = "must be known"},
    {"constant of a computed shape", "constant_of_shape", INPUTS(IN(I64, SHAPE(2))),
        .fails = "must be known"},
    {"constant of a negative shape", "constant_of_shape", INPUTS(CONST_I64(2, -2)),
        .fails = "is -2"},
    {"constant of an immense shape", "constant_of_shape", INPUTS(CONST_I64(65536, 65536)),
        .fails = "at most"},
    {"constant without a value", "constant", .fails = "no attribute value"},
};
E2B_OP_CASES(shape, cases);
