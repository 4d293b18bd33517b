#include "runtime/model/constants.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct e2b_constant *add(
    struct e2b_constants *store, int64_t count, double first, const struct e2b_text *recipe) {
    struct e2b_error err = {0};
    const struct e2b_constant *made;
    struct e2b_shape shape = {1, {count}};
    double *values = calloc((size_t)count, sizeof *values);
    values[0] = first;
    assert_ok(e2b_constants_add_doubles(store, E2B_F32, &shape, values, recipe, &made, &err), err);
    free(values);
    return made;
}

static void small_ones_are_shared_by_content(void **state) {
    (void)state;
    struct e2b_constants *store = e2b_constants_create();
    struct e2b_error err = {0};
    const struct e2b_constant *a = add(store, 3, 1, NULL), *b = add(store, 3, 2, NULL);
    assert_ptr_equal(add(store, 3, 1, NULL), a);
    assert_ptr_not_equal(a, b);
    assert_int_not_equal(a->id, b->id);
    assert_ptr_not_equal(add(store, 4, 1, NULL), a);
    double *values = e2b_constant_doubles(b, &err);
    assert_true(values[0] == 2 && values[2] == 0);
    free(values);
    e2b_constants_destroy(store);
}

static void derived_ones_are_found_by_recipe(void **state) {
    (void)state;
    struct e2b_constants *store = e2b_constants_create();
    struct e2b_text one = {0}, other = {0};
    e2b_text_add(&one, "scale #1");
    e2b_text_add(&other, "scale #2");
    assert_null(e2b_constants_find(store, &one));
    const struct e2b_constant *made = add(store, 5000, 1, &one);
    assert_ptr_equal(e2b_constants_find(store, &one), made);
    assert_null(e2b_constants_find(store, &other));
    assert_ptr_not_equal(add(store, 5000, 1, &other), made);
    e2b_text_finish(&one);
    e2b_text_finish(&other);
    e2b_constants_destroy(store);
    e2b_constants_destroy(NULL);
}

static void scalars_are_told_apart(void **state) {
    (void)state;
    struct e2b_constants *store = e2b_constants_create();
    double value = 0;
    assert_true(e2b_constant_scalar(add(store, 1, 7, NULL), &value));
    assert_true(value == 7);
    assert_false(e2b_constant_scalar(add(store, 2, 7, NULL), &value));
    assert_false(e2b_constant_scalar(NULL, &value));
    e2b_constants_destroy(store);
}

#define ROWS 100
#define COLUMNS 77

static const struct e2b_shape matrix = {2, {ROWS, COLUMNS}};

/* A matrix of halves or floats in a file, after three odd bytes. */
static const struct e2b_weight_file *write_matrix(
    struct e2b_constants *store, enum e2b_dtype dtype, const char *path) {
    struct e2b_error err = {0};
    const struct e2b_weight_file *file;
    size_t width = e2b_dtype_bytes(dtype), bytes = 3 + ROWS * COLUMNS * width;
    char *data = calloc(bytes, 1), element[4];
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double value = i % 1000 - 300;
        e2b_from_double(dtype, &value, element, 1);
        memcpy(data + 3 + (size_t)i * width, element, width);
    }
    assert_ok(e2b_file_replace(path, data, bytes, &err), err);
    assert_ok(e2b_constants_file(store, path, &file, &err), err);
    free(data);
    return file;
}

static void large_ones_stay_in_their_file(void **state) {
    (void)state;
    char path[] = "/tmp/e2b-constants-XXXXXX";
    struct e2b_error err = {0};
    struct e2b_constants *store = e2b_constants_create();
    const struct e2b_constant *large, *small, *outside = NULL;
    const struct e2b_weight_file *again;
    close(mkstemp(path));
    const struct e2b_weight_file *file = write_matrix(store, E2B_F32, path);
    assert_ok(e2b_constants_file(store, path, &again, &err), err);
    assert_ptr_equal(file, again);
    assert_ok(e2b_constants_add_stored(store, E2B_F32, &matrix, file, 3, &large, &err), err);
    assert_null(large->data);
    const struct e2b_shape four = {1, {4}};
    assert_ok(e2b_constants_add_stored(store, E2B_F32, &four, file, 3, &small, &err), err);
    assert_non_null(small->data);
    float *values = calloc(ROWS * COLUMNS, sizeof *values);
    assert_ok(e2b_constant_read(large, values, &err), err);
    for (int i = 0; i < ROWS * COLUMNS; i++)
        assert_true(values[i] == (float)(i % 1000 - 300));
    free(values);
    assert_fails(e2b_constants_add_stored(store, E2B_F32, &matrix, file, 4, &outside, &err),
        E2B_INVALID, "outside", err);
    assert_ok(e2b_file_replace(path, "new", 3, &err), err);
    assert_null(e2b_constant_doubles(large, &err));
    assert_non_null(strstr(err.text, "was changed"));
    unlink(path);
    e2b_constants_destroy(store);
}

static void check_scaled(enum e2b_dtype dtype, int axis) {
    char path[] = "/tmp/e2b-constants-XXXXXX";
    struct e2b_error err = {0};
    struct e2b_constants *store = e2b_constants_create();
    const struct e2b_constant *base, *once, *twice;
    double scale[ROWS];
    struct e2b_text recipes[2] = {{0}};
    close(mkstemp(path));
    for (int i = 0; i < ROWS; i++)
        scale[i] = 1 + i % 8;
    e2b_text_add(&recipes[0], "once");
    e2b_text_add(&recipes[1], "twice");
    const struct e2b_weight_file *file = write_matrix(store, dtype, path);
    assert_ok(e2b_constants_add_stored(store, dtype, &matrix, file, 3, &base, &err), err);
    assert_ok(e2b_constants_add_scaled(store, base, axis, scale, &recipes[0], &once, &err), err);
    assert_ok(e2b_constants_add_scaled(store, once, axis, scale, &recipes[1], &twice, &err), err);
    assert_int_equal(twice->dtype, E2B_F32);
    assert_ptr_equal(e2b_constants_find(store, &recipes[1]), twice);
    double *values = e2b_constant_doubles(twice, &err);
    assert_non_null(values);
    for (int i = 0; i < ROWS * COLUMNS; i++) {
        double factor = scale[axis ? i % COLUMNS : i / COLUMNS];
        assert_true(values[i] == (i % 1000 - 300) * factor * factor);
    }
    free(values);
    e2b_text_finish(&recipes[0]);
    e2b_text_finish(&recipes[1]);
    unlink(path);
    e2b_constants_destroy(store);
}

static void scaled_ones_are_computed_where_they_are_read(void **state) {
    (void)state;
    check_scaled(E2B_F32, 0);
    check_scaled(E2B_F32, 1);
    check_scaled(E2B_F16, 0);
}

static void joined_ones_are_read_from_their_parts(void **state) {
    (void)state;
    struct e2b_constants *store = e2b_constants_create();
    struct e2b_error err = {0};
    struct e2b_text recipe = {0};
    const struct e2b_constant *parts[2], *joined;
    const struct e2b_shape shapes[] = {{2, {90, 60}}, {2, {90, 20}}};
    for (int k = 0; k < 2; k++) {
        int64_t count = e2b_shape_count(&shapes[k]);
        double *values = calloc((size_t)count, sizeof *values);
        for (int64_t i = 0; i < count; i++)
            values[i] = (double)(k ? -1 - i : i);
        assert_ok(
            e2b_constants_add_doubles(store, E2B_F32, &shapes[k], values, NULL, &parts[k], &err),
            err);
        free(values);
    }
    e2b_text_add(&recipe, "join");
    assert_ok(e2b_constants_add_joined(store, parts, 2, 1, &recipe, &joined, &err), err);
    assert_ptr_equal(e2b_constants_find(store, &recipe), joined);
    assert_int_equal(joined->shape.dims[1], 80);
    assert_null(joined->data);
    double *all = e2b_constant_doubles(joined, &err);
    for (int row = 0; row < 90; row++)
        for (int i = 0; i < 80; i++)
            assert_true(all[row * 80 + i] == (i < 60 ? row * 60 + i : -1 - row * 20 - (i - 60)));
    free(all);
    double scale[90];
    for (int i = 0; i < 90; i++)
        scale[i] = i;
    e2b_text_add(&recipe, " scaled");
    assert_ok(e2b_constants_add_scaled(store, joined, 0, scale, &recipe, &joined, &err), err);
    all = e2b_constant_doubles(joined, &err);
    assert_true(all[80 * 89 + 61] == -1.0 * (1 + 20 * 89 + 1) * 89);
    free(all);
    e2b_text_finish(&recipe);
    e2b_constants_destroy(store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_ones_are_shared_by_content),
        cmocka_unit_test(derived_ones_are_found_by_recipe),
        cmocka_unit_test(scalars_are_told_apart),
        cmocka_unit_test(joined_ones_are_read_from_their_parts),
        cmocka_unit_test(large_ones_stay_in_their_file),
        cmocka_unit_test(scaled_ones_are_computed_where_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
