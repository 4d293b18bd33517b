#include "tests/kernels/op_case.h"

static const struct e2b_op_case cases[] = {
    {"two equal", "softmax", INPUTS(IN(F32, SHAPE(1, 2), .values = VALUES(3, 3))),
        .expected = VALUES(0.5, 0.5)},
    {"a thousand classes", "softmax", INPUTS(IN(F32, SHAPE(5, 1000), .low = -8, .high = 8))},
    {"few classes", "softmax", INPUTS(F32(7, 10))},
    {"large values", "softmax", INPUTS(IN(F32, SHAPE(3, 33), .low = 900, .high = 1000))},
    {"old: all dimensions from axis on", "softmax", .opset = 9, INPUTS(F32(3, 5, 4, 2))},
    {"old: from axis 2 on", "softmax", .opset = 11, ATTRS(INT("axis", 2)), INPUTS(F32(3, 5, 4, 7))},
    {"over channels", "softmax", ATTRS(INT("axis", 1)), INPUTS(F32(2, 21, 6, 5))},
    {"over the first", "softmax", ATTRS(INT("axis", 0)), INPUTS(F32(9, 4, 3))},
    {"attention", "softmax", ATTRS(INT("axis", -1)), INPUTS(F32(2, 3, 17, 197))},
    {"logarithm", "softmax", .onnx = "LogSoftmax", INPUTS(F32(4, 100))},
    {
        "one class",
        "softmax",
        INPUTS(F32(4, 1)),
    },
    {"axis too large", "softmax", ATTRS(INT("axis", 2)), INPUTS(F32(4, 4)), .fails = "axis 2"},
    {"axis far off", "softmax", ATTRS(INT("axis", 200000000000)), INPUTS(F32(4, 4)),
        .fails = "outside"},
    {"of integers", "softmax", INPUTS(IN(I64, SHAPE(4, 4))), .fails = "takes floats"},
    {"classes", "softmax", INPUTS(F32(32, 1000)), .bench = true},
};
E2B_OP_CASES(softmax, cases);
