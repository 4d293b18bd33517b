#include "tests/kernels/op_case.h"

#define EACH(type)                                                                                 \
    {                                                                                              \
        .name = type, .op = "reduce", .onnx = type, ATTRS(INTS("axes", 2, 3)),                     \
        INPUTS(IN(F32, SHAPE(2, 13, 5, 6), .low = 0.5, .high = 1.2))                               \
    }

static const struct e2b_op_case cases[] = {
    {"sum of values", "reduce", ATTRS(INT("keepdims", 0)),
        INPUTS(IN(F32, SHAPE(2, 3), .values = VALUES(1, 2, 3, 4, 5, 6)), CONST_I64(1)),
        .expected = VALUES(6, 15)},
    EACH("ReduceSum"),
    EACH("ReduceMean"),
    EACH("ReduceMax"),
    EACH("ReduceMin"),
    EACH("ReduceProd"),
    EACH("ReduceL1"),
    EACH("ReduceL2"),
    EACH("ReduceSumSquare"),
    EACH("ReduceLogSum"),
    EACH("ReduceLogSumExp"),
    {"everything", "reduce", INPUTS(F32(3, 4, 50))},
    {"nothing", "reduce", ATTRS(INT("noop_with_empty_axes", 1)), INPUTS(F32(3, 4, 5))},
    {"the last dimension", "reduce", .onnx = "ReduceMean", ATTRS(INTS("axes", -1)),
        INPUTS(F32(3, 40, 77))},
    {"the channels", "reduce", .onnx = "ReduceMean", ATTRS(INTS("axes", 1)),
        INPUTS(F32(2, 19, 4, 5))},
    {"outer dimensions", "reduce", .onnx = "ReduceMax",
        ATTRS(INTS("axes", 0, 2), INT("keepdims", 0)), INPUTS(F32(3, 10, 7))},
    {"squeezed image", "reduce", .onnx = "ReduceMean",
        ATTRS(INTS("axes", 2, 3), INT("keepdims", 0)), INPUTS(F32(2, 24, 7, 7))},
    {"many pixels", "reduce", .onnx = "ReduceMean", ATTRS(INTS("axes", 2, 3)),
        INPUTS(F32(1, 16, 56, 50))},
    {"axes by input", "reduce", .onnx = "ReduceMean", .opset = 18,
        INPUTS(F32(2, 6, 7), CONST_I64(-1, 0))},
    {"large exponents", "reduce", .onnx = "ReduceLogSumExp", ATTRS(INTS("axes", 1)),
        INPUTS(IN(F32, SHAPE(3, 9), .low = 200, .high = 210))},
    {"axis outside", "reduce", .onnx = "ReduceMean", ATTRS(INTS("axes", 3)), INPUTS(F32(2, 6, 7)),
        .fails = "axis 3"},
    {"axes unknown", "reduce", INPUTS(F32(2, 6, 7), IN(I64, SHAPE(1))), .fails = "must be known"},
    {"empty", "reduce", .onnx = "ReduceMax", INPUTS(F32(2, 0)), .fails = "empty"},
    {"index of the largest", "arg_max", ATTRS(INT("axis", 1), INT("keepdims", 0)),
        INPUTS(IN(F32, SHAPE(2, 3), .values = VALUES(1, 3, 3, 7, 2, 1))), .expected = VALUES(1, 0)},
    {"last index of the smallest", "arg_max", .onnx = "ArgMin",
        ATTRS(INT("axis", -1), INT("select_last_index", 1)),
        INPUTS(IN(F32, SHAPE(1, 4), .values = VALUES(1, 0, 0, 2))), .expected = VALUES(2)},
    {"class of each pixel", "arg_max", ATTRS(INT("axis", 1), INT("keepdims", 0)),
        INPUTS(F32(2, 21, 5, 6))},
    {"index along a dimension too many", "arg_max", ATTRS(INT("axis", 2)), INPUTS(F32(2, 3)),
        .fails = "axis 2"},
};
E2B_OP_CASES(reduce, cases);
