/* Operator tests and benchmarks as data. A case is an ONNX node with inputs; running it imports and
 * infers the node, computes the reference, and then runs every variant of the operator in fp32 and
 * fp16, with dense and with widened strides, through the engine on an OpenCL device. Checked are:
 * the relative error ||out - ref|| / ||ref||, that every element is written, that pad lanes hold
 * finite values, and that nothing else is touched. A variant may refuse a case, but not all may.
 *
 * A family keeps its cases in tests/kernels/<family>/<family>_cases.c:
 *
 *     static const struct e2b_op_case cases[] = {
 *         {"softmax over rows", "softmax", ATTRS(INT("axis", -1)), INPUTS(F32(4, 10))},
 *         {"clip", "clip", INPUTS(F32(2, 8), CONST_VALUES((-1.0))), .expected = VALUES(...)},
 *         {"bad axis", "softmax", ATTRS(INT("axis", 7)), INPUTS(F32(4, 10)), .fails = "axis"},
 *     };
 *     E2B_OP_CASES(softmax, cases);
 *
 * and tests/kernels/<family>/<name>_test.c asserts that e2b_op_cases_run(&e2b_cases_softmax) is 0.
 */
#ifndef E2B_TESTS_OP_CASE_H
#define E2B_TESTS_OP_CASE_H

#include "kernels/activation.h"
#include "kernels/op.h"

struct e2b_device;

#define E2B_CASE_INPUTS 10

struct e2b_case_input {
    enum e2b_dtype dtype; /* E2B_NONE: an absent optional input */
    struct e2b_shape shape;
    bool constant;
    const double *values; /* row-major; NULL: random in low..high */
    double low, high;     /* both 0: -1..1 for floats, 0..9 for integers */
};

struct e2b_op_case {
    const char *name;
    const char *op; /* operator's name, "conv" */
    const struct e2b_attr *attrs;
    int attr_count;
    struct e2b_case_input inputs[E2B_CASE_INPUTS];
    int input_count;
    int output_count;                 /* 0: one */
    const char *onnx;                 /* the node's ONNX type; NULL: the first the operator reads */
    int64_t opset;                    /* 0: 17 */
    struct e2b_activation activation; /* fused epilogue, where the operator has one */
    void (*adjust)(void *params);     /* what passes would set after import; or NULL */
    const double *expected;           /* of output 0: checks the reference too; or NULL */
    int64_t expected_count;           /* 0: as many as output 0 has */
    const char *fails;                /* import or infer must refuse with this in the message */
    double tolerance_f32, tolerance_f16; /* 0: 1e-5 and 2e-3 */
    bool only_f32;                       /* fp16 makes no sense here */
    bool only_dense;                     /* no second run with widened strides */
    bool bench;                          /* a benchmark: timed by op_bench, no test */
};

struct e2b_op_cases {
    const char *family;
    const struct e2b_op_case *cases;
    int count;
};

#define E2B_OP_CASES(name, array)                                                                  \
    extern const struct e2b_op_cases e2b_cases_##name;                                             \
    const struct e2b_op_cases e2b_cases_##name = {#name, array, sizeof(array) / sizeof(array[0])}

/* Runs all cases that are no benchmarks; prints each failure and a line of what variants refused.
 * Returns the number of failures; -1 after printing a SKIP line when there is no OpenCL device
 * (only references were checked). */
int e2b_op_cases_run(const struct e2b_op_cases *cases);
/* The same on a given device, by one variant only, whose candidates are taken a few a case: the
 * default and others in turn. Cases that it refuses count for nothing, but some must be left. */
int e2b_op_cases_run_on(const struct e2b_op_cases *cases, struct e2b_device *device,
    const char *variant, int candidates);

/* For the tables below; undefine nothing, they are for *_cases.c files only. */
#define ROW_OF(type, ...)                                                                          \
    (const type[]) {                                                                               \
        __VA_ARGS__                                                                                \
    }
#define COUNT_OF(type, ...) (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))

#define INT(key, value)                                                                            \
    { .name = key, .kind = E2B_ATTR_INT, .i = value }
#define FLOAT(key, value)                                                                          \
    { .name = key, .kind = E2B_ATTR_FLOAT, .f = value }
#define STRING(key, value)                                                                         \
    { .name = key, .kind = E2B_ATTR_STRING, .s = value }
#define INTS(key, ...)                                                                             \
    {                                                                                              \
        .name = key, .kind = E2B_ATTR_INTS, .ints = ROW_OF(int64_t, __VA_ARGS__),                  \
        .count = COUNT_OF(int64_t, __VA_ARGS__)                                                    \
    }
#define FLOATS(key, ...)                                                                           \
    {                                                                                              \
        .name = key, .kind = E2B_ATTR_FLOATS, .floats = ROW_OF(float, __VA_ARGS__),                \
        .count = COUNT_OF(float, __VA_ARGS__)                                                      \
    }
#define ATTRS(...)                                                                                 \
    .attrs = ROW_OF(struct e2b_attr, __VA_ARGS__),                                                 \
    .attr_count = COUNT_OF(struct e2b_attr, __VA_ARGS__)

#define VALUES(...) ROW_OF(double, __VA_ARGS__)
#define SHAPE(...)                                                                                 \
    {                                                                                              \
        COUNT_OF(int64_t, __VA_ARGS__), {                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SCALAR                                                                                     \
    {                                                                                              \
        0, {                                                                                       \
            0                                                                                      \
        }                                                                                          \
    }
/* An input; more fields may follow: IN(I64, SHAPE(3), .constant = true, .values = VALUES(0, 1, 2))
 */
#define IN(type, ...)                                                                              \
    { .dtype = E2B_##type, .shape = __VA_ARGS__ }
#define F32(...) IN(F32, SHAPE(__VA_ARGS__))
#define CONST_F32(...) IN(F32, SHAPE(__VA_ARGS__), .constant = true)
/* A constant int64 vector, as axes and shapes are */
#define CONST_I64(...)                                                                             \
    IN(I64, SHAPE(COUNT_OF(double, __VA_ARGS__)), .constant = true, .values = VALUES(__VA_ARGS__))
#define ABSENT                                                                                     \
    { .dtype = E2B_NONE }
#define INPUTS(...)                                                                                \
    .inputs = {__VA_ARGS__}, .input_count = COUNT_OF(struct e2b_case_input, __VA_ARGS__)

#endif
