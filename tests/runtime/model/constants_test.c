#include "runtime/model/constants.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

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
    const struct e2b_constant *a = add(store, 3, 1, NULL), *b = add(store, 3, 2, NULL);
    assert_ptr_equal(add(store, 3, 1, NULL), a);
    assert_ptr_not_equal(a, b);
    assert_int_not_equal(a->id, b->id);
    assert_ptr_not_equal(add(store, 4, 1, NULL), a);
    double *values = e2b_constant_doubles(b);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_ones_are_shared_by_content),
        cmocka_unit_test(derived_ones_are_found_by_recipe),
        cmocka_unit_test(scalars_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
