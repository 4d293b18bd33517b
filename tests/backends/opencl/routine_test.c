#include "backends/opencl/routine.h"

#include "tests/backends/opencl/device.h"
#include "tests/support.h"

#include <math.h>
#include <string.h>

enum { M = 37, N = 29, K = 53, LDA = 56, LDC = 31, A_OFFSET = 5, B_OFFSET = 7, C_OFFSET = 11 };

struct fixture {
    struct e2b_device *device;
    struct e2b_queue *queue;
    struct e2b_buffer *a, *b, *c;
    float host_a[A_OFFSET + M * LDA], host_b[B_OFFSET + 64 * 64], host_c[C_OFFSET + M * LDC];
};

static int open_device(void **state) {
    static struct fixture f;
    struct e2b_error err = {0};
    *state = &f;
    if (e2b_test_open(&f.device, &err) == E2B_OK
        && f.device->ops->queue_create(f.device, &f.queue, &err) == E2B_OK
        && f.device->ops->buffer_create(f.device, E2B_MEMORY_DEVICE, sizeof f.host_a, &f.a, &err)
            == E2B_OK
        && f.device->ops->buffer_create(f.device, E2B_MEMORY_DEVICE, sizeof f.host_b, &f.b, &err)
            == E2B_OK
        && f.device->ops->buffer_create(f.device, E2B_MEMORY_DEVICE, sizeof f.host_c, &f.c, &err)
            == E2B_OK)
        return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int close_device(void **state) {
    struct fixture *f = *state;
    if (!f->device)
        return 0;
    f->device->ops->queue_destroy(f->device, f->queue);
    f->device->ops->buffer_destroy(f->device, f->a);
    f->device->ops->buffer_destroy(f->device, f->b);
    f->device->ops->buffer_destroy(f->device, f->c);
    f->device->ops->destroy(f->device);
    return 0;
}

static struct e2b_kernel *make(struct fixture *f) {
    struct e2b_kernel *kernel;
    struct e2b_error err = {0};
    if (f->device->ops->routine_create(f->device, "clblast_sgemm", &kernel, &err)
        == E2B_UNSUPPORTED)
        e2b_skip("%s", err.text);
    assert_ok(err.status, err);
    return kernel;
}

static void set_all(struct fixture *f, struct e2b_kernel *kernel, int ldb, int transpose_b) {
    struct e2b_buffer *const buffers[] = {f->a, f->b, f->c};
    const int32_t values[] = {A_OFFSET, B_OFFSET, C_OFFSET, M, N, K, LDA, ldb, LDC, transpose_b};
    struct e2b_error err = {0};
    for (int i = 0; i < 3; i++) {
        assert_ok(
            f->device->ops->kernel_set_buffer(f->device, kernel, 2 * i, buffers[i], &err), err);
        assert_ok(
            f->device->ops->kernel_set_value(f->device, kernel, 2 * i + 1, &values[i], 4, &err),
            err);
    }
    for (int i = 3; i < 10; i++)
        assert_ok(
            f->device->ops->kernel_set_value(f->device, kernel, i + 3, &values[i], 4, &err), err);
}

static void check(struct fixture *f, int ldb, int transpose_b) {
    for (int i = 0; i < M * LDC; i++) {
        int row = i / LDC, column = i % LDC;
        double want = 0;
        for (int k = 0; k < K && column < N; k++) {
            int at = transpose_b ? column * ldb + k : k * ldb + column;
            want += (double)f->host_a[A_OFFSET + row * LDA + k] * f->host_b[B_OFFSET + at];
        }
        double got = f->host_c[C_OFFSET + i];
        if (column >= N)
            want = -1;
        if (!(fabs(got - want) <= 1e-4))
            fail_msg("C[%d][%d] is %g instead of %g", row, column, got, want);
    }
}

static void multiply(struct fixture *f, int ldb, int transpose_b) {
    const struct e2b_device_ops *ops = f->device->ops;
    const size_t none[3] = {0};
    struct e2b_kernel *kernel = make(f);
    struct e2b_event *event;
    struct e2b_error err = {0};
    for (size_t i = 0; i < sizeof f->host_a / 4; i++)
        f->host_a[i] = (float)((int)(i * 7 % 23) - 11) / 8;
    for (size_t i = 0; i < sizeof f->host_b / 4; i++)
        f->host_b[i] = (float)((int)(i * 5 % 19) - 9) / 8;
    for (size_t i = 0; i < sizeof f->host_c / 4; i++)
        f->host_c[i] = -1;
    assert_ok(ops->enqueue_write(f->queue, f->a, 0, f->host_a, sizeof f->host_a, NULL, &err), err);
    assert_ok(ops->enqueue_write(f->queue, f->b, 0, f->host_b, sizeof f->host_b, NULL, &err), err);
    assert_ok(ops->enqueue_write(f->queue, f->c, 0, f->host_c, sizeof f->host_c, NULL, &err), err);
    set_all(f, kernel, ldb, transpose_b);
    assert_ok(ops->enqueue_kernel(f->queue, kernel, none, none, &event, &err), err);
    assert_ok(ops->event_wait(event, &err), err);
    assert_ok(ops->enqueue_read(f->queue, f->c, 0, f->host_c, sizeof f->host_c, NULL, &err), err);
    assert_ok(ops->finish(f->queue, &err), err);
    check(f, ldb, transpose_b);
    ops->event_release(event);
    ops->kernel_destroy(f->device, kernel);
}

static void sgemm_is_right(void **state) {
    multiply(*state, 40, 0);
}

static void sgemm_with_transposed_b_is_right(void **state) {
    multiply(*state, 60, 1);
}

static void wrong_calls_are_refused(void **state) {
    struct fixture *f = *state;
    const struct e2b_device_ops *ops = f->device->ops;
    const size_t none[3] = {0};
    const int64_t value = 4;
    struct e2b_event *event = NULL;
    struct e2b_error err = {0};
    struct e2b_kernel *kernel = make(f);
    assert_fails(ops->enqueue_kernel(f->queue, kernel, none, none, &event, &err), E2B_INVALID,
        "not all of its 13 arguments", err);
    assert_null(event);
    assert_fails(
        ops->kernel_set_buffer(f->device, kernel, 1, f->a, &err), E2B_INVALID, "argument 1", err);
    assert_fails(ops->kernel_set_value(f->device, kernel, 4, &value, 4, &err), E2B_INVALID,
        "argument 4", err);
    assert_fails(ops->kernel_set_value(f->device, kernel, 13, &value, 4, &err), E2B_INVALID,
        "argument 13", err);
    assert_fails(
        ops->kernel_set_value(f->device, kernel, 6, &value, 8, &err), E2B_INVALID, "4 bytes", err);
    set_all(f, kernel, 1, 0);
    assert_fails(ops->enqueue_kernel(f->queue, kernel, none, none, &event, &err), E2B_INVALID,
        "leading dimension", err);
    assert_null(event);
    ops->kernel_destroy(f->device, kernel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgemm_is_right),
        cmocka_unit_test(sgemm_with_transposed_b_is_right),
        cmocka_unit_test(wrong_calls_are_refused),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}
