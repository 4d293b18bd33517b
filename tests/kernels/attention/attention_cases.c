#include "kernels/attention/attention.h"
#include "tests/kernels/op_case.h"

static void scale_eighth(void *params) {
    ((struct e2b_attention_params *)params)->scale = 0.125f;
}

static void scale_quarter(void *params) {
    ((struct e2b_attention_params *)params)->scale = 0.25f;
}

static void scale_one(void *params) {
    ((struct e2b_attention_params *)params)->scale = 1;
}

/* Q, K and V of one shape (samples, tokens, heads, depth), with scores that differ clearly. */
#define QKV(...)                                                                                   \
    IN(F32, SHAPE(__VA_ARGS__), .low = -2, .high = 2),                                             \
        IN(F32, SHAPE(__VA_ARGS__), .low = -2, .high = 2), F32(__VA_ARGS__)

static const struct e2b_op_case cases[] = {
    {"by hand", "attention", .adjust = scale_one,
        INPUTS(IN(F32, SHAPE(1, 1, 1, 1), .values = VALUES(2)),
            IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(0, 0.34657359)),
            IN(F32, SHAPE(1, 2, 1, 2), .values = VALUES(1, 2, 4, 5))),
        .expected = VALUES(3, 4)},
    {"a masked key has no weight", "attention", .adjust = scale_one,
        INPUTS(IN(F32, SHAPE(1, 1, 1, 1), .values = VALUES(1)),
            IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(5, 9)),
            IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(3, 8)),
            IN(F32, SHAPE(1, 1, 1, 2), .values = VALUES(0, -10000))),
        .expected = VALUES(3)},
    {"all keys masked count alike", "attention", .adjust = scale_one,
        INPUTS(IN(F32, SHAPE(1, 1, 1, 1), .values = VALUES(1)),
            IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(5, 9)),
            IN(F32, SHAPE(1, 2, 1, 1), .values = VALUES(3, 8)),
            IN(F32, SHAPE(1, 1, 1, 2), .values = VALUES(-3.4e38, -3.4e38))),
        .expected = VALUES(5.5)},
    {"two layers of 16", "attention", .adjust = scale_quarter, INPUTS(QKV(2, 33, 4, 16))},
    {"heads of bert with a mask of samples", "attention", .adjust = scale_eighth,
        INPUTS(QKV(2, 128, 3, 64), IN(F32, SHAPE(2, 1, 1, 128), .low = -9, .high = 0))},
    {"heads of vit", "attention", .adjust = scale_eighth, INPUTS(QKV(1, 197, 2, 64))},
    {"large scores", "attention", .adjust = scale_one, INPUTS(QKV(1, 70, 2, 32)),
        .tolerance_f32 = 3e-5, .tolerance_f16 = 6e-3},
    {"a mask for each query and head", "attention", .adjust = scale_quarter,
        INPUTS(QKV(2, 37, 3, 24), IN(F32, SHAPE(2, 3, 37, 37), .low = -4, .high = 0))},
    {"a causal mask that is constant", "attention", .adjust = scale_one,
        INPUTS(IN(F32, SHAPE(1, 3, 1, 8)), IN(F32, SHAPE(1, 3, 1, 8)), F32(1, 3, 1, 8),
            IN(F32, SHAPE(3, 3), .constant = true,
                .values = VALUES(0, -1e4, -1e4, 0, 0, -1e4, 0, 0, 0)))},
    {"fewer queries than keys, values wider", "attention", .adjust = scale_eighth,
        INPUTS(F32(3, 5, 2, 40), F32(3, 90, 2, 40), F32(3, 90, 2, 72))},
    {"queries that are constant", "attention", .adjust = scale_quarter,
        INPUTS(CONST_F32(1, 7, 2, 32), F32(1, 50, 2, 32), F32(1, 50, 2, 32))},
    {"odd sizes", "attention", .adjust = scale_one,
        INPUTS(F32(1, 19, 3, 5), F32(1, 35, 3, 5), F32(1, 35, 3, 7))},
    {"heads of 128", "attention", .adjust = scale_eighth, INPUTS(QKV(1, 48, 2, 128))},
    {"heads of 640", "attention", .adjust = scale_eighth,
        INPUTS(F32(1, 4, 1, 640), F32(1, 9, 1, 640), F32(1, 9, 1, 640))},

    {"of integers", "attention",
        INPUTS(IN(I64, SHAPE(1, 2, 1, 4)), F32(1, 2, 1, 4), F32(1, 2, 1, 4)), .fails = "INT64"},
    {"depths differ", "attention", INPUTS(F32(1, 2, 1, 4), F32(1, 2, 1, 5), F32(1, 2, 1, 4)),
        .fails = "depth"},
    {"rank 3", "attention", INPUTS(F32(2, 1, 4), F32(1, 2, 1, 4), F32(1, 2, 1, 4)),
        .fails = "rank"},
    {"no keys", "attention", INPUTS(F32(1, 2, 1, 4), F32(1, 0, 1, 4), F32(1, 0, 1, 4)),
        .fails = "no keys"},
    {"a mask that does not go", "attention",
        INPUTS(F32(1, 2, 1, 4), F32(1, 3, 1, 4), F32(1, 3, 1, 4), F32(1, 1, 2, 2)),
        .fails = "1x1x2x2"},

    {"bert base, batch 1", "attention", .adjust = scale_eighth,
        INPUTS(QKV(1, 128, 12, 64), F32(1, 1, 1, 128)), .bench = true},
    {"bert base, batch 32", "attention", .adjust = scale_eighth,
        INPUTS(QKV(32, 128, 12, 64), F32(32, 1, 1, 128)), .bench = true},
    {"vit b16, batch 16", "attention", .adjust = scale_eighth, INPUTS(QKV(16, 197, 12, 64)),
        .bench = true},
    {"4096 tokens", "attention", .adjust = scale_eighth, INPUTS(QKV(1, 4096, 12, 64)),
        .bench = true},
};

E2B_OP_CASES(attention, cases);
