#include "tests/backends/conformance.h"

#include "runtime/base/clock.h"
#include "tests/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define N 1024
#define BYTES (N * sizeof(int32_t))
#define PATIENCE_NS INT64_C(20000000000)

/* One device and what most checks need, made anew for each. */
struct fixture {
    const struct e2b_conformance *subject;
    struct e2b_device *device;
    const struct e2b_device_ops *ops;
    struct e2b_program *program;
    struct e2b_queue *queue, *other;
    struct e2b_buffer *x, *y, *pinned;
    int32_t *host; /* of pinned, room for N */
    struct e2b_error err;
};

static struct fixture shared; /* cmocka hands tests no argument of ours but this */

static int open_device(void **state) {
    (void)state;
    struct fixture *f = &shared;
    if (f->subject->open(&f->device, &f->err) != E2B_OK) {
        print_error("%s: %s\n", f->subject->name, f->err.text);
        return -1;
    }
    f->ops = f->device->ops;
    return 0;
}

static int close_device(void **state) {
    (void)state;
    if (shared.device)
        shared.ops->destroy(shared.device);
    return 0;
}

static int begin(void **state) {
    struct fixture *f = &shared;
    struct e2b_error *err = &f->err;
    *state = f;
    memset(err, 0, sizeof *err);
    if (f->ops->program_build(f->device, f->subject->source, f->subject->options, &f->program, err)
            == E2B_OK
        && f->ops->queue_create(f->device, &f->queue, err) == E2B_OK
        && f->ops->queue_create(f->device, &f->other, err) == E2B_OK
        && f->ops->buffer_create(f->device, E2B_MEMORY_DEVICE, BYTES, &f->x, err) == E2B_OK
        && f->ops->buffer_create(f->device, E2B_MEMORY_DEVICE, BYTES, &f->y, err) == E2B_OK
        && f->ops->buffer_create(f->device, E2B_MEMORY_PINNED, BYTES, &f->pinned, err) == E2B_OK) {
        f->host = f->ops->buffer_host(f->device, f->pinned);
        return 0;
    }
    print_error("%s: %s\n", f->subject->name, err->text);
    return -1;
}

static int end(void **state) {
    struct fixture *f = *state;
    f->ops->queue_destroy(f->device, f->queue);
    f->ops->queue_destroy(f->device, f->other);
    f->ops->buffer_destroy(f->device, f->x);
    f->ops->buffer_destroy(f->device, f->y);
    f->ops->buffer_destroy(f->device, f->pinned);
    f->ops->program_destroy(f->device, f->program);
    return 0;
}

static struct e2b_kernel *make_kernel(struct fixture *f, const char *name) {
    struct e2b_kernel *kernel;
    assert_ok(f->ops->kernel_create(f->device, f->program, name, &kernel, &f->err), f->err);
    return kernel;
}

static void set_buffer(
    struct fixture *f, struct e2b_kernel *kernel, int index, struct e2b_buffer *buffer) {
    uint32_t offset = 0;
    assert_ok(f->ops->kernel_set_buffer(f->device, kernel, index, buffer, &f->err), f->err);
    assert_ok(
        f->ops->kernel_set_value(f->device, kernel, index + 1, &offset, sizeof offset, &f->err),
        f->err);
}

static void set_int(struct fixture *f, struct e2b_kernel *kernel, int index, int32_t value) {
    assert_ok(
        f->ops->kernel_set_value(f->device, kernel, index, &value, sizeof value, &f->err), f->err);
}

static void launch(struct fixture *f, struct e2b_queue *queue, struct e2b_kernel *kernel,
    size_t items, struct e2b_event **event) {
    const size_t global[3] = {items, 1, 1}, local[3] = {items < 64 ? items : 64, 1, 1};
    assert_ok(f->ops->enqueue_kernel(queue, kernel, global, local, event, &f->err), f->err);
}

/* x := 0, 1, 2, ... by a kernel on the queue. */
static void count_up(struct fixture *f, struct e2b_queue *queue, struct e2b_buffer *x) {
    struct e2b_kernel *kernel = make_kernel(f, "conform_count");
    set_buffer(f, kernel, 0, x);
    set_int(f, kernel, 2, 0);
    launch(f, queue, kernel, N, NULL);
    assert_ok(f->ops->finish(queue, &f->err), f->err);
    f->ops->kernel_destroy(f->device, kernel);
}

static struct e2b_kernel *make_slow(struct fixture *f, int32_t steps) {
    struct e2b_kernel *kernel = make_kernel(f, "conform_slow");
    set_buffer(f, kernel, 0, f->x);
    set_int(f, kernel, 2, steps);
    return kernel;
}

static void read_all(struct fixture *f, struct e2b_queue *queue, struct e2b_buffer *from) {
    memset(f->host, 0x5a, BYTES);
    assert_ok(f->ops->enqueue_read(queue, from, 0, f->host, BYTES, NULL, &f->err), f->err);
    assert_ok(f->ops->finish(queue, &f->err), f->err);
}

static void device_describes_itself(void **state) {
    struct fixture *f = *state;
    const struct e2b_traits *traits = &f->device->traits;
    assert_true(traits->device[0] && f->device->identity[0]);
    assert_true(traits->compute_units >= 1);
    assert_true(traits->max_group >= 1 && traits->warp >= 1);
    assert_true(traits->max_buffer_bytes > 0);
    assert_true(traits->max_buffer_bytes <= traits->memory_bytes);
    assert_true(traits->channel_align >= 1);
    assert_int_equal(traits->base_align_bytes & (traits->base_align_bytes - 1), 0);
    if (traits->is_cpu) {
        assert_int_equal(traits->warp, 1);
        assert_true(traits->vector_bytes >= 16);
    }
}

static void buffers_are_made_and_refused(void **state) {
    struct fixture *f = *state;
    struct e2b_buffer *buffer = f->x;
    assert_null(f->ops->buffer_host(f->device, f->x));
    assert_non_null(f->host);
    assert_fails(f->ops->buffer_create(f->device, E2B_MEMORY_DEVICE, 0, &buffer, &f->err),
        E2B_INVALID, "0", f->err);
    assert_null(buffer);
    size_t huge = (size_t)f->device->traits.max_buffer_bytes + 1;
    char digits[32];
    snprintf(digits, sizeof digits, "%zu", huge);
    assert_fails(f->ops->buffer_create(f->device, E2B_MEMORY_DEVICE, huge, &buffer, &f->err),
        E2B_NO_MEMORY, digits, f->err);
    assert_null(buffer);
    f->ops->buffer_destroy(f->device, NULL);
}

static void the_host_fills_a_mapped_buffer(void **state) {
    struct fixture *f = *state;
    void *mapped = NULL;
    assert_ok(f->ops->buffer_map(f->device, f->x, &mapped, &f->err), f->err);
    assert_non_null(mapped);
    for (int i = 0; i < N; i++)
        ((int32_t *)mapped)[i] = i * 3;
    assert_ok(f->ops->buffer_unmap(f->device, f->x, mapped, &f->err), f->err);
    read_all(f, f->other, f->x);
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], i * 3);
}

static void a_part_is_memory_of_the_whole(void **state) {
    struct fixture *f = *state;
    struct e2b_buffer *whole, *part;
    const size_t begin = 2 * E2B_PART_ALIGN;
    assert_ok(f->ops->buffer_create(
                  f->device, E2B_MEMORY_DEVICE, begin + E2B_PART_ALIGN + BYTES, &whole, &f->err),
        f->err);
    assert_ok(f->ops->buffer_part(f->device, whole, begin, BYTES, &part, &f->err), f->err);
    for (int i = 0; i < N; i++)
        f->host[i] = i * 7;
    assert_ok(f->ops->enqueue_fill(f->queue, whole, 0, begin + BYTES, 0, &f->err), f->err);
    assert_ok(f->ops->enqueue_write(f->queue, part, 0, f->host, BYTES, NULL, &f->err), f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    memset(f->host, 0, BYTES);
    assert_ok(
        f->ops->enqueue_read(f->queue, whole, begin, f->host, BYTES, NULL, &f->err), f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], i * 7);
    f->ops->buffer_destroy(f->device, part);
    f->ops->buffer_destroy(f->device, whole);
}

static void copies_keep_bytes_and_offsets(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < N; i++)
        f->host[i] = i * 7;
    assert_ok(f->ops->enqueue_write(f->queue, f->x, 0, f->host + N / 2, BYTES / 2, NULL, &f->err),
        f->err);
    assert_ok(f->ops->enqueue_write(f->queue, f->x, BYTES / 2, f->host, BYTES / 2, NULL, &f->err),
        f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    read_all(f, f->other, f->x);
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], (i + N / 2) % N * 7);
    int32_t few[3] = {0};
    assert_ok(f->ops->enqueue_read(f->queue, f->x, 5 * 4, few, sizeof few, NULL, &f->err), f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    assert_int_equal(few[2], (7 + N / 2) * 7);
}

static void copies_stay_inside_their_buffer(void **state) {
    struct fixture *f = *state;
    struct e2b_event *event = NULL;
    assert_fails(f->ops->enqueue_write(f->queue, f->x, 8, f->host, BYTES, &event, &f->err),
        E2B_INVALID, "bytes", f->err);
    assert_fails(f->ops->enqueue_read(f->queue, f->x, BYTES + 4, f->host, 4, &event, &f->err),
        E2B_INVALID, "bytes", f->err);
    assert_fails(f->ops->enqueue_fill(f->queue, f->x, SIZE_MAX - 3, 8, 0, &f->err), E2B_INVALID,
        "bytes", f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
}

static void fills_touch_their_range_only(void **state) {
    static const struct {
        size_t offset, bytes;
    } ranges[] = {{0, 64}, {3, 7}, {100, 4}, {1001, 1}, {4080, 16}, {2048, 33}};
    struct fixture *f = *state;
    unsigned char want[BYTES];
    memset(want, 0x11, BYTES);
    assert_ok(f->ops->enqueue_fill(f->queue, f->x, 0, BYTES, 0x11, &f->err), f->err);
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        unsigned char value = (unsigned char)(0xa0 + i);
        memset(want + ranges[i].offset, value, ranges[i].bytes);
        assert_ok(
            f->ops->enqueue_fill(f->queue, f->x, ranges[i].offset, ranges[i].bytes, value, &f->err),
            f->err);
    }
    read_all(f, f->queue, f->x);
    assert_memory_equal(f->host, want, BYTES);
}

static void kernels_run_in_order(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *add = make_kernel(f, "conform_add");
    count_up(f, f->queue, f->x);
    count_up(f, f->queue, f->y);
    set_buffer(f, add, 2, f->y);
    set_int(f, add, 4, 1);
    for (int round = 0; round < 20; round++) {
        set_buffer(f, add, 0, f->x);
        set_buffer(f, add, 2, f->y);
        launch(f, f->queue, add, N, NULL);
        set_buffer(f, add, 0, f->y);
        set_buffer(f, add, 2, f->x);
        set_int(f, add, 4, -1);
        launch(f, f->queue, add, N, NULL);
        set_int(f, add, 4, 1);
    }
    read_all(f, f->queue, f->x);
    int32_t x = 1, y = 1;
    for (int round = 0; round < 20; round++) {
        x += y;
        y -= x;
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], x * i);
    f->ops->kernel_destroy(f->device, add);
}

static void arguments_hold_from_the_enqueue_on(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *kernel = make_kernel(f, "conform_count");
    set_buffer(f, kernel, 0, f->x);
    for (uint32_t part = 0; part < 4; part++) {
        uint32_t offset = part * N / 4;
        assert_ok(f->ops->kernel_set_value(f->device, kernel, 1, &offset, sizeof offset, &f->err),
            f->err);
        set_int(f, kernel, 2, (int32_t)part * 1000);
        launch(f, f->queue, kernel, N / 4, NULL);
    }
    read_all(f, f->queue, f->x);
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], i / (N / 4) * 1000 + i % (N / 4));
    f->ops->kernel_destroy(f->device, kernel);
}

static void runtime_may_choose_the_group(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *kernel = make_kernel(f, "conform_count");
    const size_t global[3] = {N - 5, 1, 1}, local[3] = {0, 0, 0};
    assert_ok(f->ops->enqueue_fill(f->queue, f->x, 0, BYTES, 0, &f->err), f->err);
    set_buffer(f, kernel, 0, f->x);
    set_int(f, kernel, 2, 9);
    assert_ok(f->ops->enqueue_kernel(f->queue, kernel, global, local, NULL, &f->err), f->err);
    read_all(f, f->queue, f->x);
    for (int i = 0; i < N; i++)
        assert_int_equal(f->host[i], i < N - 5 ? 9 + i : 0);
    f->ops->kernel_destroy(f->device, kernel);
}

static void wrong_launches_are_refused(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *kernel = NULL;
    struct e2b_event *event = NULL;
    assert_fails(f->ops->kernel_create(f->device, f->program, "conform_none", &kernel, &f->err),
        E2B_NOT_FOUND, "conform_none", f->err);
    assert_null(kernel);
    kernel = make_kernel(f, "conform_count");
    const size_t global[3] = {64, 1, 1}, local[3] = {64, 1, 1};
    assert_fails(f->ops->enqueue_kernel(f->queue, kernel, global, local, &event, &f->err),
        E2B_INVALID, "argument", f->err);
    assert_null(event);
    set_buffer(f, kernel, 0, f->x);
    set_int(f, kernel, 2, 0);
    size_t large = (size_t)f->device->traits.max_group * 2;
    const size_t too_large[3] = {large, 1, 1};
    assert_fails(f->ops->enqueue_kernel(f->queue, kernel, too_large, too_large, &event, &f->err),
        E2B_INVALID, "group", f->err);
    assert_null(event);
    f->ops->kernel_destroy(f->device, kernel);
    f->ops->kernel_destroy(f->device, NULL);
    f->ops->program_destroy(f->device, NULL);
    f->ops->queue_destroy(f->device, NULL);
    f->ops->event_release(NULL);
}

static void unknown_routines_are_refused(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *kernel = NULL;
    if (!f->ops->routine_create)
        e2b_skip("%s has no library routines", f->subject->name);
    assert_fails(f->ops->routine_create(f->device, "conform_none", &kernel, &f->err),
        E2B_UNSUPPORTED, "conform_none", f->err);
    assert_null(kernel);
}

static void compile_errors_name_file_and_line(void **state) {
    struct fixture *f = *state;
    struct e2b_program *program = NULL;
    char place[256];
    if (!f->subject->broken)
        e2b_skip("%s compiles nothing", f->subject->name);
    snprintf(place, sizeof place, "%s:2", f->subject->broken->path);
    enum e2b_status status =
        f->ops->program_build(f->device, f->subject->broken, "", &program, &f->err);
    assert_null(strchr(f->err.text, '\n'));
    assert_fails(status, E2B_INTERNAL, place, f->err);
    assert_null(program);
}

static void events_tell_state_and_times(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *slow = make_slow(f, 10000);
    struct e2b_event *events[3];
    struct e2b_event_times times, last = {0};
    int64_t before = f->ops->now_ns(f->device);
    for (int i = 0; i < 3; i++)
        launch(f, f->queue, slow, 64, &events[i]);
    assert_ok(f->ops->flush(f->queue, &f->err), f->err);
    assert_ok(f->ops->event_wait(events[2], &f->err), f->err);
    int64_t after = f->ops->now_ns(f->device);
    const int64_t slack = 1000000;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(f->ops->event_state(events[i], &f->err), E2B_EVENT_DONE);
        f->ops->event_times(events[i], &times);
        assert_true(times.queued_ns <= times.started_ns && times.started_ns <= times.ended_ns);
        assert_true(times.started_ns >= last.ended_ns || i == 0);
        assert_true(times.queued_ns == 0 || times.queued_ns >= before - slack);
        assert_true(times.ended_ns <= after + slack);
        last = times;
        f->ops->event_release(events[i]);
    }
    f->ops->kernel_destroy(f->device, slow);
}

static void queues_wait_for_each_other(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *slow = make_slow(f, 100000), *add = make_kernel(f, "conform_add");
    struct e2b_event *events[20];
    set_buffer(f, add, 0, f->y);
    set_buffer(f, add, 2, f->x);
    set_int(f, add, 4, 3);
    for (int round = 0; round < 5; round++) {
        assert_ok(f->ops->enqueue_fill(f->queue, f->x, 0, BYTES, 0, &f->err), f->err);
        assert_ok(f->ops->enqueue_fill(f->other, f->y, 0, BYTES, 0, &f->err), f->err);
        for (int i = 0; i < 20; i++)
            launch(f, f->queue, slow, 64, &events[i]);
        assert_ok(f->ops->flush(f->queue, &f->err), f->err);
        assert_ok(f->ops->enqueue_wait(f->other, events, 20, &f->err), f->err);
        launch(f, f->other, add, 64, NULL);
        read_all(f, f->other, f->y);
        for (int i = 0; i < 64; i++)
            assert_int_equal(f->host[i], 3 * 20);
        for (int i = 0; i < 20; i++)
            f->ops->event_release(events[i]);
        assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    }
    assert_ok(f->ops->enqueue_wait(f->other, NULL, 0, &f->err), f->err);
    f->ops->kernel_destroy(f->device, slow);
    f->ops->kernel_destroy(f->device, add);
}

enum { NOTICES = 300 };

static atomic_int notices[NOTICES], failures, arrived;

static void note(void *context, enum e2b_event_state state) {
    atomic_fetch_add((atomic_int *)context, 1);
    if (state != E2B_EVENT_DONE)
        atomic_fetch_add(&failures, 1);
    atomic_fetch_add(&arrived, 1);
}

static void await_notices(int count) {
    int64_t limit = e2b_clock_ns() + PATIENCE_NS;
    while (atomic_load(&arrived) < count && e2b_clock_ns() < limit)
        e2b_clock_sleep_ns(100000);
}

static void notices_come_exactly_once(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *slow = make_slow(f, 10);
    struct e2b_event *events[NOTICES];
    memset(notices, 0, sizeof notices);
    atomic_store(&failures, 0);
    atomic_store(&arrived, 0);
    for (int i = 0; i < NOTICES; i++) {
        struct e2b_queue *queue = i % 3 ? f->queue : f->other;
        if (i % 5 == 4)
            assert_ok(
                f->ops->enqueue_read(queue, f->y, 0, f->host, 64, &events[i], &f->err), f->err);
        else
            launch(f, queue, slow, 64, &events[i]);
        assert_ok(f->ops->event_notify(events[i], note, &notices[i], &f->err), f->err);
        if (i % 2)
            f->ops->event_release(events[i]);
    }
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    assert_ok(f->ops->finish(f->other, &f->err), f->err);
    await_notices(NOTICES);
    for (int i = 0; i < NOTICES; i++) {
        assert_int_equal(atomic_load(&notices[i]), 1);
        if (i % 2 == 0)
            f->ops->event_release(events[i]);
    }
    assert_int_equal(atomic_load(&arrived), NOTICES);
    assert_int_equal(atomic_load(&failures), 0);
    f->ops->kernel_destroy(f->device, slow);
}

static void notice_of_an_ended_event_comes_too(void **state) {
    struct fixture *f = *state;
    struct e2b_event *event;
    atomic_store(&notices[0], 0);
    atomic_store(&arrived, 0);
    assert_ok(f->ops->enqueue_write(f->queue, f->x, 0, f->host, BYTES, &event, &f->err), f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    assert_ok(f->ops->event_wait(event, &f->err), f->err);
    assert_ok(f->ops->event_notify(event, note, &notices[0], &f->err), f->err);
    f->ops->event_release(event);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    await_notices(1);
    assert_int_equal(atomic_load(&notices[0]), 1);
}

static void a_notice_flushes_its_queue(void **state) {
    struct fixture *f = *state;
    struct e2b_event *event;
    atomic_store(&notices[0], 0);
    atomic_store(&arrived, 0);
    assert_ok(f->ops->enqueue_write(f->other, f->x, 0, f->host, BYTES, &event, &f->err), f->err);
    assert_ok(f->ops->event_notify(event, note, &notices[0], &f->err), f->err);
    assert_ok(f->ops->enqueue_wait(f->queue, &event, 1, &f->err), f->err);
    assert_ok(f->ops->finish(f->queue, &f->err), f->err);
    f->ops->event_release(event);
    await_notices(1);
    assert_int_equal(atomic_load(&notices[0]), 1);
}

static void destroying_a_queue_waits_for_its_work(void **state) {
    struct fixture *f = *state;
    struct e2b_kernel *slow = make_slow(f, 100000);
    struct e2b_queue *queue;
    struct e2b_event *event;
    assert_ok(f->ops->queue_create(f->device, &queue, &f->err), f->err);
    launch(f, queue, slow, 64, &event);
    f->ops->queue_destroy(f->device, queue);
    assert_int_equal(f->ops->event_state(event, &f->err), E2B_EVENT_DONE);
    f->ops->event_release(event);
    f->ops->kernel_destroy(f->device, slow);
}

struct builder {
    pthread_t thread;
    struct fixture *fixture;
    struct e2b_program *program;
    struct e2b_error err;
};

static void *build(void *context) {
    struct builder *builder = context;
    const struct fixture *f = builder->fixture;
    f->ops->program_build(
        f->device, f->subject->source, f->subject->options, &builder->program, &builder->err);
    return NULL;
}

static void programs_build_side_by_side(void **state) {
    struct builder builders[4] = {0};
    for (int i = 0; i < 4; i++) {
        builders[i].fixture = *state;
        assert_int_equal(pthread_create(&builders[i].thread, NULL, build, &builders[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(builders[i].thread, NULL);
    for (int i = 0; i < 4; i++) {
        struct fixture *f = builders[i].fixture;
        assert_ok(builders[i].err.status, builders[i].err);
        f->ops->program_destroy(f->device, f->program);
        f->program = builders[i].program;
        count_up(f, f->queue, f->x);
    }
}

int e2b_conformance_run(const struct e2b_conformance *subject) {
#define CHECK(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CHECK(device_describes_itself),
        CHECK(buffers_are_made_and_refused),
        CHECK(the_host_fills_a_mapped_buffer),
        CHECK(a_part_is_memory_of_the_whole),
        CHECK(copies_keep_bytes_and_offsets),
        CHECK(copies_stay_inside_their_buffer),
        CHECK(fills_touch_their_range_only),
        CHECK(kernels_run_in_order),
        CHECK(arguments_hold_from_the_enqueue_on),
        CHECK(runtime_may_choose_the_group),
        CHECK(wrong_launches_are_refused),
        CHECK(unknown_routines_are_refused),
        CHECK(compile_errors_name_file_and_line),
        CHECK(events_tell_state_and_times),
        CHECK(queues_wait_for_each_other),
        CHECK(notices_come_exactly_once),
        CHECK(notice_of_an_ended_event_comes_too),
        CHECK(a_notice_flushes_its_queue),
        CHECK(destroying_a_queue_waits_for_its_work),
        CHECK(programs_build_side_by_side),
    };
#undef CHECK
    memset(&shared, 0, sizeof shared);
    shared.subject = subject;
    return _cmocka_run_group_tests(
        subject->name, tests, sizeof tests / sizeof tests[0], open_device, close_device);
}
