#include "tests/runtime/engine/planned.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/support.h"

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
