#include "kernels/op.h"

#include "tests/support.h"

#include <string.h>

static void operators_are_complete(void **state) {
    (void)state;
    for (const struct e2b_op *const *op = e2b_op_all(); *op; op++) {
        bool on_device = (*op)->layout != E2B_LAYOUT_HOST && (*op)->layout != E2B_LAYOUT_VIEW;
        if (!(*op)->infer || !(*op)->reference)
            fail_msg("%s lacks its shape rule or reference", (*op)->name);
        if (on_device && (!(*op)->variants || !(*op)->variants[0].name))
            fail_msg("%s has no variants", (*op)->name);
        if ((*op)->onnx && !(*op)->import)
            fail_msg("%s reads ONNX but has no import", (*op)->name);
        if ((*op)->has_epilogue && (*op)->epilogue_offset + 8 > (*op)->params_bytes)
            fail_msg("%s: its epilogue lies outside its parameters", (*op)->name);
    }
}

static void names_are_unique(void **state) {
    (void)state;
    for (const struct e2b_op *const *op = e2b_op_all(); *op; op++) {
        assert_ptr_equal(e2b_op_find((*op)->name), *op);
        for (const char *const *type = (*op)->onnx; type && *type; type++)
            if (e2b_op_for_onnx(*type) != *op)
                fail_msg("%s is read by two operators", *type);
    }
}

static void operators_are_found(void **state) {
    (void)state;
    assert_string_equal(e2b_op_for_onnx("Conv")->name, "conv");
    assert_string_equal(e2b_op_for_onnx("MatMul")->name, "matmul");
    assert_null(e2b_op_find("Conv"));
    assert_null(e2b_op_for_onnx("NoSuchOp"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_are_complete),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(operators_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
