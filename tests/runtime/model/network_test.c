#include "runtime/model/network.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

static const struct e2b_op op = {.name = "test", .params_bytes = sizeof(int)};

/* A node that reads values a and b (or -1) and makes a new value, which it returns. */
static int add(struct e2b_network *net, const char *name, int a, int b) {
    struct e2b_error err = {0};
    int value = e2b_network_add_value(net, name, &err);
    int node = e2b_network_add_node(net, &op, name, 2, 1, &err);
    assert_true(value >= 0 && node >= 0);
    net->graph.nodes[node].inputs[0] = a;
    net->graph.nodes[node].inputs[1] = b;
    e2b_network_set_output(net, node, 0, value);
    return value;
}

static void set_output(struct e2b_network *net, int value) {
    net->graph.outputs = calloc(1, sizeof *net->graph.outputs);
    net->graph.outputs[0] = value;
    net->graph.output_count = 1;
}

static void tidy_orders_and_drops(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_network *net = e2b_network_create(NULL);
    int x = e2b_network_add_value(net, "x", &err);
    int late = e2b_network_add_value(net, "late", &err);
    int a = add(net, "a", x, -1);
    int sum = add(net, "sum", a, late);
    add(net, "unused", a, -1);
    int inserted = add(net, "inserted", a, -1);
    e2b_network_replace(net, late, inserted);
    set_output(net, sum);
    assert_int_equal(e2b_network_use_count(net, a), 3);
    assert_ok(e2b_network_tidy(net, &err), err);
    assert_int_equal(net->graph.node_count, 3);
    assert_string_equal(net->graph.nodes[0].name, "a");
    assert_string_equal(net->graph.nodes[1].name, "inserted");
    assert_string_equal(net->graph.nodes[2].name, "sum");
    assert_int_equal(net->graph.values[sum].producer, 2);
    assert_int_equal(e2b_network_use_count(net, sum), 1);
    e2b_network_destroy(net);
}

static void cycle_is_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_network *net = e2b_network_create(NULL);
    int later = e2b_network_add_value(net, "later", &err);
    int a = add(net, "a", later, -1), b = add(net, "b", a, -1);
    e2b_network_replace(net, later, b);
    set_output(net, b);
    assert_fails(e2b_network_tidy(net, &err), E2B_INVALID, "cycle", err);
    e2b_network_destroy(net);
}

/* Long enough to break a recursive sort. */
static void long_chain_backwards(void **state) {
    (void)state;
    enum { LENGTH = 200000 };
    struct e2b_error err = {0};
    struct e2b_network *net = e2b_network_create(NULL);
    for (int i = 0; i <= LENGTH; i++)
        assert_int_equal(e2b_network_add_value(net, "v", &err), i);
    for (int i = 0; i < LENGTH; i++) {
        int node = e2b_network_add_node(net, &op, "n", 1, 1, &err);
        net->graph.nodes[node].inputs[0] = i + 1;
        e2b_network_set_output(net, node, 0, i);
    }
    set_output(net, 0);
    assert_ok(e2b_network_tidy(net, &err), err);
    assert_int_equal(net->graph.node_count, LENGTH);
    assert_int_equal(net->graph.values[0].producer, LENGTH - 1);
    e2b_network_destroy(net);
}

static void copies_are_independent(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_network *net = e2b_network_create(NULL);
    int x = e2b_network_add_value(net, "x", &err);
    set_output(net, add(net, "a", x, -1));
    *(int *)net->graph.nodes[0].params = 5;
    struct e2b_network *copy = e2b_network_copy(net);
    assert_int_equal(*(int *)copy->graph.nodes[0].params, 5);
    *(int *)copy->graph.nodes[0].params = 6;
    copy->graph.nodes[0].inputs[0] = -1;
    assert_ok(e2b_network_grow_inputs(copy, 0, 4, &err), err);
    assert_int_equal(copy->graph.nodes[0].inputs[3], -1);
    assert_int_equal(*(int *)net->graph.nodes[0].params, 5);
    assert_int_equal(net->graph.nodes[0].inputs[0], x);
    e2b_network_destroy(net);
    e2b_network_destroy(copy);
    e2b_network_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tidy_orders_and_drops),
        cmocka_unit_test(cycle_is_refused),
        cmocka_unit_test(long_chain_backwards),
        cmocka_unit_test(copies_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
