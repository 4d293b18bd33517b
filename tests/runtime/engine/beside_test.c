#include "runtime/engine/beside.h"

#include "runtime/engine/served.h"
#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/planned.h"
#include "tests/support.h"

#include <stdlib.h>

static int64_t wait_ns; /* of a kernel that starts while another runs */

static int64_t cost(void *context, const struct e2b_sim_args *args) {
    (void)context;
    return FIXTURE_KERNEL_NS + (args->running > 0 ? wait_ns : 0);
}

static struct e2b_served *add(
    struct fixture *fixture, struct e2b_engine **engine, struct e2b_model *model) {
    const struct e2b_serve_options options = {.name = "n",
        .sizes = {1, 2},
        .instances = {1, 1},
        .size_count = 2,
        .slot_count = 8,
        .precision = E2B_F32,
        .image = {.input = -1}};
    struct e2b_error err = {0};
    struct e2b_served *served = NULL;
    assert_ok(e2b_engine_create(fixture->device,
                  &(struct e2b_engine_options){.policy = "elastic", .manual = true}, engine, &err),
        err);
    assert_ok(e2b_engine_add(*engine, model, &options, &served, &err), err);
    return served;
}

static void what_models_wait_for_one_another_is_measured_once(void **state) {
    (void)state;
    char folder[] = "/tmp/e2b-beside-XXXXXX", command[128];
    struct e2b_error err = {0};
    struct e2b_engine *engine;
    struct e2b_model *model = fixture_model(-1);
    wait_ns = 0;
    struct fixture fixture = fixture_open(planned_sim(cost), true, 16);
    struct e2b_served *first = fixture.served, *second = add(&fixture, &engine, model);
    assert_non_null(mkdtemp(folder));
    wait_ns = 700;
    assert_ok(e2b_served_profile_beside(second, &first, 1, folder, 1000000, &err), err);
    int64_t waited_ns = second->profile.beside_ns, steps = e2b_plan_step_count(first->sizes[0].plan);
    assert_in_range(waited_ns, 600, 700 * steps);
    assert_in_range(first->profile.beside_ns, 600, 700 * steps);
    second->profile.beside_ns = 0;
    int64_t now_ns = fixture.device->ops->now_ns(fixture.device);
    assert_ok(e2b_served_profile_beside(second, &first, 1, folder, 1000000, &err), err);
    assert_int_equal(second->profile.beside_ns, waited_ns);
    assert_int_equal(fixture.device->ops->now_ns(fixture.device), now_ns);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    e2b_engine_destroy(engine);
    e2b_model_destroy(model);
    fixture_close(&fixture);
}

static void what_demands_tell_is_no_wait(void **state) {
    (void)state;
    assert_true(e2b_beside_expected_ns(1000, 5000, 1.5) == 1500);
    assert_true(e2b_beside_expected_ns(1000, 400, 1.5) == 1200); /* the other ends before */
    assert_true(e2b_beside_expected_ns(1000, -1, 1.5) == 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_models_wait_for_one_another_is_measured_once),
        cmocka_unit_test(what_demands_tell_is_no_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
