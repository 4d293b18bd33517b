#include "tests/runtime/engine/planned.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

#include <stdio.h>

struct planned planned_open(struct e2b_device *device, int batch) {
    struct planned planned = {.device = device, .model = fixture_model(-1)};
    const int64_t stride = PLANNED_SLOT_FLOATS;
    const struct e2b_graph_options options = {.batch = batch,
        .precision = E2B_F32,
        .channel_align = device->traits.channel_align,
        .input_stride = &stride,
        .output_stride = &stride,
        .image = {.input = -1}};
    struct e2b_error err = {0};
    assert_ok(e2b_graph_create(planned.model, &options, &planned.graph, &err), err);
    assert_ok(e2b_weights_create(device, &planned.weights, &err), err);
    assert_ok(e2b_programs_create(device, &planned.programs, &err), err);
    assert_ok(e2b_plan_create(device, planned.graph, planned.weights, planned.programs,
                  &(struct e2b_plan_options){.quiet = true}, &planned.plan, &err),
        err);
    return planned;
}

void planned_close(struct planned *planned) {
    e2b_plan_destroy(planned->plan);
    e2b_programs_destroy(planned->programs);
    e2b_weights_destroy(planned->weights);
    e2b_graph_destroy(planned->graph);
    e2b_model_destroy(planned->model);
}

struct e2b_device *planned_sim(e2b_sim_cost_fn *cost) {
    enum { MOST = 8 };
    static char names[MOST][64];
    struct e2b_sim_kernel kernels[MOST];
    struct e2b_device *plain = fixture_sim(), *device = NULL;
    struct planned planned = planned_open(plain, 1);
    struct e2b_error err = {0};
    int count = e2b_plan_step_count(planned.plan);
    assert_in_range(count, 1, MOST);
    for (int i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "%s", e2b_plan_step(planned.plan, i)->launch.kernel);
        kernels[i] = (struct e2b_sim_kernel){.name = names[i], .cost = cost};
    }
    planned_close(&planned);
    plain->ops->destroy(plain);
    const struct e2b_sim_options options = {.kernels = kernels,
        .kernel_count = count,
        .any_kernel = true,
        .any_kernel_ns = FIXTURE_KERNEL_NS};
    assert_ok(e2b_sim_create(&options, &device, &err), err);
    return device;
}
