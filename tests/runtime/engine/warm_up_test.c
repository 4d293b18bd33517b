#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/engine/planned.h"
#include "tests/support.h"

#include <string.h>

/* A kernel that gives another answer each time: what a race or a bad compiler may do. */
static void give_nonsense(void *context, const struct e2b_sim_args *args) {
    float *calls = context;
    *calls += 1;
    for (int a = 0; a < args->count; a++)
        for (size_t i = 0; args->list[a].buffer && i < args->list[a].bytes / sizeof(float); i++)
            ((float *)args->list[a].buffer)[i] = *calls;
}

static const char *last_kernel(char *name, size_t bytes) {
    struct e2b_device *device = fixture_sim();
    struct planned planned = planned_open(device, 1);
    int last = e2b_plan_step_count(planned.plan) - 1;
    snprintf(name, bytes, "%s", e2b_plan_step(planned.plan, last)->launch.kernel);
    planned_close(&planned);
    device->ops->destroy(device);
    return name;
}

static void a_device_that_computes_wrongly_is_refused(void **state) {
    (void)state;
    char name[64];
    float calls = 0;
    const struct e2b_sim_kernel kernel = {
        .name = last_kernel(name, sizeof name), .run = give_nonsense, .context = &calls};
    const struct e2b_sim_options options = {
        .kernels = &kernel, .kernel_count = 1, .any_kernel = true, .any_kernel_ns = 10};
    const struct e2b_serve_options serve = {.name = "m",
        .slot_count = 2,
        .size_count = 2,
        .sizes = {1, 2},
        .instances = {1, 1},
        .precision = E2B_F32,
        .image = {.input = -1}};
    struct e2b_error err = {0};
    struct e2b_device *device;
    struct e2b_engine *engine;
    struct e2b_served *served;
    struct e2b_model *model = fixture_model(-1);
    assert_ok(e2b_sim_create(&options, &device, &err), err);
    assert_ok(e2b_engine_create(device,
                  &(struct e2b_engine_options){.policy = "elastic", .manual = true}, &engine, &err),
        err);
    assert_fails(e2b_engine_add(engine, model, &serve, &served, &err), E2B_DEVICE,
        "wrongly on this device", err);
    e2b_engine_destroy(engine);
    e2b_model_destroy(model);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_computes_wrongly_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
