#include "runtime/engine/entry.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <stdlib.h>

static const char text[] = "__kernel void add(__global float *x, uint x_at, __global float *y,\n"
                           "    uint y_at, __global float *w, __global float *b, int n) {\n}\n"
                           "__kernel void owns(__global float *y) {\n    __local float a[4];\n}\n";
static const struct e2b_source source = {"a.cl", text, sizeof text - 1};

static void each_buffer_is_taken_once(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_launch_list list = {0};
    struct e2b_device *device = fixture_sim();
    struct e2b_programs *programs;
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    struct e2b_launch *launch = e2b_launch_add(&list, &source, "add", "%s", "");
    e2b_launch_input(launch, 0);
    e2b_launch_output(launch, 0);
    e2b_launch_packed(launch, 0);
    e2b_launch_packed(launch, 1);
    e2b_launch_int(launch, 5);
    struct e2b_buffer *block = (struct e2b_buffer *)&list;
    struct e2b_step step = {.launch = *launch,
        .args = {{.place = E2B_PLACE_GRAPH_INPUT, .offset = 7, .slot_stride = 100},
            {.place = E2B_PLACE_ARENA, .offset = 64},
            {.place = E2B_PLACE_WEIGHTS, .without_offset = true, .packed = {block, NULL, 0}},
            {.place = E2B_PLACE_WEIGHTS, .without_offset = true, .packed = {block, NULL, 4096}},
            {.is_value = true, .value = 5}}};
    struct e2b_entry *entry = e2b_entry_create(programs, &step);
    assert_non_null(entry);
    assert_int_equal(step.program, 0);
    const int buffers[] = {0, 1, 2};
    const int32_t words[] = {7, 64, 0, 4096 / E2B_PACKED_ALIGN, 5};
    assert_int_equal(entry->buffer_count, 3);
    assert_memory_equal(entry->buffers, buffers, sizeof buffers);
    assert_memory_equal(entry->words, words, sizeof words);
    free(entry);
    entry = e2b_entry_create(programs, &step);
    assert_int_equal(step.program, 0);
    free(entry);
    e2b_launch_list_finish(&list);
    e2b_programs_destroy(programs);
    device->ops->destroy(device);
}

static void only_devices_that_gain_have_entries(void **state) {
    (void)state;
    struct e2b_launch_list list = {0};
    struct e2b_launch add = *e2b_launch_add(&list, &source, "add", "%s", "");
    struct e2b_launch owns = *e2b_launch_add(&list, &source, "owns", "%s", "");
    const struct e2b_traits few = {.few_arguments = true}, any = {0};
    assert_true(e2b_entry_suits(&few, &add));
    assert_false(e2b_entry_suits(&few, &owns));
    assert_false(e2b_entry_suits(&any, &add));
    e2b_launch_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_buffer_is_taken_once),
        cmocka_unit_test(only_devices_that_gain_have_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
