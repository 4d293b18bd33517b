#include "runtime/model/onnx_tensor.h"

#include "runtime/base/file.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
    struct e2b_builder *builder;
    struct e2b_constants *store;
    struct e2b_error err;
    const struct e2b_constant *made;
};

static int setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->builder = e2b_builder_create(13);
    fixture->store = e2b_constants_create();
    *state = fixture;
    return 0;
}

static int teardown(void **state) {
    struct fixture *fixture = *state;
    e2b_builder_destroy(fixture->builder);
    e2b_constants_destroy(fixture->store);
    free(fixture);
    return 0;
}

static enum e2b_status parse(struct fixture *f, const Onnx__TensorProto *tensor) {
    return e2b_onnx_tensor(f->store, tensor, "w", &(struct e2b_onnx_place){0}, &f->made, &f->err);
}

static double element(const struct e2b_constant *constant, int64_t index) {
    struct e2b_error err = {0};
    double *values = e2b_constant_doubles(constant, &err), value = values[index];
    free(values);
    return value;
}

/* Each type by its own field: floats, doubles, int64, and the small ones in int32_data. */
static void typed_fields(void **state) {
    struct fixture *f = *state;
    float floats[] = {1.5f, -2};
    double doubles[] = {0.1, -3};
    int64_t longs[] = {INT64_C(1) << 40, -7};
    Onnx__TensorProto *tensor = e2b_builder_tensor(f->builder, 1, E2B_SHAPE(2));
    tensor->n_float_data = 2;
    tensor->float_data = floats;
    assert_ok(parse(f, tensor), f->err);
    assert_true(element(f->made, 1) == -2);
    tensor = e2b_builder_tensor(f->builder, 11, E2B_SHAPE(2));
    tensor->n_double_data = 2;
    tensor->double_data = doubles;
    assert_ok(parse(f, tensor), f->err);
    assert_true(element(f->made, 0) == 0.1);
    tensor = e2b_builder_tensor(f->builder, 7, E2B_SHAPE(2));
    tensor->n_int64_data = 2;
    tensor->int64_data = longs;
    assert_ok(parse(f, tensor), f->err);
    assert_true(element(f->made, 0) == 0x1p40);
}

static void int32_field_serves_small_types(void **state) {
    struct fixture *f = *state;
    static const struct {
        int type;
        int32_t in;
        double out;
    } rows[] = {{6, -70000, -70000}, {2, 200, 200}, {3, -5, -5}, {9, 1, 1}, {10, 0x3e00, 1.5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int32_t value = rows[i].in;
        Onnx__TensorProto *tensor = e2b_builder_tensor(f->builder, rows[i].type, E2B_SCALAR);
        tensor->n_int32_data = 1;
        tensor->int32_data = &value;
        assert_ok(parse(f, tensor), f->err);
        assert_true(element(f->made, 0) == rows[i].out);
    }
}

static void raw_data(void **state) {
    struct fixture *f = *state;
    uint16_t halves[] = {0x3c00, 0xc000};
    Onnx__TensorProto *tensor = e2b_builder_tensor(f->builder, 10, E2B_SHAPE(2, 1));
    tensor->has_raw_data = true;
    tensor->raw_data = (ProtobufCBinaryData){sizeof halves, (uint8_t *)halves};
    assert_ok(parse(f, tensor), f->err);
    assert_int_equal(f->made->dtype, E2B_F16);
    assert_true(element(f->made, 1) == -2);
    tensor->raw_data.len = 3;
    assert_fails(parse(f, tensor), E2B_INVALID, "\"w\": weights are missing", f->err);
}

static void hostile_sizes(void **state) {
    struct fixture *f = *state;
    float one = 1;
    Onnx__TensorProto *tensor =
        e2b_builder_tensor(f->builder, 1, E2B_SHAPE(INT64_MAX / 2, 16, INT64_MAX));
    tensor->n_float_data = 1;
    tensor->float_data = &one;
    assert_fails(parse(f, tensor), E2B_INVALID, "dimension", f->err);
    tensor = e2b_builder_tensor(f->builder, 1, E2B_SHAPE(-1));
    assert_fails(parse(f, tensor), E2B_INVALID, "dimension 0 is -1", f->err);
    tensor = e2b_builder_tensor(f->builder, 1, E2B_SHAPE(1 << 30));
    assert_fails(parse(f, tensor), E2B_INVALID, "missing", f->err);
    tensor = e2b_builder_tensor(f->builder, 14, E2B_SHAPE(1));
    assert_fails(parse(f, tensor), E2B_UNSUPPORTED, "type 14", f->err);
    tensor->data_type = -3;
    assert_fails(parse(f, tensor), E2B_UNSUPPORTED, "type -3", f->err);
    tensor = e2b_builder_tensor(f->builder, 1, E2B_SHAPE(0, 4));
    assert_ok(parse(f, tensor), f->err);
}

static void set_external(struct fixture *f, Onnx__TensorProto *tensor, const char *location,
    const char *offset, const char *length) {
    const char *entries[3][2] = {{"location", location}, {"offset", offset}, {"length", length}};
    tensor->has_data_location = true;
    tensor->data_location = 1;
    tensor->n_external_data = 3;
    tensor->external_data = e2b_builder_alloc(f->builder, 3 * sizeof *tensor->external_data);
    for (int i = 0; i < 3; i++) {
        Onnx__StringStringEntryProto *entry = e2b_builder_alloc(f->builder, sizeof *entry);
        onnx__string_string_entry_proto__init(entry);
        entry->key = (char *)entries[i][0];
        entry->value = (char *)entries[i][1];
        tensor->external_data[i] = entry;
    }
}

static void external_data(void **state) {
    struct fixture *f = *state;
    char folder[] = "/tmp/e2b-weights-XXXXXX", path[64];
    const float weights[] = {1, 2, 3, 4};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.bin", folder);
    assert_ok(e2b_file_replace(path, weights, sizeof weights, &f->err), f->err);
    Onnx__TensorProto *tensor = e2b_builder_tensor(f->builder, 1, E2B_SHAPE(2));
    static const struct {
        const char *location, *offset, *length, *message;
    } rows[] = {
        {"w.bin", "8", "8", NULL},
        {"w.bin", "12", "8", "outside"},
        {"w.bin", "99", "8", "outside"},
        {"w.bin", "0", "16", "missing or cut off"},
        {"w.bin", "18446744073709551615", "8", "outside"},
        {"w.bin", "-1", "8", "must be numbers"},
        {"w.bin", "x", "8", "must be numbers"},
        {"../w.bin", "0", "8", "own folder"},
        {"a/../../w.bin", "0", "8", "own folder"},
        {"/etc/passwd", "0", "8", "own folder"},
        {"", "0", "8", "own folder"},
        {"absent.bin", "0", "8", "absent.bin"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_external(f, tensor, rows[i].location, rows[i].offset, rows[i].length);
        const struct e2b_onnx_place place = {.folder = folder};
        enum e2b_status status = e2b_onnx_tensor(f->store, tensor, "w", &place, &f->made, &f->err);
        if (!rows[i].message) {
            assert_ok(status, f->err);
            assert_true(element(f->made, 0) == 3);
        } else {
            assert_int_not_equal(status, E2B_OK);
            assert_non_null(strstr(f->err.text, rows[i].message));
            e2b_error_clear(&f->err);
        }
    }
    assert_fails(parse(f, tensor), E2B_INVALID, "own folder", f->err);
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(typed_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(int32_field_serves_small_types, setup, teardown),
        cmocka_unit_test_setup_teardown(raw_data, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(external_data, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
