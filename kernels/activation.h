/* The pointwise functions that a producer can apply before its only store, and the epilogue
 * out = activation(sum + bias + residual) that convolution and matrix product share. Kernels get it
 * by -DACTIVATION=<code> and two floats; see kernels/common/activation.clh for the device side. */
#ifndef E2B_KERNELS_ACTIVATION_H
#define E2B_KERNELS_ACTIVATION_H

#include <stdbool.h>

/* ROW(name, code): f(x) with parameters a, b */
#define E2B_ACTIVATION_TABLE(ROW)                                                                  \
    ROW(IDENTITY)                                                                                  \
    ROW(RELU)                                                                                      \
    ROW(CLIP)         /* min(max(x, a), b) */                                                      \
    ROW(LEAKY_RELU)   /* x < 0 ? a x : x */                                                        \
    ROW(SIGMOID)                                                                                   \
    ROW(TANH)                                                                                      \
    ROW(HARD_SIGMOID) /* clamp(a x + b, 0, 1) */                                                   \
    ROW(HARD_SWISH)   /* x clamp(x / 6 + 1/2, 0, 1) */                                             \
    ROW(SILU)         /* x sigmoid(x) */                                                           \
    ROW(GELU)         /* x/2 (1 + erf(x / sqrt 2)) */                                              \
    ROW(GELU_TANH)    /* tanh approximation of the former */                                       \
    ROW(ELU)          /* x < 0 ? a (exp x - 1) : x */                                              \
    ROW(SOFTPLUS)                                                                                  \
    ROW(ERF)                                                                                       \
    ROW(EXP)                                                                                       \
    ROW(LOG)                                                                                       \
    ROW(SQRT)                                                                                      \
    ROW(RECIPROCAL)                                                                                \
    ROW(ABS)                                                                                       \
    ROW(NEG)                                                                                       \
    ROW(FLOOR)                                                                                     \
    ROW(CEIL)                                                                                      \
    ROW(ROUND)        /* half to even */                                                           \
    ROW(SIN)                                                                                       \
    ROW(COS)                                                                                       \
    ROW(NOT)

enum e2b_activation_kind {
#define ROW(name) E2B_ACT_##name,
    E2B_ACTIVATION_TABLE(ROW)
#undef ROW
        E2B_ACT_COUNT
};

struct e2b_activation {
    enum e2b_activation_kind kind;
    float a, b;
};

const char *e2b_activation_name(enum e2b_activation_kind kind);
double e2b_activation_apply(const struct e2b_activation *activation, double x);

/* Epilogue fields that conv, gemm and others keep in their params. Input indices of bias and
 * residual are the operator's own: absent operand means none. */
struct e2b_epilogue {
    struct e2b_activation activation;
    int residual_input; /* 0 means none: input 0 is never the residual */
};

#endif
