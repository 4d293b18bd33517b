#include "runtime/model/onnx_read.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

/* x -> Relu -> y */
static struct e2b_builder *base(int64_t opset) {
    struct e2b_builder *builder = e2b_builder_create(opset);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4));
    e2b_builder_output(builder, "y");
    return builder;
}

static void refuses(struct e2b_builder *builder, enum e2b_status status, const char *message) {
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    assert_fails(e2b_builder_parse(builder, &model, &err), status, message, err);
    assert_null(model);
    e2b_builder_destroy(builder);
}

static void unknown_operator_is_named(void **state) {
    (void)state;
    struct e2b_builder *builder = base(13);
    e2b_builder_node(builder, "Foo", "x", "y")->name = (char *)"n1";
    refuses(builder, E2B_UNSUPPORTED, "node \"n1\": operator \"Foo\" (opset 13) is not supported");
    builder = base(13);
    e2b_builder_node(builder, "Relu", "x", "y")->domain = (char *)"com.example";
    refuses(builder, E2B_UNSUPPORTED, "\"com.example.Relu\"");
    builder = base(13);
    e2b_builder_node(builder, "Relu", "x", "y")->domain = (char *)"ai.onnx";
    e2b_model_destroy(e2b_builder_model(builder));
}

static void opset_is_checked(void **state) {
    (void)state;
    struct e2b_builder *builder = base(6);
    e2b_builder_node(builder, "Relu", "x", "y");
    refuses(builder, E2B_UNSUPPORTED, "opset 6");
    builder = base(99);
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_model_destroy(e2b_builder_model(builder));
}

static void broken_wiring_is_named(void **state) {
    (void)state;
    struct e2b_builder *builder = base(13);
    e2b_builder_node(builder, "Add", "x,nothing", "y");
    refuses(builder, E2B_INVALID, "input \"nothing\"");
    builder = base(13);
    e2b_builder_node(builder, "Add", "x,b", "a");
    e2b_builder_node(builder, "Relu", "a", "b");
    e2b_builder_node(builder, "Relu", "b", "y");
    refuses(builder, E2B_INVALID, "cycle");
    builder = base(13);
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_builder_node(builder, "Relu", "x", "y");
    refuses(builder, E2B_INVALID, "\"y\" is given twice");
    builder = base(13);
    e2b_builder_node(builder, "Relu", "x", "z");
    refuses(builder, E2B_INVALID, "output \"y\"");
    builder = base(13);
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4));
    refuses(builder, E2B_INVALID, "\"x\" is given twice");
}

static void inputs_are_checked(void **state) {
    (void)state;
    struct e2b_builder *builder = base(13);
    e2b_builder_input(builder, "z", E2B_F32, E2B_SHAPE(-1, -1));
    refuses(builder, E2B_UNSUPPORTED, "\"z\": dimension 1 is free");
    builder = base(13);
    e2b_builder_input(builder, "z", E2B_F32, E2B_SHAPE(1, 4));
    refuses(builder, E2B_UNSUPPORTED, "\"z\" has a fixed dimension 0");
    builder = base(13);
    e2b_builder_proto(builder)->graph->input[0]->type->tensor_type->elem_type = 8;
    refuses(builder, E2B_UNSUPPORTED, "type 8");
    builder = base(13);
    e2b_builder_proto(builder)->graph->input[0]->type = NULL;
    refuses(builder, E2B_UNSUPPORTED, "not a tensor");
    builder = base(13);
    e2b_builder_proto(builder)->graph->n_input = 0;
    refuses(builder, E2B_INVALID, "no input");
}

/* Old files list weights among the inputs; nodes may come in any order. */
static void weights_among_inputs_and_any_order(void **state) {
    (void)state;
    struct e2b_builder *builder = base(8);
    e2b_builder_input(builder, "b", E2B_F32, E2B_SHAPE(4));
    e2b_builder_floats(builder, "b", E2B_SHAPE(4), NULL);
    e2b_builder_node(builder, "Relu", "s", "y");
    e2b_builder_node(builder, "Add", "x,b", "s");
    struct e2b_model *model = e2b_builder_model(builder);
    assert_int_equal(e2b_model_input_count(model), 1);
    assert_string_equal(e2b_model_input(model, 0)->name, "x");
    e2b_model_destroy(model);
}

static void garbage_is_no_model(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    assert_fails(
        e2b_model_parse("garbage!", 8, NULL, &model, &err), E2B_INVALID, "not an ONNX", err);
    assert_fails(e2b_model_parse("", 0, NULL, &model, &err), E2B_INVALID, "not an ONNX", err);
    struct e2b_builder *builder = base(13);
    e2b_builder_floats(builder, "b", E2B_SHAPE(4), NULL);
    e2b_builder_node(builder, "Add", "x,b", "y");
    size_t count;
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    for (size_t cut = 0; cut < count; cut++) {
        assert_int_not_equal(e2b_model_parse(bytes, cut, NULL, &model, &err), E2B_OK);
        assert_true(strlen(err.text) > 0 && !strchr(err.text, '\n'));
        e2b_error_clear(&err);
    }
    free(bytes);
    e2b_builder_destroy(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_operator_is_named),
        cmocka_unit_test(opset_is_checked),
        cmocka_unit_test(broken_wiring_is_named),
        cmocka_unit_test(inputs_are_checked),
        cmocka_unit_test(weights_among_inputs_and_any_order),
        cmocka_unit_test(garbage_is_no_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
