#include "backends/sim/sim.h"
#include "runtime/engine/weights.h"
#include "tests/support.h"

#include <string.h>

static int packed;

static void pack_doubled(const struct e2b_packing *packing, void *to) {
    const float *from = packing->from[0]->data;
    for (size_t i = 0; i < packing->bytes / sizeof(float); i++)
        ((float *)to)[i] = 2 * from[i];
    packed++;
}

static const float values[] = {1, 2, 3};
static const struct e2b_constant constant = {1, E2B_F32, {1, {3}}, values};
static const struct e2b_constant other = {2, E2B_F32, {1, {3}}, values};

static struct e2b_packing packing_of(const struct e2b_constant *from, const char *key) {
    struct e2b_packing packing = {.from = {from}, .bytes = sizeof values, .pack = pack_doubled};
    snprintf(packing.key, sizeof packing.key, "%s", key);
    return packing;
}

struct fixture {
    struct e2b_device *device;
    struct e2b_weights *weights;
};

static struct fixture open_fixture(void) {
    struct fixture fixture = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_sim_create(&(struct e2b_sim_options){0}, &fixture.device, &err), err);
    assert_ok(e2b_weights_create(fixture.device, &fixture.weights, &err), err);
    packed = 0;
    return fixture;
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
    struct e2b_buffer *buffers[4];
    const struct e2b_packing packings[] = {packing_of(&constant, "a"), packing_of(&constant, "a"),
        packing_of(&constant, "b"), packing_of(&other, "a")};
    for (int i = 0; i < 4; i++)
        assert_ok(e2b_weights_get(fixture.weights, &packings[i], &buffers[i], &err), err);
    assert_ptr_equal(buffers[0], buffers[1]);
    assert_ptr_not_equal(buffers[0], buffers[2]);
    assert_ptr_not_equal(buffers[0], buffers[3]);
    assert_int_equal(packed, 3);
    assert_int_equal(e2b_weights_bytes(fixture.weights), 3 * sizeof values);
    close_fixture(&fixture);
}

static void the_device_gets_what_was_packed(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    const struct e2b_packing packing = packing_of(&constant, "a");
    struct e2b_buffer *buffer;
    struct e2b_queue *queue;
    float got[3] = {0};
    const struct e2b_device_ops *ops = fixture.device->ops;
    assert_ok(e2b_weights_get(fixture.weights, &packing, &buffer, &err), err);
    assert_ok(ops->queue_create(fixture.device, &queue, &err), err);
    assert_ok(ops->enqueue_read(queue, buffer, 0, got, sizeof got, NULL, &err), err);
    assert_ok(ops->finish(queue, &err), err);
    for (int i = 0; i < 3; i++)
        assert_true(got[i] == 2 * values[i]);
    ops->queue_destroy(fixture.device, queue);
    close_fixture(&fixture);
}

static void a_failed_allocation_is_told_and_can_be_tried_again(void **state) {
    (void)state;
    struct fixture fixture = open_fixture();
    struct e2b_error err = {0};
    const struct e2b_packing packing = packing_of(&constant, "a");
    struct e2b_buffer *buffer;
    e2b_sim_fail_nth(fixture.device, E2B_SIM_FAULT_ALLOCATION, 1);
    assert_int_equal(e2b_weights_get(fixture.weights, &packing, &buffer, &err), E2B_NO_MEMORY);
    assert_int_equal(e2b_weights_bytes(fixture.weights), 0);
    e2b_error_clear(&err);
    assert_ok(e2b_weights_get(fixture.weights, &packing, &buffer, &err), err);
    close_fixture(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packing_is_done_once),
        cmocka_unit_test(the_device_gets_what_was_packed),
        cmocka_unit_test(a_failed_allocation_is_told_and_can_be_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
