#include "kernels/activation.h"

#include <math.h>

static const char *const names[] = {
#define ROW(name) #name,
    E2B_ACTIVATION_TABLE(ROW)
#undef ROW
};

const char *e2b_activation_name(enum e2b_activation_kind kind) {
    return names[kind];
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static double clamp(double x, double low, double high) {
    return fmin(fmax(x, low), high);
}

double e2b_activation_apply(const struct e2b_activation *activation, double x) {
    double a = (double)activation->a, b = (double)activation->b;
    switch (activation->kind) {
    case E2B_ACT_IDENTITY:
        return x;
    case E2B_ACT_RELU:
        return x < 0 ? 0 : x;
    case E2B_ACT_CLIP:
        return clamp(x, a, b);
    case E2B_ACT_LEAKY_RELU:
        return x < 0 ? a * x : x;
    case E2B_ACT_SIGMOID:
        return sigmoid(x);
    case E2B_ACT_TANH:
        return tanh(x);
    case E2B_ACT_HARD_SIGMOID:
        return clamp(a * x + b, 0, 1);
    case E2B_ACT_HARD_SWISH:
        return x * clamp(x / 6 + 0.5, 0, 1);
    case E2B_ACT_SILU:
        return x * sigmoid(x);
    case E2B_ACT_GELU:
        return x / 2 * (1 + erf(x * M_SQRT1_2));
    case E2B_ACT_GELU_TANH:
        return x / 2 * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case E2B_ACT_ELU:
        return x < 0 ? a * expm1(x) : x;
    case E2B_ACT_SOFTPLUS:
        return fmax(x, 0) + log1p(exp(-fabs(x)));
    case E2B_ACT_ERF:
        return erf(x);
    case E2B_ACT_EXP:
        return exp(x);
    case E2B_ACT_LOG:
        return log(x);
    case E2B_ACT_SQRT:
        return sqrt(x);
    case E2B_ACT_RECIPROCAL:
        return 1 / x;
    case E2B_ACT_ABS:
        return fabs(x);
    case E2B_ACT_NEG:
        return -x;
    case E2B_ACT_FLOOR:
        return floor(x);
    case E2B_ACT_CEIL:
        return ceil(x);
    case E2B_ACT_ROUND:
        return nearbyint(x);
    case E2B_ACT_SIN:
        return sin(x);
    case E2B_ACT_COS:
        return cos(x);
    case E2B_ACT_NOT:
        return x == 0;
    case E2B_ACT_COUNT:
        break;
    }
    return x;
}
