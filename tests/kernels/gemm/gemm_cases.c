#include "kernels/gemm/gemm.h"
#include "tests/kernels/op_case.h"

#define RELU                                                                                       \
    { E2B_ACT_RELU, 0, 0 }

/* What blocks of 32 columns have, a sum and squares. */
#define SUMS(...) IN(F32, SHAPE(__VA_ARGS__), .low = 1, .high = 12)

static void set_epsilons(void *params) {
    struct e2b_gemm_params *gemm = params;
    gemm->a_epsilon = 1e-5f;
    gemm->residual_epsilon = 0.25f;
}

static const struct e2b_op_case cases[] = {
    {"by hand", "gemm", ATTRS(FLOAT("alpha", 2), FLOAT("beta", 0.5)),
        INPUTS(IN(F32, SHAPE(2, 2), .values = VALUES(1, 2, 3, 4)),
            IN(F32, SHAPE(2, 2), .constant = true, .values = VALUES(5, 6, 7, 8)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(10, 20))),
        .expected = VALUES(43, 54, 91, 110), .expected_count = 4},
    {"by hand, both transposed", "gemm", ATTRS(INT("transA", 1), INT("transB", 1)),
        INPUTS(IN(F32, SHAPE(2, 1), .values = VALUES(1, 2)),
            IN(F32, SHAPE(3, 2), .values = VALUES(1, 10, 2, 20, 3, 30))),
        .expected = VALUES(21, 42, 63), .expected_count = 3},
    {"vectors by hand", "matmul",
        INPUTS(IN(F32, SHAPE(3), .values = VALUES(1, 2, 3)),
            IN(F32, SHAPE(2, 3, 2), .values = VALUES(1, 0, 0, 1, 1, 1, 2, 0, 0, 2, 0, 0))),
        .expected = VALUES(4, 5, 2, 4), .expected_count = 4},
    {"batch 1", "gemm", ATTRS(INT("transB", 1)),
        INPUTS(F32(1, 96), CONST_F32(50, 96), CONST_F32(50))},
    {"5 rows", "gemm", INPUTS(F32(5, 33), CONST_F32(33, 40), CONST_F32(40))},
    {"many rows with everything fused", "gemm", ATTRS(INT("transB", 1)),
        INPUTS(F32(67, 70), CONST_F32(72, 70), CONST_F32(72), F32(67, 72)), .activation = RELU},
    {"operands that are computed", "gemm", ATTRS(INT("transA", 1)),
        INPUTS(F32(20, 14), F32(20, 17), F32(17))},
    {"bias a row", "gemm", INPUTS(F32(7, 8), CONST_F32(8, 24), CONST_F32(7, 1))},
    {"bias a matrix", "gemm", INPUTS(F32(7, 8), CONST_F32(8, 24), F32(7, 24))},
    {"bias a scalar", "gemm", INPUTS(F32(7, 8), CONST_F32(8, 24), CONST_F32(1))},
    {"activation with parameters", "gemm", INPUTS(F32(9, 16), CONST_F32(16, 12)),
        .activation = {E2B_ACT_CLIP, -0.25f, 0.5f}},
    {"one column", "gemm", INPUTS(F32(9, 16), CONST_F32(16, 1), CONST_F32(1))},
    {"inner dimension of 1", "gemm", INPUTS(F32(9, 1), F32(1, 11))},
    {"rows of a sequence", "matmul", INPUTS(F32(2, 13, 24), CONST_F32(24, 20), CONST_F32(20)),
        .activation = {E2B_ACT_GELU, 0, 0}},
    {"gelu beyond its polynomial", "matmul",
        INPUTS(IN(F32, SHAPE(40, 8), .low = -4, .high = 4), CONST_F32(8, 48)),
        .activation = {E2B_ACT_GELU, 0, 0}, .tolerance_f16 = 5e-4},
    {"heads", "matmul", INPUTS(F32(2, 3, 10, 16), F32(2, 3, 16, 18))},
    {"batches that broadcast", "matmul", INPUTS(F32(2, 1, 7, 8), F32(3, 8, 9))},
    {"batches that broadcast crosswise", "matmul", INPUTS(F32(2, 1, 3, 7, 8), F32(4, 1, 8, 9))},
    {"a constant on the left", "matmul", INPUTS(CONST_F32(7, 8), F32(3, 8, 9))},
    {"a constant of batches", "matmul", INPUTS(F32(3, 7, 8), CONST_F32(3, 8, 9))},
    {"matrix by vector", "matmul", INPUTS(F32(2, 5, 8), F32(8))},
    {"vector by vector", "matmul", INPUTS(F32(8), F32(8))},
    {"heads with residual and bias", "matmul",
        INPUTS(F32(2, 3, 10, 16), F32(2, 3, 16, 18), F32(18), F32(2, 3, 10, 18))},
    {"rows that are normalised", "matmul",
        INPUTS(F32(2, 13, 96), CONST_F32(96, 40), CONST_F32(40), ABSENT, SUMS(2, 13, 6),
            CONST_F32(96), CONST_F32(96)),
        .adjust = set_epsilons, .tolerance_f32 = 2e-5},
    {"normalised rows without a bias", "gemm", ATTRS(INT("transB", 1), FLOAT("alpha", 2)),
        INPUTS(F32(70, 32), CONST_F32(72, 32), ABSENT, ABSENT, SUMS(70, 2), CONST_F32(32),
            CONST_F32(32)),
        .activation = {E2B_ACT_GELU, 0, 0}, .adjust = set_epsilons, .tolerance_f32 = 2e-5},
    {"a residual that is normalised", "matmul",
        INPUTS(F32(2, 13, 24), CONST_F32(24, 160), CONST_F32(160), F32(2, 13, 160), ABSENT, ABSENT,
            ABSENT, SUMS(2, 13, 10), CONST_F32(160), CONST_F32(160)),
        .adjust = set_epsilons},
    {"sums of rows", "matmul", INPUTS(F32(2, 13, 24), CONST_F32(24, 64), CONST_F32(64)),
        .activation = RELU, .output_count = 2},
    {"all norms and sums", "matmul",
        INPUTS(F32(3, 50, 288), CONST_F32(288, 288), CONST_F32(288), F32(3, 50, 288),
            SUMS(3, 50, 18), CONST_F32(288), CONST_F32(288), SUMS(3, 50, 18), CONST_F32(288),
            CONST_F32(288)),
        .adjust = set_epsilons, .output_count = 2, .tolerance_f32 = 2e-5},
    {"a norm without its shift", "matmul",
        INPUTS(F32(2, 13, 32), CONST_F32(32, 24), ABSENT, ABSENT, SUMS(2, 13, 2), CONST_F32(32)),
        .fails = "sums, scale and shift"},
    {"sums of other rows", "matmul",
        INPUTS(F32(2, 13, 32), CONST_F32(32, 24), ABSENT, ABSENT, SUMS(2, 12, 2), CONST_F32(32),
            CONST_F32(32)),
        .fails = "sums, scale and shift"},
    {"sums of half a block", "matmul", INPUTS(F32(2, 13, 24), CONST_F32(24, 48)), .output_count = 2,
        .fails = "multiple of 32"},

    {"inner dimensions differ", "gemm", INPUTS(F32(4, 5), CONST_F32(6, 4)), .fails = "5 and 6"},
    {"rank 3", "gemm", INPUTS(F32(1, 4, 5), CONST_F32(5, 4)), .fails = "rank"},
    {"bias that does not go", "gemm", INPUTS(F32(4, 5), CONST_F32(5, 6), CONST_F32(5)),
        .fails = "does not go with"},
    {"batches that do not go", "matmul", INPUTS(F32(2, 4, 5), F32(3, 5, 4)), .fails = "broadcast"},
    {"scalar", "matmul", INPUTS(IN(F32, SCALAR), F32(3, 5)), .fails = "rank"},
    {"empty", "matmul", INPUTS(F32(0, 5), F32(5, 4)), .fails = "empty"},
    {"types that differ", "matmul", INPUTS(F32(2, 5), IN(I64, SHAPE(5, 4))), .fails = "INT64"},

    {"resnet50 classifier, batch 1", "gemm", ATTRS(INT("transB", 1)),
        INPUTS(F32(1, 2048), CONST_F32(1000, 2048), CONST_F32(1000)), .bench = true},
    {"resnet50 classifier, batch 16", "gemm", ATTRS(INT("transB", 1)),
        INPUTS(F32(16, 2048), CONST_F32(1000, 2048), CONST_F32(1000)), .bench = true},
    {"bert 128x768 by 768x3072", "matmul",
        INPUTS(F32(1, 128, 768), CONST_F32(768, 3072), CONST_F32(3072)),
        .activation = {E2B_ACT_GELU, 0, 0}, .bench = true},
    {"bert scores, 12 heads", "matmul", INPUTS(F32(1, 12, 128, 64), F32(1, 12, 64, 128)),
        .bench = true},
    {"square 768", "matmul", INPUTS(F32(768, 768), CONST_F32(768, 768)), .bench = true},
};

E2B_OP_CASES(gemm, cases);
