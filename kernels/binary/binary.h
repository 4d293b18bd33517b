/* Element by element on operands that broadcast as in NumPy.
 * "binary": Y = activation(f(A, B)) for the functions below. Sum, Mean, Min and Max take any number
 * of inputs. Comparisons and logic yield BOOL. Integer division truncates. "where": Y = C ? A : B.
 */
#ifndef E2B_KERNELS_BINARY_BINARY_H
#define E2B_KERNELS_BINARY_BINARY_H

#include "kernels/activation.h"
#include "kernels/op.h"

/* ROW(name, result is BOOL) */
#define E2B_BINARY_TABLE(ROW)                                                                      \
    ROW(ADD, false)                                                                                \
    ROW(SUB, false)                                                                                \
    ROW(MUL, false)                                                                                \
    ROW(DIV, false)                                                                                \
    ROW(POW, false)                                                                                \
    ROW(MIN, false)                                                                                \
    ROW(MAX, false)                                                                                \
    ROW(MEAN, false)                                                                               \
    ROW(MOD, false)   /* sign of the divisor, as in Python */                                      \
    ROW(FMOD, false)  /* sign of the dividend, as in C */                                          \
    ROW(PRELU, false) /* A < 0 ? A B : A */                                                        \
    ROW(AND, true)                                                                                 \
    ROW(OR, true)                                                                                  \
    ROW(XOR, true)                                                                                 \
    ROW(EQUAL, true)                                                                               \
    ROW(GREATER, true)                                                                             \
    ROW(GREATER_OR_EQUAL, true)                                                                    \
    ROW(LESS, true)                                                                                \
    ROW(LESS_OR_EQUAL, true)

enum e2b_binary_kind {
#define ROW(name, is_bool) E2B_BINARY_##name,
    E2B_BINARY_TABLE(ROW)
#undef ROW
        E2B_BINARY_COUNT
};

struct e2b_binary_params {
    enum e2b_binary_kind kind;
    struct e2b_epilogue epilogue; /* activation only: float results */
};

extern const struct e2b_op e2b_op_binary, e2b_op_where;

#endif
