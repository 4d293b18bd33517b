#include "tools/lab/stand_in.h"

#include "tests/support.h"
#include "tests/tools/lab/bench.h"

/* Inputs keep the proportion of upload times, and no two models have equal ones. */
static void models_stand_for_those_of_the_table(void **state) {
    (void)state;
    struct e2b_lab_table table = *bench_table();
    struct e2b_lab_stand_in *stand_in = NULL;
    struct e2b_error err = {0};
    table.models[2] = table.models[1];
    snprintf(table.models[2].name, sizeof table.models[2].name, "twin");
    table.count = 3;
    int64_t lengths[3];
    assert_ok(e2b_lab_stand_in_create(&table, &stand_in, &err), err);
    for (int i = 0; i < 3; i++) {
        struct e2b_model *model = NULL;
        assert_ok(e2b_lab_stand_in_model(stand_in, i, &model, &err), err);
        assert_true(e2b_model_is_batchable(model));
        assert_int_equal(e2b_model_input_count(model), 1);
        lengths[i] = e2b_model_input(model, 0)->shape.dims[1];
        e2b_model_destroy(model);
    }
    double wanted = (50000.0 - 10000) / (80000.0 - 10000);
    assert_true((double)lengths[0] / (double)lengths[1] > wanted - 0.01);
    assert_true((double)lengths[0] / (double)lengths[1] < wanted + 0.01);
    assert_true(lengths[1] != lengths[2]);
    e2b_lab_stand_in_destroy(stand_in);
    e2b_lab_stand_in_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_stand_for_those_of_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
