#include "tests/kernels/op_case.h"

#define EACH(type, low_, high_)                                                                    \
    {                                                                                              \
        .name = type, .op = "binary", .onnx = type,                                                \
        INPUTS(IN(F32, SHAPE(2, 5, 3, 7), .low = low_, .high = high_),                             \
            IN(F32, SHAPE(2, 5, 3, 7), .low = low_, .high = high_))                                \
    }
#define INTEGERS(type)                                                                             \
    {                                                                                              \
        .name = type " of integers", .op = "binary", .onnx = type,                                 \
        INPUTS(IN(I64, SHAPE(3, 40), .low = -9, .high = 9),                                        \
            IN(I64, SHAPE(40), .low = -9, .high = 9)),                                             \
        .only_f32 = true                                                                           \
    }
#define COMPARE(type)                                                                              \
    {                                                                                              \
        .name = type, .op = "binary", .onnx = type,                                                \
        INPUTS(IN(F32, SHAPE(2, 5, 3, 4), .low = -0.01, .high = 0.01),                             \
            IN(F32, SHAPE(5, 1, 1), .low = -0.01, .high = 0.01))                                   \
    }
#define LOGIC(type)                                                                                \
    {                                                                                              \
        .name = type, .op = "binary", .onnx = type,                                                \
        INPUTS(IN(BOOL, SHAPE(6, 17)), IN(BOOL, SHAPE(17))), .only_f32 = true                      \
    }

static const struct e2b_op_case cases[] = {
    EACH("Add", -1, 1),
    EACH("Sub", -1, 1),
    EACH("Mul", -1, 1),
    EACH("Div", 0.5, 2),
    EACH("Pow", 0.5, 2),
    EACH("Min", -1, 1),
    EACH("Max", -1, 1),
    EACH("Mean", -1, 1),
    EACH("PRelu", -1, 1),
    {"add and relu", "binary", .onnx = "Add", INPUTS(F32(2, 24, 7, 7), F32(2, 24, 7, 7)),
        .activation = {E2B_ACT_RELU, 0, 0}},
    {"a factor for each channel of each sample", "binary", .onnx = "Mul",
        INPUTS(F32(2, 19, 7, 5), F32(2, 19, 1, 1))},
    {"a factor for each channel", "binary", .onnx = "Mul",
        INPUTS(F32(2, 16, 7, 5), CONST_F32(16, 1, 1))},
    {"a scalar", "binary", .onnx = "Div",
        INPUTS(F32(2, 16, 7, 5), IN(F32, SCALAR, .constant = true, .values = VALUES(6)))},
    {"a vector as last dimension", "binary", .onnx = "Add", INPUTS(F32(3, 5, 40), F32(40))},
    {
        "both broadcast",
        "binary",
        .onnx = "Sub",
        INPUTS(F32(3, 1, 5), F32(1, 4, 1)),
    },
    {"the first broadcasts", "binary", .onnx = "Sub",
        INPUTS(
            IN(F32, SHAPE(1), .values = VALUES(1)), IN(F32, SHAPE(3), .values = VALUES(1, 2, 3))),
        .expected = VALUES(0, -1, -2)},
    {"a slope for each channel", "binary", .onnx = "PRelu",
        INPUTS(F32(2, 9, 4, 4), CONST_F32(9, 1, 1))},
    {"five summands", "binary", .onnx = "Sum",
        INPUTS(F32(2, 8, 5, 5), F32(2, 8, 5, 5), F32(8, 1, 1), F32(2, 8, 5, 5), F32(1))},
    {"mean of three", "binary", .onnx = "Mean",
        INPUTS(IN(F32, SHAPE(2), .values = VALUES(1, 2)), IN(F32, SHAPE(2), .values = VALUES(2, 4)),
            IN(F32, SHAPE(2), .values = VALUES(6, 9))),
        .expected = VALUES(3, 5)},
    {"sum of one", "binary", .onnx = "Sum", INPUTS(F32(3, 4))},
    {"maximum of three", "binary", .onnx = "Max", INPUTS(F32(30), F32(30), F32(30))},
    INTEGERS("Add"),
    INTEGERS("Mul"),
    INTEGERS("Div"),
    INTEGERS("Mod"),
    INTEGERS("Min"),
    {"integers divide towards zero", "binary", .onnx = "Div",
        INPUTS(IN(I64, SHAPE(5), .values = VALUES(7, -7, 7, -7, 5)),
            IN(I64, SHAPE(5), .values = VALUES(2, 2, -2, -1, 0))),
        .expected = VALUES(3, -3, -3, 7, 5), .only_f32 = true},
    {"modulo has the divisor's sign", "binary", .onnx = "Mod",
        INPUTS(IN(I64, SHAPE(4), .values = VALUES(7, -7, 7, -7)),
            IN(I64, SHAPE(4), .values = VALUES(3, 3, -3, -3))),
        .expected = VALUES(1, 2, -2, -1), .only_f32 = true},
    {"modulo as in C", "binary", .onnx = "Mod", ATTRS(INT("fmod", 1)),
        INPUTS(IN(F32, SHAPE(3), .values = VALUES(7, -7, 7.5)),
            IN(F32, SHAPE(3), .values = VALUES(3, 3, -3))),
        .expected = VALUES(1, -1, 1.5)},
    COMPARE("Equal"),
    COMPARE("Greater"),
    COMPARE("GreaterOrEqual"),
    COMPARE("Less"),
    COMPARE("LessOrEqual"),
    LOGIC("And"),
    LOGIC("Or"),
    LOGIC("Xor"),
    {"where", "where", INPUTS(IN(BOOL, SHAPE(4, 1, 5)), F32(4, 6, 5), F32(1))},
    {"where in an image", "where",
        INPUTS(IN(BOOL, SHAPE(2, 1, 5, 5)), F32(2, 11, 5, 5), F32(11, 1, 1))},
    {"where of integers", "where",
        INPUTS(IN(BOOL, SHAPE(33)), IN(I64, SHAPE(33)), IN(I64, SHAPE(33))), .only_f32 = true},
    {"shapes that do not broadcast", "binary", .onnx = "Add", INPUTS(F32(2, 3), F32(2, 4)),
        .fails = "2x3 and 2x4"},
    {"types that differ", "binary", .onnx = "Add", INPUTS(F32(2, 3), IN(I64, SHAPE(3))),
        .fails = "one type"},
    {"one operand", "binary", .onnx = "Sub", INPUTS(F32(2, 3)), .fails = "1 inputs"},
    {"an absent operand", "binary", .onnx = "Sum", INPUTS(F32(2, 3), ABSENT, F32(3)),
        .fails = "missing"},
    {"an old axis", "binary", .onnx = "Add", ATTRS(INT("axis", 1)), .opset = 6,
        INPUTS(F32(2, 3), F32(2)), .fails = "opset 6"},
    {"where without a condition", "where", INPUTS(F32(3), F32(3), F32(3)), .fails = "BOOL"},
    {"residual sum", "binary", .onnx = "Add", INPUTS(F32(8, 256, 14, 14), F32(8, 256, 14, 14)),
        .bench = true},
    {"squeeze and excite", "binary", .onnx = "Mul", INPUTS(F32(8, 240, 14, 14), F32(8, 240, 1, 1)),
        .bench = true},
};
E2B_OP_CASES(binary, cases);
