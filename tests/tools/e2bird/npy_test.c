#include "tests/support.h"
#include "tools/e2bird/npy.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/e2bird-npy-XXXXXX";

static int make_file(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void arrays_come_back(void **state) {
    (void)state;
    struct e2b_error err = {0};
    const float values[] = {1, 2, 3, 4, 5, 6};
    const struct e2b_shape shapes[] = {{2, {2, 3}}, {1, {6}}, {4, {1, 3, 2, 1}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct npy npy;
        assert_ok(npy_write(path, E2B_F32, &shapes[i], values, &err), err);
        assert_ok(npy_read(path, &npy, &err), err);
        assert_int_equal(npy.dtype, E2B_F32);
        assert_true(e2b_shape_equal(&npy.shape, &shapes[i]));
        assert_memory_equal(npy.data, values, sizeof values);
        assert_int_equal(((uintptr_t)npy.data - (uintptr_t)npy.file.data) % 64, 0);
        npy_finish(&npy);
    }
}

static void a_scalar_comes_back(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct npy npy;
    int64_t value = -5;
    assert_ok(npy_write(path, E2B_I64, &(struct e2b_shape){0}, &value, &err), err);
    assert_ok(npy_read(path, &npy, &err), err);
    assert_int_equal(npy.shape.rank, 0);
    assert_int_equal(*(const int64_t *)npy.data, -5);
    npy_finish(&npy);
}

static void expect_refusal(const char *header, size_t data, const char *contains) {
    struct e2b_error err = {0};
    struct npy npy;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    size_t length = strlen(header);
    fwrite("\x93NUMPY\x01\x00", 1, 8, file);
    fputc((int)(length & 255), file);
    fputc((int)(length >> 8), file);
    fwrite(header, 1, length, file);
    for (size_t i = 0; i < data; i++)
        fputc(0, file);
    fclose(file);
    assert_int_not_equal(npy_read(path, &npy, &err), E2B_OK);
    if (!strstr(err.text, contains))
        fail_msg("message \"%s\" lacks \"%s\"", err.text, contains);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    expect_refusal("", 0, ".npy format");
    expect_refusal("{}", 0, "element type");
    expect_refusal(
        "{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }\n", 4, "element type");
    expect_refusal("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }\n", 4, "C order");
    expect_refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (x,), }\n", 4, "shape");
    expect_refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", 4, "shape");
    expect_refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 4, "4 bytes");
    expect_refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (1", 4, "shape");
    expect_refusal(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000,2000000000,2000000000,), }",
        4, "4 bytes");
}

static void what_is_no_array_is_refused(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct npy npy;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite("\x93NUMPY\x01\x00\xff\xff{'descr'", 1, 18, file);
    fclose(file);
    assert_fails(npy_read(path, &npy, &err), E2B_INVALID, "ends inside", err);
    file = fopen(path, "wb");
    assert_non_null(file);
    fwrite("not an array at all", 1, 19, file);
    fclose(file);
    assert_fails(npy_read(path, &npy, &err), E2B_INVALID, ".npy", err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_come_back),
        cmocka_unit_test(a_scalar_comes_back),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(what_is_no_array_is_refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
