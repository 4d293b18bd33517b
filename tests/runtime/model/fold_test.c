#include "runtime/model/fold.h"

#include "runtime/model/model.h"
#include "runtime/model/specialise.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static struct e2b_graph_options options_for(int batch) {
    return (struct e2b_graph_options){
        .batch = batch, .precision = E2B_F32, .channel_align = 1, .image = {.input = -1}};
}

static struct e2b_network *specialise(struct e2b_model *model, int batch) {
    struct e2b_error err = {0};
    struct e2b_network *net;
    const struct e2b_graph_options options = options_for(batch);
    assert_ok(e2b_specialise(model, &options, &net, &err), err);
    return net;
}

/* y = Reshape(x, Concat(Slice(Shape(x), 0..1), [-1])): how exporters write Flatten. */
static void shape_arithmetic_costs_no_node(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4));
    e2b_builder_ints(builder, "zero", 1, (const int64_t[]){0});
    e2b_builder_ints(builder, "one", 1, (const int64_t[]){1});
    e2b_builder_ints(builder, "rest", 1, (const int64_t[]){-1});
    e2b_builder_node(builder, "Shape", "x", "shape");
    e2b_builder_node(builder, "Slice", "shape,zero,one", "n");
    e2b_builder_attr_int(
        builder, e2b_builder_node(builder, "Concat", "n,rest", "target"), "axis", 0);
    e2b_builder_node(builder, "Reshape", "x,target", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_network *net = specialise(model, 5);
    assert_int_equal(net->graph.node_count, 1);
    const struct e2b_shape *shape = &net->graph.values[net->graph.outputs[0]].tensor.shape;
    assert_true(e2b_shape_equal(shape, E2B_SHAPE(5, 12)));
    e2b_network_destroy(net);
    e2b_model_destroy(model);
}

/* Large enough not to be shared by content. */
static void batch_sizes_share_what_was_folded(void **state) {
    (void)state;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 5000));
    e2b_builder_floats(builder, "a", E2B_SHAPE(5000), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(5000), NULL);
    e2b_builder_node(builder, "Add", "a,b", "ab");
    e2b_builder_node(builder, "Add", "x,ab", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder);
    struct e2b_network *one = specialise(model, 1), *eight = specialise(model, 8);
    assert_int_equal(one->graph.node_count, 1);
    const struct e2b_constant *made = one->graph.values[one->graph.nodes[0].inputs[1]].constant;
    assert_non_null(made);
    assert_ptr_equal(made, eight->graph.values[eight->graph.nodes[0].inputs[1]].constant);
    assert_int_equal(made->dtype, E2B_F32);
    e2b_network_destroy(one);
    e2b_network_destroy(eight);
    e2b_model_destroy(model);
}

static void endless_work_is_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 1));
    e2b_builder_ints(builder, "huge", 2, (const int64_t[]){1 << 15, 1 << 15});
    e2b_builder_node(builder, "ConstantOfShape", "huge", "zeros");
    e2b_builder_node(builder, "Add", "x,zeros", "y");
    e2b_builder_output(builder, "y");
    assert_fails(e2b_builder_parse(builder, &model, &err), E2B_TOO_LARGE, "zeros", err);
    e2b_builder_destroy(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shape_arithmetic_costs_no_node),
        cmocka_unit_test(batch_sizes_share_what_was_folded),
        cmocka_unit_test(endless_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
