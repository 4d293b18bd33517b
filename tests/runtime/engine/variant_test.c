#include "runtime/engine/variant.h"
#include "tests/support.h"

#include <string.h>

static int five(const struct e2b_call *call) {
    (void)call;
    return 5;
}

static bool accepts_large(const struct e2b_call *call, char *reason, size_t bytes) {
    bool large = call->outputs[0].tensor.shape.dims[0] >= 100;
    snprintf(reason, bytes, "too small");
    return large;
}

static enum e2b_status emit_one(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    struct e2b_launch *launch = e2b_launch_add(out, NULL, "one", "-DC=%d", call->candidate);
    return launch ? E2B_OK : e2b_fail_memory(err, "a launch");
}

static enum e2b_status emit_failing(
    const struct e2b_call *call, struct e2b_launch_list *out, struct e2b_error *err) {
    (void)call;
    (void)out;
    return e2b_fail(err, E2B_UNSUPPORTED, "cannot");
}

static const struct e2b_variant variants[] = {
    {.name = "large", .accepts = accepts_large, .emit = emit_one},
    {.name = "any", .candidates = five, .emit = emit_one}, {.name = "broken", .emit = emit_failing},
    {0}};
static const struct e2b_op op = {.name = "fake", .variants = variants};

static bool large_yields(const struct e2b_variant *variant, const struct e2b_call *call) {
    return variant == &variants[0] && call->outputs[0].tensor.shape.dims[0] < 1000;
}
static const struct e2b_op choosy = {
    .name = "fake", .variants = variants, .yields = large_yields};
static const struct e2b_op bare = {.name = "bare"};

struct one_node {
    struct e2b_value values[2];
    struct e2b_node node;
    struct e2b_graph graph;
    struct e2b_traits traits;
    struct e2b_launch_list list;
    const char *variant;
    int inputs[1], outputs[1];
};

static void make(struct one_node *one, const struct e2b_op *of, int64_t elements) {
    *one = (struct one_node){.inputs = {0}, .outputs = {1}, .traits = {.device = "testing"}};
    for (int i = 0; i < 2; i++) {
        one->values[i].tensor = (struct e2b_tensor){.dtype = E2B_F32, .shape = {1, {elements}}};
        e2b_tensor_set_dense(&one->values[i].tensor, 1);
    }
    one->node = (struct e2b_node){.op = of,
        .name = "n",
        .input_count = 1,
        .output_count = 1,
        .inputs = one->inputs,
        .outputs = one->outputs};
    one->graph = (struct e2b_graph){.batch = 1,
        .precision = E2B_F32,
        .values = one->values,
        .value_count = 2,
        .nodes = &one->node,
        .node_count = 1};
}

static enum e2b_status emit(struct one_node *one, const char *force, int candidate,
    struct e2b_text *explain, struct e2b_error *err) {
    const struct e2b_variant_request request = {.graph = &one->graph,
        .traits = &one->traits,
        .force = force,
        .candidate = candidate,
        .explain = explain};
    e2b_launch_list_finish(&one->list);
    return e2b_variant_emit(&request, &one->list, &one->variant, err);
}

static void the_first_that_accepts_is_chosen_with_reasons(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_text explain = {0};
    struct one_node one;
    make(&one, &op, 100);
    assert_ok(emit(&one, NULL, 0, NULL, &err), err);
    assert_string_equal(one.variant, "large");
    e2b_launch_list_finish(&one.list);
    make(&one, &op, 99);
    assert_ok(emit(&one, NULL, 3, &explain, &err), err);
    assert_string_equal(one.variant, "any");
    assert_string_equal(one.list.launches[0].options, "-DC=0");
    assert_non_null(strstr(explain.data, "refused large: too small"));
    e2b_text_finish(&explain);
    e2b_launch_list_finish(&one.list);
}

static void a_variant_that_yields_runs_only_by_force(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_text explain = {0};
    struct one_node one;
    make(&one, &choosy, 1000);
    assert_ok(emit(&one, NULL, 0, NULL, &err), err);
    assert_string_equal(one.variant, "large");
    e2b_launch_list_finish(&one.list);
    make(&one, &choosy, 999);
    assert_ok(emit(&one, NULL, 0, &explain, &err), err);
    assert_string_equal(one.variant, "any");
    assert_non_null(strstr(explain.data, "large: a later one is expected to be faster"));
    assert_ok(emit(&one, "fake.large", 0, NULL, &err), err);
    assert_string_equal(one.variant, "large");
    e2b_text_finish(&explain);
    e2b_launch_list_finish(&one.list);
}

static void a_forced_variant_runs_with_its_candidate_or_not_at_all(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct one_node one;
    make(&one, &op, 100);
    assert_ok(emit(&one, "fake.any", 2, NULL, &err), err);
    assert_string_equal(one.variant, "any");
    assert_string_equal(one.list.launches[0].options, "-DC=2");
    assert_ok(emit(&one, "other.any", 2, NULL, &err), err);
    assert_string_equal(one.variant, "large");
    assert_fails(emit(&one, "fake.none", 0, NULL, &err), E2B_UNSUPPORTED, "no fake kernel", err);
    assert_fails(emit(&one, "fake.broken", 0, NULL, &err), E2B_UNSUPPORTED,
        "cannot: while planning node \"n\"", err);
    e2b_launch_list_finish(&one.list);
    make(&one, &op, 99);
    assert_fails(emit(&one, "fake.large", 0, NULL, &err), E2B_UNSUPPORTED, "too small", err);
}

/* Stores a choice for the node, with the fingerprint of what it emits now. */
static void store(struct e2b_tuning *tuning, const struct one_node *one, struct e2b_tuned tuned) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    struct e2b_error err = {0};
    struct e2b_text key = {0};
    struct e2b_launch_list list = {0};
    const struct e2b_variant_request request = {.graph = &one->graph, .traits = &one->traits};
    e2b_variant_call(&request, inputs, outputs, &call);
    call.candidate = tuned.candidate;
    assert_ok(emit_one(&call, &list, &err), err);
    tuned.fingerprint += e2b_tuning_fingerprint(&list);
    e2b_tuning_key(&call, &key);
    assert_ok(e2b_tuning_put(tuning, key.data, &tuned, &err), err);
    e2b_launch_list_finish(&list);
    e2b_text_finish(&key);
}

static void what_tuning_found_is_taken_while_it_holds(void **state) {
    (void)state;
    static const struct {
        struct e2b_tuned tuned;
        const char *force, *variant, *options;
    } rows[] = {{{"any", 3, 1, 1, 0}, NULL, "any", "-DC=3"},
        {{"any", 3, 1, 1, 0}, "fake.large", "large", "-DC=1"},
        {{"any", 3, 1, 1, 0}, "other.large", "any", "-DC=3"},
        {{"any", 5, 1, 1, 0}, NULL, "large", "-DC=0"},  /* there are but five */
        {{"any", 3, 1, 1, 99}, NULL, "large", "-DC=0"}, /* launches have changed */
        {{"gone", 0, 1, 1, 0}, NULL, "large", "-DC=0"},
        {{"broken", 0, 1, 1, 0}, NULL, "large", "-DC=0"}};
    struct e2b_error err = {0};
    struct e2b_tuning *tuning;
    struct one_node one;
    make(&one, &op, 100);
    assert_ok(e2b_tuning_create("testing", &tuning, &err), err);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct e2b_text explain = {0};
        store(tuning, &one, rows[i].tuned);
        const struct e2b_variant_request request = {.graph = &one.graph,
            .traits = &one.traits,
            .force = rows[i].force,
            .candidate = 1,
            .tuning = tuning,
            .explain = &explain};
        assert_ok(e2b_variant_emit(&request, &one.list, &one.variant, &err), err);
        assert_string_equal(one.variant, rows[i].variant);
        assert_int_equal(one.list.launch_count, 1);
        assert_string_equal(one.list.launches[0].options, rows[i].options);
        bool tuned = !strcmp(rows[i].options, "-DC=3");
        assert_int_equal(strstr(explain.data, "tuned, candidate 3") != NULL, tuned);
        e2b_text_finish(&explain);
        e2b_launch_list_finish(&one.list);
    }
    e2b_tuning_destroy(tuning);
}

static void an_operator_without_kernels_is_named(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct one_node one;
    make(&one, &bare, 4);
    assert_fails(emit(&one, NULL, 0, NULL, &err), E2B_UNSUPPORTED, "device \"testing\"", err);
}

static void float_constants_are_seen_in_the_graphs_precision(void **state) {
    (void)state;
    const float values[4] = {0};
    const struct e2b_constant constant = {
        .id = 1, .dtype = E2B_F32, .shape = {1, {4}}, .data = values};
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    struct one_node one;
    make(&one, &op, 4);
    one.graph.precision = E2B_F16;
    one.values[0].constant = &constant;
    const struct e2b_variant_request request = {.graph = &one.graph, .traits = &one.traits};
    e2b_variant_call(&request, inputs, outputs, &call);
    assert_int_equal(call.inputs[0].tensor.dtype, E2B_F16);
    assert_int_equal(call.outputs[0].tensor.dtype, E2B_F32);
    assert_ptr_equal(call.traits, &one.traits);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_accepts_is_chosen_with_reasons),
        cmocka_unit_test(a_variant_that_yields_runs_only_by_force),
        cmocka_unit_test(a_forced_variant_runs_with_its_candidate_or_not_at_all),
        cmocka_unit_test(what_tuning_found_is_taken_while_it_holds),
        cmocka_unit_test(an_operator_without_kernels_is_named),
        cmocka_unit_test(float_constants_are_seen_in_the_graphs_precision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
