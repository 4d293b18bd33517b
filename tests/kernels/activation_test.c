#include "kernels/activation.h"

#include "tests/support.h"

#include <math.h>
#include <string.h>

/* Values from tables of the functions, to 6 digits. */
static const struct {
    struct e2b_activation activation;
    double x, y;
} rows[] = {
    {{E2B_ACT_IDENTITY, 0, 0}, -2.5, -2.5},
    {{E2B_ACT_RELU, 0, 0}, -2.5, 0},
    {{E2B_ACT_CLIP, -1, 6}, 7, 6},
    {{E2B_ACT_CLIP, -1, 6}, -7, -1},
    {{E2B_ACT_LEAKY_RELU, 0.25f, 0}, -2, -0.5},
    {{E2B_ACT_SIGMOID, 0, 0}, 1, 0.731059},
    {{E2B_ACT_TANH, 0, 0}, 1, 0.761594},
    {{E2B_ACT_HARD_SIGMOID, 0.25f, 0.5f}, 1, 0.75},
    {{E2B_ACT_HARD_SWISH, 0, 0}, 1, 0.666667},
    {{E2B_ACT_SILU, 0, 0}, 1, 0.731059},
    {{E2B_ACT_GELU, 0, 0}, 1, 0.841345},
    {{E2B_ACT_GELU_TANH, 0, 0}, 1, 0.841192},
    {{E2B_ACT_ELU, 1, 0}, -1, -0.632121},
    {{E2B_ACT_SOFTPLUS, 0, 0}, 0, 0.693147},
    {{E2B_ACT_SOFTPLUS, 0, 0}, 1000, 1000},
    {{E2B_ACT_ERF, 0, 0}, 1, 0.842701},
    {{E2B_ACT_EXP, 0, 0}, 1, 2.718282},
    {{E2B_ACT_LOG, 0, 0}, 2, 0.693147},
    {{E2B_ACT_SQRT, 0, 0}, 2, 1.414214},
    {{E2B_ACT_RECIPROCAL, 0, 0}, 4, 0.25},
    {{E2B_ACT_ABS, 0, 0}, -3, 3},
    {{E2B_ACT_NEG, 0, 0}, -3, 3},
    {{E2B_ACT_FLOOR, 0, 0}, -1.5, -2},
    {{E2B_ACT_CEIL, 0, 0}, -1.5, -1},
    {{E2B_ACT_ROUND, 0, 0}, 2.5, 2},
    {{E2B_ACT_SIN, 0, 0}, 1, 0.841471},
    {{E2B_ACT_COS, 0, 0}, 1, 0.540302},
    {{E2B_ACT_NOT, 0, 0}, 0, 1},
    {{E2B_ACT_NOT, 0, 0}, 2, 0},
};

static void functions_have_their_values(void **state) {
    (void)state;
    bool seen[E2B_ACT_COUNT] = {false};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double y = e2b_activation_apply(&rows[i].activation, rows[i].x);
        if (fabs(y - rows[i].y) > 1e-6)
            fail_msg("%s(%g) is %g, expected %g", e2b_activation_name(rows[i].activation.kind),
                rows[i].x, y, rows[i].y);
        seen[rows[i].activation.kind] = true;
    }
    for (int i = 0; i < E2B_ACT_COUNT; i++)
        if (!seen[i])
            fail_msg("%s is not tested", e2b_activation_name(i));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_have_their_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
