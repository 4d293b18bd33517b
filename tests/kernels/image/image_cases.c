#include "kernels/image/image.h"

#include "tests/kernels/op_case.h"

static void normalise(void *params) {
    *(struct e2b_image_params *)params =
        (struct e2b_image_params){{123.5f, 116, 104, 0}, {1 / 64.0f, 1 / 32.0f, 1 / 16.0f, 1}};
}

static void divide_by_zero(void *params) {
    *(struct e2b_image_params *)params = (struct e2b_image_params){.scale = {1 / 0.0f, 1, 1, 1}};
}

static const struct e2b_op_case cases[] = {
    {"one pixel", "image", INPUTS(IN(U8, SHAPE(1, 1, 1, 3), .values = VALUES(0, 148, 104))),
        .adjust = normalise, .expected = VALUES(-1.9296875, 1, 0)},
    {"colour", "image", INPUTS(IN(U8, SHAPE(2, 7, 5, 3), .high = 255)), .adjust = normalise},
    {"grey", "image", INPUTS(IN(U8, SHAPE(1, 6, 9, 1), .high = 255)), .adjust = normalise},
    {"not a number", "image", INPUTS(IN(U8, SHAPE(1, 6, 9, 1))), .adjust = divide_by_zero,
        .fails = "finite"},
    {"five channels", "image", INPUTS(IN(U8, SHAPE(1, 6, 9, 5))), .fails = "1..4 channels"},
    {"floats", "image", INPUTS(F32(1, 6, 9, 3)), .fails = "UINT8"},
};
E2B_OP_CASES(image, cases);
