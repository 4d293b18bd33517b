#include "runtime/engine/bind.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define NODES 12

/* A chain of blocks, each read by the next node, with scratch at every third. */
struct chain {
    struct e2b_storage storages[NODES + 1];
    struct e2b_graph graph;
    struct e2b_launch_list lists[NODES];
    struct e2b_traits traits;
};

static void make_chain(struct chain *chain) {
    *chain = (struct chain){.traits = {.device = "testing", .base_align_bytes = 128}};
    for (int i = 0; i <= NODES; i++)
        chain->storages[i] =
            (struct e2b_storage){.kind = i == 0 ? E2B_STORAGE_INPUT : E2B_STORAGE_ARENA,
                .bytes = 100 * (i + 1),
                .first = i > 0 ? i - 1 : 0,
                .last = i < NODES ? i : NODES - 1};
    for (int i = 0; i < NODES; i += 3) {
        chain->lists[i].scratch_count = 2;
        chain->lists[i].scratch[0] = (struct e2b_scratch){.bytes = 300, .zeroed = true};
        chain->lists[i].scratch[1] = (struct e2b_scratch){.bytes = 50};
        chain->lists[i].scratch[1].persistent = i == 6;
    }
    chain->graph = (struct e2b_graph){
        .batch = 1, .node_count = NODES, .storages = chain->storages, .storage_count = NODES + 1};
}

static bool apart(int64_t a, int64_t a_bytes, int64_t b, int64_t b_bytes) {
    return a + a_bytes <= b || b + b_bytes <= a;
}

static void what_lives_together_lies_apart(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_memory_layout layout = {0};
    struct chain chain;
    make_chain(&chain);
    assert_ok(e2b_memory_layout_init(&layout, &chain.graph, chain.lists, &chain.traits, &err), err);
    assert_int_equal(layout.storage_offset[0], -1);
    int64_t total = 0;
    for (int i = 1; i <= NODES; i++) {
        total += chain.storages[i].bytes;
        assert_int_equal(layout.storage_offset[i] % 128, 0);
        assert_true(layout.storage_offset[i] + chain.storages[i].bytes <= layout.arena_bytes);
        if (i > 1)
            assert_true(apart(layout.storage_offset[i], chain.storages[i].bytes,
                layout.storage_offset[i - 1], chain.storages[i - 1].bytes));
    }
    assert_true(layout.arena_bytes < total);
    for (int i = 1; i <= NODES; i++)
        assert_true(apart(
            layout.scratch_offset[6][1], 50, layout.storage_offset[i], chain.storages[i].bytes));
    for (int i = 0; i < NODES; i += 3) {
        assert_true(apart(layout.scratch_offset[i][0], 300, layout.scratch_offset[i][1], 50));
        assert_true(apart(layout.scratch_offset[i][0], 300, layout.storage_offset[i + 1],
            chain.storages[i + 1].bytes));
    }
    e2b_memory_layout_finish(&layout);
}

static void an_arena_beyond_the_device_is_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_memory_layout layout = {0};
    struct chain chain;
    make_chain(&chain);
    chain.traits.max_buffer_bytes = 1000;
    assert_fails(e2b_memory_layout_init(&layout, &chain.graph, chain.lists, &chain.traits, &err),
        E2B_NO_MEMORY, "smaller batch sizes", err);
    e2b_memory_layout_finish(&layout);
}

static void zeroed_scratch_is_marked(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_memory_layout layout = {0};
    struct chain chain;
    struct e2b_step step = {0};
    make_chain(&chain);
    assert_ok(e2b_memory_layout_init(&layout, &chain.graph, chain.lists, &chain.traits, &err), err);
    struct e2b_binder binder = {
        .graph = &chain.graph, .node = 3, .list = &chain.lists[3], .memory = &layout};
    e2b_bind_zeroed(&binder, &step);
    assert_int_equal(step.zero_offset, layout.scratch_offset[3][0]);
    assert_int_equal(step.zero_bytes, 300);
    binder.list = &chain.lists[1];
    binder.node = 1;
    e2b_bind_zeroed(&binder, &step);
    assert_int_equal(step.zero_bytes, 0);
    e2b_memory_layout_finish(&layout);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lives_together_lies_apart),
        cmocka_unit_test(an_arena_beyond_the_device_is_refused),
        cmocka_unit_test(zeroed_scratch_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
