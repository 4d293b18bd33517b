#include "runtime/engine/instance.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/planned.h"
#include "tests/support.h"

#include <math.h>
#include <string.h>

#define SLOTS 6
#define FLOATS (SLOTS * PLANNED_SLOT_FLOATS)
#define UNTOUCHED (-7.0f)

struct io {
    struct e2b_buffer *in, *out;
};

static struct io make_io(struct e2b_device *device) {
    struct io io;
    struct e2b_error err = {0};
    size_t bytes = FLOATS * sizeof(float);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, bytes, &io.in, &err), err);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE, bytes, &io.out, &err), err);
    return io;
}

static void check_slot(const float *out, int slot, bool computed) {
    float expected[FIXTURE_FEATURES];
    fixture_expected((float)slot, expected);
    for (int i = 0; i < FIXTURE_FEATURES; i++) {
        float got = out[slot * PLANNED_SLOT_FLOATS + i];
        assert_true(computed ? fabsf(got - expected[i]) < 1e-5f : got == UNTOUCHED);
    }
}

static void run_at(struct e2b_instance *instance, struct e2b_device *device, const struct io *io,
    int first, int batch) {
    struct e2b_error err = {0};
    struct e2b_queue *queue = e2b_instance_queue(instance);
    float in[FLOATS] = {0}, out[FLOATS];
    for (int slot = 0; slot < SLOTS; slot++)
        for (int i = 0; i < FIXTURE_FEATURES; i++)
            in[slot * PLANNED_SLOT_FLOATS + i] = sinf((float)(slot + i));
    for (int i = 0; i < FLOATS; i++)
        out[i] = UNTOUCHED;
    const struct e2b_device_ops *ops = device->ops;
    assert_ok(ops->enqueue_write(queue, io->in, 0, in, sizeof in, NULL, &err), err);
    assert_ok(ops->enqueue_write(queue, io->out, 0, out, sizeof out, NULL, &err), err);
    struct e2b_event *begin = NULL, *end = NULL;
    assert_ok(e2b_instance_run(instance, first, &begin, &end, &err), err);
    assert_ok(ops->enqueue_read(queue, io->out, 0, out, sizeof out, NULL, &err), err);
    assert_ok(ops->finish(queue, &err), err);
    assert_non_null(end);
    assert_int_equal(ops->event_state(end, &err), E2B_EVENT_DONE);
    ops->event_release(begin);
    ops->event_release(end);
    for (int slot = 0; slot < SLOTS; slot++)
        check_slot(out, slot, slot >= first && slot < first + batch);
}

static void check_slots(bool few_arguments) {
    struct e2b_error err = {0};
    struct e2b_device *device = fixture_opencl();
    if (!device)
        skip();
    device->traits.few_arguments = few_arguments;
    struct planned planned = planned_open(device, 2);
    struct io io = make_io(device);
    struct e2b_instance *instance;
    assert_ok(e2b_instance_create(
                  planned.plan, &(struct e2b_io_buffers){&io.in, &io.out}, &instance, &err),
        err);
    const int firsts[] = {0, 4, 1, 1, 3};
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        run_at(instance, device, &io, firsts[i], 2);
    e2b_instance_destroy(instance);
    device->ops->buffer_destroy(device, io.in);
    device->ops->buffer_destroy(device, io.out);
    planned_close(&planned);
    device->ops->destroy(device);
}

static void a_run_touches_its_own_slots_only(void **state) {
    (void)state;
    check_slots(false);
}

static void so_it_does_where_arguments_are_a_structure(void **state) {
    (void)state;
    check_slots(true);
}

static void a_traced_run_gives_every_step_its_time(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_device *device = fixture_sim();
    struct planned planned = planned_open(device, 2);
    struct io io = make_io(device);
    struct e2b_instance *instance;
    struct e2b_event *events[8] = {NULL};
    assert_ok(e2b_instance_create(
                  planned.plan, &(struct e2b_io_buffers){&io.in, &io.out}, &instance, &err),
        err);
    assert_ok(e2b_instance_run_traced(instance, 0, events, &err), err);
    assert_ok(device->ops->finish(e2b_instance_queue(instance), &err), err);
    for (int i = 0; i < e2b_plan_step_count(planned.plan); i++) {
        struct e2b_event_times times;
        device->ops->event_times(events[i], &times);
        assert_int_equal(times.ended_ns - times.started_ns, FIXTURE_KERNEL_NS);
        device->ops->event_release(events[i]);
    }
    e2b_instance_destroy(instance);
    device->ops->buffer_destroy(device, io.in);
    device->ops->buffer_destroy(device, io.out);
    planned_close(&planned);
    assert_int_equal(e2b_sim_objects(device).events, 0);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_touches_its_own_slots_only),
        cmocka_unit_test(so_it_does_where_arguments_are_a_structure),
        cmocka_unit_test(a_traced_run_gives_every_step_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
