#include "runtime/server/catalog.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"
#include <string.h>

static void test_finds_models(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    const struct e2b_served_entry entries[] = {{.served = fixture.served, .image_input = -1},
        {.served = fixture.served, .version = "2", .image_input = -1}};
    struct e2b_catalog catalog;
    struct e2b_catalog_model *model;
    assert_ok(e2b_catalog_init(&catalog, entries, 2, &err), err);
    assert_ok(e2b_catalog_find(&catalog, "tiny", "", &model, &err), err);
    assert_ptr_equal(model, &catalog.models[0]);
    assert_ok(e2b_catalog_find(&catalog, "tiny", "2", &model, &err), err);
    assert_ptr_equal(model, &catalog.models[1]);
    assert_int_equal(model->signature.input_count, 1);
    assert_int_equal(model->signature.max_batch, e2b_served_max_batch(fixture.served));
    assert_string_equal(model->signature.inputs[0].name, "x");
    assert_fails(e2b_catalog_find(&catalog, "tiny", "3", &model, &err), E2B_NOT_FOUND,
        "no version \"3\"", err);
    assert_fails(e2b_catalog_find(&catalog, "tinny", "", &model, &err), E2B_NOT_FOUND,
        "did you mean \"tiny\"", err);
    assert_fails(
        e2b_catalog_find(&catalog, "zebra", "", &model, &err), E2B_NOT_FOUND, "lists", err);
    e2b_catalog_finish(&catalog);
    fixture_close(&fixture);
}

static void test_refuses(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    const struct e2b_served_entry twice[] = {{.served = fixture.served, .image_input = -1},
        {.served = fixture.served, .version = "1", .image_input = -1}};
    const struct e2b_served_entry image = {.served = fixture.served, .image_input = 0};
    struct e2b_catalog catalog;
    assert_fails(e2b_catalog_init(&catalog, twice, 2, &err), E2B_INVALID, "given twice", err);
    e2b_catalog_finish(&catalog);
    assert_fails(
        e2b_catalog_init(&catalog, &image, 1, &err), E2B_INVALID, "cannot take images", err);
    e2b_catalog_finish(&catalog);
    fixture_close(&fixture);
}

static void test_numbers(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct fixture fixture = fixture_open(fixture_sim(), true, 8);
    const struct e2b_served_entry entry = {.served = fixture.served, .image_input = -1};
    struct e2b_catalog catalog;
    struct e2b_model_numbers numbers;
    assert_ok(e2b_catalog_init(&catalog, &entry, 1, &err), err);
    catalog.models[0].refused[E2B_INVALID] = 3;
    e2b_catalog_numbers(&catalog.models[0], &numbers);
    assert_int_equal(numbers.refused[E2B_INVALID], 3);
    assert_int_equal(numbers.stats.slot_count, 8);
    assert_string_equal(numbers.name, "tiny");
    assert_ptr_equal(numbers.wait, &catalog.models[0].wait);
    e2b_catalog_finish(&catalog);
    fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_models),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
