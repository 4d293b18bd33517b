#include "kernels/activation.h"
#include "runtime/model/passes.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

static const struct e2b_graph_options options = {.batch = 2,
    .precision = E2B_F32,
    .channel_align = 4,
    .image = {.input = -1},
    .stage = E2B_GRAPH_FUSED};

struct step {
    const char *type, *inputs, *output;
};

/* The chain over input x, which is not in the graph's first node so that x is itself computed. */
static struct e2b_graph *make(const struct step *steps, struct e2b_model **model, int64_t opset) {
    struct e2b_builder *builder = e2b_builder_create(opset);
    e2b_builder_input(builder, "in", E2B_F32, E2B_SHAPE(-1, 40));
    e2b_builder_input(builder, "in2", E2B_F32, E2B_SHAPE(-1, 40));
    static const struct {
        const char *name;
        float value;
    } scalars[] = {{"half", 0.5f}, {"one", 1}, {"three", 3}, {"six", 6}, {"sixth", 1.0f / 6},
        {"zero", 0}, {"root2", 1.41421356f}, {"cubic", 0.044715f}, {"factor", 0.7978845608f}};
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++)
        e2b_builder_scalar(builder, scalars[i].name, scalars[i].value);
    e2b_builder_node(builder, "Add", "in,in2", "x");
    for (; steps->type; steps++)
        e2b_builder_node(builder, steps->type, steps->inputs, steps->output);
    e2b_builder_output(builder, "y");
    *model = e2b_builder_model(builder);
    return e2b_check_graph(*model, &options, 1e-5);
}

static void expect(const struct step *steps, enum e2b_activation_kind kind) {
    struct e2b_model *model;
    struct e2b_graph *graph = make(steps, &model, 13);
    assert_int_equal(graph->node_count, 1);
    const struct e2b_epilogue *epilogue = e2b_node_epilogue(&graph->nodes[0]);
    assert_non_null(epilogue);
    assert_int_equal(epilogue->activation.kind, kind);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void known_chains_become_one_activation(void **state) {
    (void)state;
    expect((const struct step[]){{"Sigmoid", "x", "s"}, {"Mul", "s,x", "y"}, {0}}, E2B_ACT_SILU);
    expect((const struct step[]){{"Add", "x,three", "a"}, {"Clip", "a,zero,six", "b"},
               {"Div", "b,six", "c"}, {"Mul", "x,c", "y"}, {0}},
        E2B_ACT_HARD_SWISH);
    expect((const struct step[]){{"Add", "three,x", "a"}, {"Clip", "a,zero,six", "b"},
               {"Mul", "b,x", "c"}, {"Div", "c,six", "y"}, {0}},
        E2B_ACT_HARD_SWISH);
    expect((const struct step[]){{"Add", "x,three", "a"}, {"Clip", "a,zero,six", "b"},
               {"Mul", "b,sixth", "y"}, {0}},
        E2B_ACT_HARD_SIGMOID);
    expect((const struct step[]){{"Div", "x,root2", "a"}, {"Erf", "a", "b"}, {"Add", "b,one", "c"},
               {"Mul", "x,c", "d"}, {"Mul", "d,half", "y"}, {0}},
        E2B_ACT_GELU);
    expect((const struct step[]){{"Div", "x,root2", "a"}, {"Erf", "a", "b"}, {"Add", "b,one", "c"},
               {"Mul", "x,half", "d"}, {"Mul", "d,c", "y"}, {0}},
        E2B_ACT_GELU);
    expect((const struct step[]){{"Pow", "x,three", "a"}, {"Mul", "a,cubic", "b"},
               {"Add", "x,b", "c"}, {"Mul", "c,factor", "d"}, {"Tanh", "d", "e"},
               {"Add", "e,one", "f"}, {"Mul", "x,half", "g"}, {"Mul", "g,f", "y"}, {0}},
        E2B_ACT_GELU_TANH);
}

static void other_chains_stay(void **state) {
    (void)state;
    struct e2b_model *model;
    struct e2b_graph *graph =
        make((const struct step[]){{"Sigmoid", "x", "s"}, {"Mul", "s,in", "y"}, {0}}, &model, 13);
    assert_int_equal(e2b_count_nodes(graph, "binary"), 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
    graph = make((const struct step[]){{"Sigmoid", "x", "s"}, {"Mul", "s,x", "m"},
                     {"Mul", "m,six", "y"}, {0}},
        &model, 13);
    assert_int_equal(e2b_count_nodes(graph, "binary"), 2);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_chains_become_one_activation),
        cmocka_unit_test(other_chains_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
