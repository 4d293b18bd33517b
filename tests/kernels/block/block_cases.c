#include "tests/kernels/op_case.h"

#include "kernels/block/block.h"

#define PADS(...) INTS("pads", __VA_ARGS__)
#define STRIDES(...) INTS("strides", __VA_ARGS__)

static void set_between(void *params, enum e2b_activation_kind kind, float a) {
    struct e2b_conv_block_params *block = params;
    block->middle.epilogue.activation =
        (struct e2b_activation){kind, a, kind == E2B_ACT_CLIP ? 0.5f : 0};
}

static void clip_between(void *params) {
    set_between(params, E2B_ACT_CLIP, 0);
}

static void clip_both_sides(void *params) {
    set_between(params, E2B_ACT_CLIP, -0.25f);
}

static void relu_between(void *params) {
    set_between(params, E2B_ACT_RELU, 0);
}

static void hard_swish_between(void *params) {
    set_between(params, E2B_ACT_HARD_SWISH, 0);
}

static const struct e2b_op_case cases[] = {
    {"by hand", "conv_block", ATTRS(INT("group", 2)),
        INPUTS(IN(F32, SHAPE(1, 1, 1, 2), .values = VALUES(1, 2)),
            IN(F32, SHAPE(2, 1, 1, 1), .constant = true, .values = VALUES(3, -5)),
            IN(F32, SHAPE(2), .constant = true, .values = VALUES(0, 1)),
            IN(F32, SHAPE(2, 1, 1, 2), .constant = true, .values = VALUES(1, 1, 1, -1)), ABSENT,
            IN(F32, SHAPE(1, 2, 1, 1), .constant = true, .values = VALUES(1, 2)), ABSENT,
            IN(F32, SHAPE(1, 1, 1, 1), .values = VALUES(0.5))),
        .expected = VALUES(19.5), .expected_count = 1},
    {"block with a residual, of odd channels", "conv_block",
        ATTRS(PADS(1, 1, 1, 1), INT("group", 75)),
        INPUTS(F32(2, 20, 9, 11), CONST_F32(75, 20, 1, 1), CONST_F32(75), CONST_F32(75, 1, 3, 3),
            CONST_F32(75), CONST_F32(20, 75, 1, 1), CONST_F32(20), F32(2, 20, 9, 11)),
        .adjust = clip_between},
    {"block with stride, whose tiles are not whole", "conv_block",
        ATTRS(PADS(1, 1, 1, 1), STRIDES(2, 2), INT("group", 96)),
        INPUTS(F32(2, 16, 19, 35), CONST_F32(96, 16, 1, 1), CONST_F32(96), CONST_F32(96, 1, 3, 3),
            CONST_F32(96), CONST_F32(24, 96, 1, 1), CONST_F32(24)),
        .adjust = clip_between},
    {"block of deep channels", "conv_block", ATTRS(PADS(1, 1, 1, 1), INT("group", 160)),
        INPUTS(F32(1, 70, 7, 7), CONST_F32(160, 70, 1, 1), CONST_F32(160), CONST_F32(160, 1, 3, 3),
            CONST_F32(160), CONST_F32(100, 160, 1, 1), CONST_F32(100)),
        .adjust = clip_between},
    {"block of 5x5, one pad, no biases", "conv_block",
        ATTRS(PADS(2, 1, 1, 2), STRIDES(2, 1), INT("group", 40)),
        INPUTS(F32(1, 9, 12, 12), CONST_F32(40, 9, 1, 1), ABSENT, CONST_F32(40, 1, 5, 5), ABSENT,
            CONST_F32(10, 40, 1, 1)),
        .adjust = hard_swish_between},
    {"block of 2x4, strides that differ", "conv_block",
        ATTRS(PADS(0, 1, 0, 0), STRIDES(1, 3), INT("group", 64)),
        INPUTS(F32(1, 16, 9, 30), CONST_F32(64, 16, 1, 1), CONST_F32(64), CONST_F32(64, 1, 2, 4),
            CONST_F32(64), CONST_F32(24, 64, 1, 1), CONST_F32(24)),
        .adjust = relu_between},
    {"block clipped on both sides", "conv_block", ATTRS(PADS(1, 1, 1, 1), INT("group", 136)),
        INPUTS(F32(2, 8, 8, 8), CONST_F32(136, 8, 1, 1), CONST_F32(136), CONST_F32(136, 1, 3, 3),
            CONST_F32(136), CONST_F32(8, 136, 1, 1), ABSENT, F32(2, 8, 8, 8)),
        .adjust = clip_both_sides},
    {"block without expansion, an activation at its end", "conv_block",
        ATTRS(PADS(1, 1, 1, 1), INT("group", 36)),
        INPUTS(F32(2, 36, 13, 18), ABSENT, ABSENT, CONST_F32(36, 1, 3, 3), CONST_F32(36),
            CONST_F32(17, 36, 1, 1), CONST_F32(17)),
        .activation = {E2B_ACT_CLIP, 0, 0.5f}, .adjust = clip_between},
    {"block, dilated, two activations", "conv_block",
        ATTRS(PADS(2, 2, 2, 2), INTS("dilations", 2, 2), INT("group", 12)),
        INPUTS(F32(1, 4, 8, 8), CONST_F32(12, 4, 1, 1), ABSENT, CONST_F32(12, 1, 3, 3), ABSENT,
            CONST_F32(8, 12, 1, 1)),
        .activation = {E2B_ACT_RELU, 0, 0}, .adjust = clip_between},
    {"bottleneck, more tiles than teams", "conv_block", ATTRS(PADS(1, 1, 1, 1)),
        INPUTS(F32(2, 75, 17, 27), CONST_F32(64, 75, 1, 1), CONST_F32(64), CONST_F32(64, 64, 3, 3),
            CONST_F32(64), CONST_F32(75, 64, 1, 1), CONST_F32(75), F32(2, 75, 17, 27)),
        .activation = {E2B_ACT_RELU, 0, 0}, .adjust = relu_between},
    {"bottleneck of deep channels", "conv_block", ATTRS(PADS(1, 1, 1, 1)),
        INPUTS(F32(1, 250, 9, 8), CONST_F32(64, 250, 1, 1), CONST_F32(64), CONST_F32(64, 64, 3, 3),
            CONST_F32(64), CONST_F32(250, 64, 1, 1), CONST_F32(250), F32(1, 250, 9, 8)),
        .activation = {E2B_ACT_RELU, 0, 0}, .adjust = relu_between},
    {"bottleneck of few channels, one pad, no biases", "conv_block", ATTRS(PADS(0, 1, 1, 1)),
        INPUTS(F32(1, 20, 10, 12), CONST_F32(40, 20, 1, 1), ABSENT, CONST_F32(24, 40, 2, 3), ABSENT,
            CONST_F32(160, 24, 1, 1)),
        .adjust = hard_swish_between},
    {"bottleneck, of 1x1 and three slabs", "conv_block",
        INPUTS(F32(1, 190, 9, 7), CONST_F32(33, 190, 1, 1), CONST_F32(33), CONST_F32(64, 33, 1, 1),
            CONST_F32(64), CONST_F32(20, 64, 1, 1), CONST_F32(20)),
        .adjust = clip_between},
    {"bottleneck with a shortcut, more tiles than teams", "conv_block", ATTRS(PADS(1, 1, 1, 1)),
        INPUTS(F32(2, 60, 17, 27), CONST_F32(64, 60, 1, 1), CONST_F32(64), CONST_F32(64, 64, 3, 3),
            CONST_F32(64), CONST_F32(140, 64, 1, 1), CONST_F32(140), ABSENT,
            CONST_F32(140, 60, 1, 1), CONST_F32(140)),
        .activation = {E2B_ACT_RELU, 0, 0}, .adjust = relu_between},
    {"bottleneck of 128 channels between, several steps, odd channels", "conv_block",
        ATTRS(PADS(1, 1, 1, 1)),
        INPUTS(F32(2, 140, 20, 28), CONST_F32(128, 140, 1, 1), CONST_F32(128),
            CONST_F32(128, 128, 3, 3), CONST_F32(128), CONST_F32(140, 128, 1, 1), CONST_F32(140),
            F32(2, 140, 20, 28)),
        .activation = {E2B_ACT_RELU, 0, 0}, .adjust = relu_between},
    {"bottleneck from more to fewer channels between, pads below, short lines", "conv_block",
        ATTRS(PADS(0, 2, 2, 0)),
        INPUTS(F32(3, 20, 11, 7), CONST_F32(100, 20, 1, 1), ABSENT, CONST_F32(60, 100, 2, 3),
            ABSENT, CONST_F32(30, 60, 1, 1)),
        .adjust = hard_swish_between},
    {"bottleneck from fewer to more channels between, long lines", "conv_block",
        ATTRS(PADS(2, 1, 0, 0)),
        INPUTS(F32(1, 72, 10, 60), CONST_F32(33, 72, 1, 1), CONST_F32(33), CONST_F32(70, 33, 3, 2),
            CONST_F32(70), CONST_F32(260, 70, 1, 1), CONST_F32(260)),
        .adjust = clip_between},
    {"bottleneck of 1x1 and 128 channels between", "conv_block",
        INPUTS(F32(1, 66, 40, 17), CONST_F32(128, 66, 1, 1), CONST_F32(128),
            CONST_F32(96, 128, 1, 1), CONST_F32(96), CONST_F32(66, 96, 1, 1), CONST_F32(66),
            F32(1, 66, 40, 17)),
        .activation = {E2B_ACT_CLIP, 0, 0.5f}, .adjust = clip_between},
    {"block with a shortcut, one bias", "conv_block", ATTRS(PADS(1, 1, 1, 1), INT("group", 8)),
        INPUTS(F32(1, 6, 7, 9), CONST_F32(8, 6, 1, 1), ABSENT, CONST_F32(8, 1, 3, 3), ABSENT,
            CONST_F32(12, 8, 1, 1), ABSENT, ABSENT, CONST_F32(12, 6, 1, 1), CONST_F32(12)),
        .adjust = relu_between},
    {"block with a shortcut and a residual", "conv_block", ATTRS(PADS(1, 1, 1, 1)),
        INPUTS(F32(1, 6, 7, 9), CONST_F32(8, 6, 1, 1), ABSENT, CONST_F32(8, 8, 3, 3), ABSENT,
            CONST_F32(12, 8, 1, 1), ABSENT, F32(1, 12, 7, 9), CONST_F32(12, 6, 1, 1)),
        .fails = "a residual and a shortcut"},
    {"bottleneck with stride", "conv_block", ATTRS(PADS(1, 1, 1, 1), STRIDES(2, 2)),
        INPUTS(F32(1, 16, 9, 8), CONST_F32(8, 16, 1, 1), ABSENT, CONST_F32(12, 8, 3, 3), ABSENT,
            CONST_F32(40, 12, 1, 1)),
        .adjust = relu_between},
    {"block whose second convolution has groups", "conv_block", ATTRS(INT("group", 4)),
        INPUTS(F32(1, 4, 8, 8), CONST_F32(8, 4, 1, 1), ABSENT, CONST_F32(8, 2, 3, 3), ABSENT,
            CONST_F32(8, 8, 1, 1)),
        .fails = "neither depthwise"},
    {"block without a projection", "conv_block", ATTRS(INT("group", 8)),
        INPUTS(F32(1, 4, 8, 8), CONST_F32(8, 4, 1, 1), ABSENT, CONST_F32(8, 1, 3, 3)),
        .fails = "two to four sets of weights"},
};

E2B_OP_CASES(block, cases);
