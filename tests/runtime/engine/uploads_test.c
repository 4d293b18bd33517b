#include "runtime/engine/uploads.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#define SLOTS 16
#define MOST 12

/* Counts the copies to the device. */
static struct {
    const struct e2b_device_ops *real;
    struct e2b_device *device;
    int copies;
    size_t bytes;     /* of the last one */
    int64_t takes_ns; /* of the thread, each */
} counter;

static enum e2b_status count_write(struct e2b_queue *queue, struct e2b_buffer *to, size_t offset,
    const void *from, size_t bytes, struct e2b_event **event, struct e2b_error *err) {
    struct e2b_device *device = counter.device;
    counter.copies++;
    counter.bytes = bytes;
    e2b_sim_advance(device, device->ops->now_ns(device) + counter.takes_ns);
    return counter.real->enqueue_write(queue, to, offset, from, bytes, event, err);
}

struct setting {
    struct fixture fixture;
    struct e2b_device_ops ops;
    struct e2b_request *requests[MOST];
    struct fixture_answer answers[MOST];
    int count;
};

static void open_setting(struct setting *setting, bool unified) {
    struct e2b_device *device = fixture_sim();
    device->traits.host_unified = unified;
    *setting = (struct setting){.fixture = fixture_open(device, true, SLOTS)};
    setting->ops = *device->ops;
    counter.real = device->ops;
    counter.device = device;
    counter.copies = 0;
    counter.takes_ns = 0;
    setting->ops.enqueue_write = count_write;
    device->ops = &setting->ops;
}

static void submit(struct setting *setting, int samples) {
    struct e2b_error err = {0};
    struct e2b_request **request = &setting->requests[setting->count];
    assert_ok(e2b_request_open(setting->fixture.served, samples, request, &err), err);
    e2b_request_submit(*request, NULL, fixture_note, &setting->answers[setting->count++]);
}

static void advance(struct setting *setting) {
    e2b_sim_advance(setting->fixture.device, e2b_sim_next_ns(setting->fixture.device));
    e2b_engine_step(setting->fixture.engine);
}

static void close_setting(struct setting *setting) {
    fixture_settle(&setting->fixture);
    for (int i = 0; i < setting->count; i++) {
        assert_int_equal(setting->answers[i].count, 1);
        e2b_request_close(setting->requests[i]);
    }
    assert_int_equal(setting->fixture.served->unsent.count, 0);
    assert_int_equal(e2b_pool_free_count(setting->fixture.served->pool), SLOTS);
    setting->fixture.device->ops = counter.real;
    assert_int_equal(e2b_sim_objects(setting->fixture.device).events, 0);
    fixture_close(&setting->fixture);
}

static size_t bytes_of(const struct setting *setting, int slots) {
    return (size_t)((slots - 1) * e2b_pool_input_stride(setting->fixture.served->pool, 0))
        + FIXTURE_FEATURES * sizeof(float);
}

static void neighbours_that_come_together_travel_as_one_copy(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, false);
    for (int i = 0; i < 5; i++)
        submit(&setting, 1);
    e2b_engine_step(setting.fixture.engine);
    assert_int_equal(counter.copies, 1);
    assert_int_equal(counter.bytes, bytes_of(&setting, 5));
    close_setting(&setting);
}

/* Requests 0 and 1 have a copy each, as these were the first; 2 to 4 go when one of them is done.
 */
static void what_comes_while_copies_are_under_way_goes_together(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, false);
    for (int i = 0; i < 5; i++) {
        submit(&setting, 1);
        e2b_engine_step(setting.fixture.engine);
        assert_int_equal(counter.copies, i < 2 ? i + 1 : 2);
    }
    advance(&setting);
    assert_int_equal(counter.copies, 3);
    assert_int_equal(counter.bytes, bytes_of(&setting, 3));
    close_setting(&setting);
}

/* A copy is done before the next one could be started, so none is ever under way: what comes within
 * twice the time that the first one took of the thread goes together then, and eight at once. */
static void copies_leave_the_thread_time_for_more(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, false);
    struct e2b_device *device = setting.fixture.device;
    counter.takes_ns = 10000;
    submit(&setting, 1);
    e2b_engine_step(setting.fixture.engine);
    int64_t next_ns = device->ops->now_ns(device) + 2 * counter.takes_ns;
    e2b_sim_run_until_idle(device);
    for (int i = 0; i < 3; i++) {
        submit(&setting, 1);
        e2b_engine_step(setting.fixture.engine);
        assert_int_equal(counter.copies, 1);
    }
    assert_true(e2b_engine_step(setting.fixture.engine) <= next_ns);
    e2b_sim_advance(device, next_ns);
    e2b_engine_step(setting.fixture.engine);
    assert_int_equal(counter.copies, 2);
    assert_int_equal(counter.bytes, bytes_of(&setting, 3));
    for (int i = 0; i < 8; i++)
        submit(&setting, 1);
    e2b_engine_step(setting.fixture.engine);
    assert_int_equal(counter.copies, 3);
    assert_int_equal(counter.bytes, bytes_of(&setting, 8));
    close_setting(&setting);
}

static void a_copy_that_stalls_keeps_others_waiting_no_longer(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, false);
    struct e2b_device *device = setting.fixture.device;
    counter.takes_ns = 10000000;
    submit(&setting, 1);
    e2b_engine_step(setting.fixture.engine);
    int64_t next_ns = device->ops->now_ns(device) + 200000;
    e2b_sim_run_until_idle(device);
    submit(&setting, 1);
    assert_true(e2b_engine_step(setting.fixture.engine) <= next_ns);
    assert_int_equal(counter.copies, 1);
    e2b_sim_advance(device, next_ns);
    e2b_engine_step(setting.fixture.engine);
    assert_int_equal(counter.copies, 2);
    close_setting(&setting);
}

static void where_the_device_has_the_hosts_memory_no_copy_waits(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, true);
    for (int i = 0; i < 5; i++) {
        submit(&setting, 1);
        e2b_engine_step(setting.fixture.engine);
        assert_int_equal(counter.copies, i + 1);
    }
    close_setting(&setting);
}

/* Slots 0 and 2 are those of the request, 1 is another's, which is filled later. */
static void a_request_is_ready_when_all_its_slots_are(void **state) {
    (void)state;
    struct setting setting;
    struct e2b_error err = {0};
    struct e2b_request *hole;
    struct fixture_answer answer = {0};
    open_setting(&setting, false);
    struct e2b_served *served = setting.fixture.served;
    submit(&setting, 2);
    assert_ok(e2b_request_open(served, 1, &hole, &err), err);
    struct e2b_request *request = setting.requests[0];
    int slot = request->slots[1];
    request->slots[1] = hole->slots[0];
    hole->slots[0] = slot;
    ((struct e2b_slot *)e2b_pool_slot(served->pool, slot))->owner = hole;
    ((struct e2b_slot *)e2b_pool_slot(served->pool, request->slots[1]))->owner = request;
    e2b_engine_step(setting.fixture.engine);
    assert_int_equal(counter.copies, 2);
    advance(&setting);
    assert_int_equal(request->uploading, 1);
    advance(&setting);
    assert_int_equal(request->uploading, 0);
    e2b_request_submit(hole, NULL, fixture_note, &answer);
    fixture_settle(&setting.fixture);
    assert_int_equal(counter.copies, 3);
    assert_int_equal(answer.status, E2B_OK);
    e2b_request_close(hole);
    close_setting(&setting);
}

static void a_copy_that_fails_fails_those_that_it_carries(void **state) {
    (void)state;
    struct setting setting;
    open_setting(&setting, false);
    submit(&setting, 1);
    e2b_engine_step(setting.fixture.engine);
    submit(&setting, 1);
    submit(&setting, 2);
    e2b_sim_fail_nth(setting.fixture.device, E2B_SIM_FAULT_EVENT, 1);
    e2b_engine_step(setting.fixture.engine);
    fixture_settle(&setting.fixture);
    assert_int_equal(counter.copies, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(setting.answers[i].status, i == 0 ? E2B_OK : E2B_DEVICE);
    close_setting(&setting);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_that_come_together_travel_as_one_copy),
        cmocka_unit_test(what_comes_while_copies_are_under_way_goes_together),
        cmocka_unit_test(copies_leave_the_thread_time_for_more),
        cmocka_unit_test(a_copy_that_stalls_keeps_others_waiting_no_longer),
        cmocka_unit_test(where_the_device_has_the_hosts_memory_no_copy_waits),
        cmocka_unit_test(a_request_is_ready_when_all_its_slots_are),
        cmocka_unit_test(a_copy_that_fails_fails_those_that_it_carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
