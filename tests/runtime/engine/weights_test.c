#include "backends/sim/sim.h"
#include "runtime/engine/weights.h"
#include "runtime/model/constants.h"
#include "tests/support.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_int packed;

static void pack_doubled(const struct e2b_packing *packing, void *to) {
    const float *from = packing->from[0]->data;
    for (size_t i = 0; i < packing->bytes / sizeof(float); i++)
        ((float *)to)[i] = 2 * from[i];
    packed++;
}

static const float values[] = {1, 2, 3};
static const struct e2b_constant constant = {
    .id = 1, .dtype = E2B_F32, .shape = {1, {3}}, .data = values};
static const struct e2b_constant other = {
    .id = 2, .dtype = E2B_F32, .shape = {1, {3}}, .data = values};

static struct e2b_packing packing_of(const struct e2b_constant *from, const char *key) {
    struct e2b_packing packing = {.from = {from}, .bytes = sizeof values, .pack = pack_doubled};
    snprintf(packing.key, sizeof packing.key, "%s", key);
    return packing;
}

struct fixture {
    struct e2b_device *device;
    struct e2b_weights *weights;
};

static struct fixture open_on(const struct e2b_traits *traits) {
    struct fixture fixture = {0};
    struct e2b_error err = {0};
    const struct e2b_sim_options options = {.traits = traits};
    assert_ok(e2b_sim_create(&options, &fixture.device, &err), err);
    assert_ok(e2b_weights_create(fixture.device, &fixture.weights, &err), err);
    packed = 0;
    return fixture;
}

static struct fixture open_fixture(void) {
    return open_on(NULL);
}

static void close_fixture(struct fixture *fixture) {
    e2b_weights_destroy(fixture->weights);
    assert_int_equal(e2b_sim_objects(fixture->device).buffers, 0);
    assert_int_equal(e2b_sim_objects(fixture->device).queues, 0);
    fixture->device->ops->destroy(fixture->device);
}

static void a_packing_is_done_once(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    struct e2b_packed placed[4];
    const struct e2b_packing packings[] = {packing_of(&constant, "a"), packing_of(&constant, "a"),
        packing_of(&constant, "b"), packing_of(&other, "a")};
    for (int i = 0; i < 4; i++)
        assert_ok(e2b_weights_get(fixture.weights, &packings[i], &placed[i], &err), err);
    assert_int_equal(placed[0].offset, placed[1].offset);
    assert_int_not_equal(placed[0].offset, placed[2].offset);
    assert_int_not_equal(placed[0].offset, placed[3].offset);
    assert_int_equal(packed, 3);
    assert_int_equal(e2b_weights_bytes(fixture.weights), 3 * sizeof values);
    close_fixture(&fixture);
}

static void read_at(const struct fixture *fixture, struct e2b_buffer *buffer, size_t offset,
    float *to, size_t bytes) {
    const struct e2b_device_ops *ops = fixture->device->ops;
    struct e2b_error err = {0};
    struct e2b_queue *queue;
    assert_ok(ops->queue_create(fixture->device, &queue, &err), err);
    assert_ok(ops->enqueue_read(queue, buffer, offset, to, bytes, NULL, &err), err);
    assert_ok(ops->finish(queue, &err), err);
    ops->queue_destroy(fixture->device, queue);
}

static void check_content(struct fixture fixture) {
    struct e2b_error err = {0};
    const struct e2b_packing packing = packing_of(&constant, "a");
    struct e2b_packed placed;
    float got[3] = {0};
    assert_ok(e2b_weights_get(fixture.weights, &packing, &placed, &err), err);
    read_at(&fixture, placed.block, placed.offset, got, sizeof got);
    for (int i = 0; i < 3; i++)
        assert_true(got[i] == 2 * values[i]);
    close_fixture(&fixture);
}

static void the_device_gets_what_was_packed(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_traits unified = fixture.device->traits;
    unified.host_unified = true;
    check_content(fixture);
    check_content(open_on(&unified));
}

enum { COUNT = 5000 }; /* too many to be kept in memory */

/* 0, 1, 2 ... in a new file. */
static const struct e2b_constant *store_numbers(
    struct e2b_constants *store, char *path, float numbers[COUNT]) {
    const struct e2b_shape shape = {1, {COUNT}};
    const struct e2b_weight_file *file;
    const struct e2b_constant *stored;
    struct e2b_error err = {0};
    for (int i = 0; i < COUNT; i++)
        numbers[i] = (float)i;
    close(mkstemp(path));
    assert_ok(e2b_file_replace(path, numbers, COUNT * sizeof *numbers, &err), err);
    assert_ok(e2b_constants_file(store, path, &file, &err), err);
    assert_ok(e2b_constants_add_stored(store, E2B_F32, &shape, file, 0, &stored, &err), err);
    return stored;
}

static void constants_are_read_from_their_file(void **state) {
    (void)state;
    char path[] = "/tmp/e2b-weights-XXXXXX";
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    struct e2b_constants *store = e2b_constants_create();
    struct e2b_packed placed;
    float numbers[COUNT], got[COUNT];
    const struct e2b_constant *stored = store_numbers(store, path, numbers);
    struct e2b_packing packing = packing_of(stored, "a");
    packing.bytes = sizeof numbers;
    assert_ok(e2b_weights_get(fixture.weights, &packing, &placed, &err), err);
    read_at(&fixture, placed.block, placed.offset, got, sizeof got);
    for (int i = 0; i < COUNT; i++)
        assert_true(got[i] == 2 * numbers[i]);
    unlink(path);
    packing.key[0] = 'b';
    assert_fails(
        e2b_weights_get(fixture.weights, &packing, &placed, &err), E2B_NOT_FOUND, path, err);
    e2b_constants_destroy(store);
    close_fixture(&fixture);
}

/* A device looks at each buffer of a launch: so there are few. */
static void packings_are_parts_of_one_block(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    const struct e2b_packing packings[] = {packing_of(&constant, "a"), packing_of(&constant, "b"),
        packing_of(&other, "a"), packing_of(&constant, "a")};
    const struct e2b_packing *all[] = {&packings[0], &packings[1], &packings[2], &packings[3]};
    struct e2b_packed placed[4];
    float got[3];
    assert_ok(e2b_weights_get_all(fixture.weights, all, 4, &err), err);
    for (int i = 0; i < 4; i++) {
        assert_ok(e2b_weights_get(fixture.weights, &packings[i], &placed[i], &err), err);
        assert_ptr_equal(placed[i].block, placed[0].block);
        assert_int_equal(placed[i].offset % E2B_PART_ALIGN, 0);
        read_at(&fixture, placed[i].block, placed[i].offset, got, sizeof got);
        for (int k = 0; k < 3; k++)
            assert_true(got[k] == 2 * values[k]);
    }
    assert_int_equal(placed[3].offset, placed[0].offset);
    assert_true(placed[0].offset != placed[1].offset && placed[1].offset != placed[2].offset);
    assert_int_equal(packed, 3);
    close_fixture(&fixture);
}

static void a_packing_gets_a_buffer_of_its_own_where_one_is_asked_for(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    const struct e2b_packing packings[] = {packing_of(&constant, "a"), packing_of(&other, "b")};
    const struct e2b_packing *all[] = {&packings[0], &packings[1]};
    struct e2b_packed placed, again;
    float got[3];
    assert_ok(e2b_weights_get_all(fixture.weights, all, 2, &err), err);
    assert_ok(e2b_weights_get(fixture.weights, &packings[1], &placed, &err), err);
    assert_null(placed.buffer);
    assert_ok(e2b_weights_part(fixture.weights, &placed, &err), err);
    read_at(&fixture, placed.buffer, 0, got, sizeof got);
    assert_true(got[2] == 2 * values[2]);
    assert_ok(e2b_weights_get(fixture.weights, &packings[1], &again, &err), err);
    assert_ptr_equal(again.buffer, placed.buffer);
    close_fixture(&fixture);
}

static void a_block_is_no_larger_than_the_device_gives(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_traits small = fixture.device->traits;
    close_fixture(&fixture);
    small.max_buffer_bytes = 2 * E2B_PART_ALIGN;
    fixture = open_on(&small);
    struct e2b_error err = {0};
    const struct e2b_packing packings[] = {
        packing_of(&constant, "a"), packing_of(&constant, "b"), packing_of(&constant, "c")};
    const struct e2b_packing *all[] = {&packings[0], &packings[1], &packings[2]};
    struct e2b_packed placed[3];
    float got[3];
    assert_ok(e2b_weights_get_all(fixture.weights, all, 3, &err), err);
    for (int i = 0; i < 3; i++) {
        assert_ok(e2b_weights_get(fixture.weights, &packings[i], &placed[i], &err), err);
        read_at(&fixture, placed[i].block, placed[i].offset, got, sizeof got);
        assert_true(got[2] == 2 * values[2]);
    }
    assert_int_equal(packed, 3);
    assert_true(placed[0].block != placed[1].block || placed[0].block != placed[2].block);
    close_fixture(&fixture);
}

static void the_largest_is_packed_first(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    struct e2b_packing packings[3] = {
        packing_of(&constant, "a"), packing_of(&constant, "b"), packing_of(&constant, "c")};
    const struct e2b_packing *all[3] = {&packings[0], &packings[1], &packings[2]};
    const size_t bytes[3] = {4, 12, 8};
    struct e2b_packed placed[3];
    for (int i = 0; i < 3; i++)
        packings[i].bytes = bytes[i];
    assert_ok(e2b_weights_get_all(fixture.weights, all, 3, &err), err);
    for (int i = 0; i < 3; i++)
        assert_ok(e2b_weights_get(fixture.weights, &packings[i], &placed[i], &err), err);
    assert_true(placed[1].offset < placed[2].offset && placed[2].offset < placed[0].offset);
    close_fixture(&fixture);
}

static void one_that_fails_leaves_none(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    struct e2b_constants *store = e2b_constants_create();
    char path[] = "/tmp/e2b-weights-XXXXXX";
    float numbers[COUNT];
    const struct e2b_constant *missing = store_numbers(store, path, numbers);
    unlink(path);
    struct e2b_packing packings[50];
    const struct e2b_packing *all[50];
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        packings[i] = packing_of(i == 20 ? missing : &constant, key);
        all[i] = &packings[i];
    }
    assert_fails(e2b_weights_get_all(fixture.weights, all, 50, &err), E2B_NOT_FOUND, path, err);
    assert_int_equal(e2b_weights_bytes(fixture.weights), 0);
    e2b_error_clear(&err);
    packings[20].from[0] = &other;
    packed = 0;
    assert_ok(e2b_weights_get_all(fixture.weights, all, 50, &err), err);
    assert_int_equal(packed, 50);
    e2b_constants_destroy(store);
    close_fixture(&fixture);
}

static void a_failed_allocation_is_told_and_can_be_tried_again(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    const struct e2b_packing packing = packing_of(&constant, "a");
    struct e2b_packed placed;
    e2b_sim_fail_nth(fixture.device, E2B_SIM_FAULT_ALLOCATION, 1);
    assert_int_equal(e2b_weights_get(fixture.weights, &packing, &placed, &err), E2B_NO_MEMORY);
    assert_int_equal(e2b_weights_bytes(fixture.weights), 0);
    e2b_error_clear(&err);
    assert_ok(e2b_weights_get(fixture.weights, &packing, &placed, &err), err);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packing_is_done_once),
        cmocka_unit_test(the_device_gets_what_was_packed),
        cmocka_unit_test(constants_are_read_from_their_file),
        cmocka_unit_test(packings_are_parts_of_one_block),
        cmocka_unit_test(a_packing_gets_a_buffer_of_its_own_where_one_is_asked_for),
        cmocka_unit_test(a_block_is_no_larger_than_the_device_gives),
        cmocka_unit_test(the_largest_is_packed_first),
        cmocka_unit_test(one_that_fails_leaves_none),
        cmocka_unit_test(a_failed_allocation_is_told_and_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
