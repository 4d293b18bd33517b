#include "tests/runtime/engine/fixture.h"

#include "backends/opencl/opencl.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <math.h>

struct e2b_model *fixture_model(int64_t batch) {
    struct e2b_builder *builder = e2b_builder_create(17);
    const float one = 1;
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(batch, FIXTURE_FEATURES));
    e2b_builder_floats(builder, "one", E2B_SHAPE(1), &one);
    e2b_builder_node(builder, "Relu", "x", "a");
    e2b_builder_node(builder, "Add", "a,one", "b");
    e2b_builder_node(builder, "Sigmoid", "b", "y");
    e2b_builder_output(builder, "y");
    return e2b_builder_model(builder);
}

struct e2b_device *fixture_sim(void) {
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    const struct e2b_sim_options options = {
        .any_kernel = true, .any_kernel_ns = FIXTURE_KERNEL_NS, .copy_ns = 100, .seed = 1};
    assert_ok(e2b_sim_create(&options, &device, &err), err);
    return device;
}

struct e2b_device *fixture_opencl(void) {
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    if (e2b_opencl_open(&(struct e2b_opencl_options){0}, &device, &err) != E2B_OK)
        printf("SKIP: %s\n", err.text);
    return device;
}

struct fixture fixture_open(struct e2b_device *device, bool manual, int slots) {
    struct fixture fixture = {.device = device, .model = fixture_model(-1)};
    struct e2b_error err = {0};
    const struct e2b_engine_options options = {.policy = "elastic", .manual = manual};
    const struct e2b_serve_options serve = {.name = "tiny",
        .slot_count = slots,
        .size_count = 3,
        .sizes = {1, 2, 4},
        .instances = {1, 1, 1},
        .precision = E2B_F32,
        .image = {.input = -1},
        .weight = 1};
    assert_ok(e2b_engine_create(device, &options, &fixture.engine, &err), err);
    assert_ok(e2b_engine_add(fixture.engine, fixture.model, &serve, &fixture.served, &err), err);
    assert_ok(e2b_engine_start(fixture.engine, &err), err);
    return fixture;
}

void fixture_close(struct fixture *fixture) {
    e2b_engine_destroy(fixture->engine);
    e2b_model_destroy(fixture->model);
    fixture->device->ops->destroy(fixture->device);
}

void fixture_settle(struct fixture *fixture) {
    int64_t timer_ns;
    do {
        timer_ns = e2b_engine_step(fixture->engine);
        int64_t next_ns = e2b_sim_next_ns(fixture->device);
        int64_t until_ns = timer_ns < next_ns ? timer_ns : next_ns;
        if (until_ns == INT64_MAX)
            break;
        e2b_sim_advance(fixture->device, until_ns);
    } while (true);
}

void fixture_write(struct e2b_request *request, int sample, float seed) {
    float *x = e2b_request_input(request, sample, 0, NULL);
    for (int i = 0; i < FIXTURE_FEATURES; i++)
        x[i] = sinf(seed + (float)i);
}

void fixture_expected(float seed, float *out) {
    for (int i = 0; i < FIXTURE_FEATURES; i++)
        out[i] = 1 / (1 + expf(-fmaxf(sinf(seed + (float)i), 0) - 1));
}

void fixture_note(void *context, struct e2b_request *request, const struct e2b_error *err) {
    (void)request;
    struct fixture_answer *answer = context;
    answer->count++;
    answer->status = err->status;
}
