#include "runtime/engine/served.h"

#include "tests/runtime/engine/fixture.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <string.h>

static const struct e2b_serve_options serve = {.name = "m",
    .slot_count = 8,
    .size_count = 2,
    .sizes = {1, 4},
    .instances = {2, 1},
    .precision = E2B_F32,
    .image = {.input = -1},
    .target_ns = 5,
    .percentile = 99};

static struct e2b_served *make(struct e2b_device *device, struct e2b_programs *programs,
    struct e2b_model *model, const struct e2b_serve_options *options) {
    struct e2b_served *served = NULL;
    struct e2b_error err = {0};
    assert_ok(e2b_served_create(device, programs, model, options, &served, &err), err);
    return served;
}

static void the_policy_is_told_of_sizes_and_slots(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_programs *programs;
    struct e2b_sched_model told;
    struct e2b_device *device = fixture_sim();
    struct e2b_model *model = fixture_model(-1);
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    struct e2b_served *served = make(device, programs, model, &serve);
    e2b_served_describe(served, &told);
    assert_string_equal(told.name, "m");
    assert_int_equal(told.slot_count, 8);
    assert_int_equal(told.size_count, 2);
    assert_int_equal(told.sizes[1], 4);
    assert_int_equal(told.instances[0], 2);
    assert_true(told.launches[0] >= 1);
    assert_true(told.weight == 1);
    assert_int_equal(e2b_served_max_batch(served), 8);
    assert_true(e2b_served_device_bytes(served) > 0);
    e2b_served_destroy(served);
    e2b_programs_destroy(programs);
    e2b_model_destroy(model);
    device->ops->destroy(device);
}

static void a_fixed_batch_is_one_slot(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_programs *programs;
    struct e2b_sched_model told;
    struct e2b_device *device = fixture_sim();
    struct e2b_model *model = fixture_model(3);
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    struct e2b_served *served = make(device, programs, model, &serve);
    e2b_served_describe(served, &told);
    assert_int_equal(told.size_count, 1);
    assert_int_equal(told.sizes[0], 1);
    assert_int_equal(e2b_served_max_batch(served), 0);
    assert_int_equal(e2b_served_input(served, 0)->shape.dims[0], 3);
    assert_int_equal(served->input_bytes[0], 3 * FIXTURE_FEATURES * 4);
    e2b_served_destroy(served);
    e2b_programs_destroy(programs);
    e2b_model_destroy(model);
    device->ops->destroy(device);
}

static void an_image_input_is_bytes_to_the_client(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_programs *programs;
    struct e2b_served *served = NULL;
    struct e2b_device *device = fixture_sim();
    struct e2b_builder *builder = e2b_builder_create(17);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 5, 7));
    e2b_builder_node(builder, "Relu", "x", "y");
    e2b_builder_output(builder, "y");
    struct e2b_model *model = e2b_builder_model(builder), *flat = fixture_model(-1);
    struct e2b_serve_options image = serve;
    image.image = (struct e2b_image_input){.input = 0, .scale = {1, 1, 1}};
    assert_ok(e2b_programs_create(device, &programs, &err), err);
    served = make(device, programs, model, &image);
    const struct e2b_io *io = e2b_served_input(served, 0);
    assert_int_equal(io->dtype, E2B_U8);
    assert_int_equal(io->shape.dims[1], 5);
    assert_int_equal(io->shape.dims[2], 7);
    assert_int_equal(io->shape.dims[3], 3);
    assert_int_equal(served->input_bytes[0], 105);
    e2b_served_destroy(served);
    assert_fails(e2b_served_create(device, programs, flat, &image, &served, &err), E2B_INVALID,
        "cannot be an image", err);
    e2b_programs_destroy(programs);
    e2b_model_destroy(model);
    e2b_model_destroy(flat);
    device->ops->destroy(device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_policy_is_told_of_sizes_and_slots),
        cmocka_unit_test(a_fixed_batch_is_one_slot),
        cmocka_unit_test(an_image_input_is_bytes_to_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
