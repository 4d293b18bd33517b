#include "runtime/model/graph.h"

#include "runtime/base/file.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct e2b_builder *build(int64_t batch) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(batch, 3, 8, 8));
    e2b_builder_floats(builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "y");
    e2b_builder_output(builder, "y");
    return builder;
}

static void declares_what_it_takes_and_gives(void **state) {
    (void)state;
    struct e2b_model *model = e2b_builder_model(build(-1));
    assert_true(e2b_model_is_batchable(model));
    assert_int_equal(e2b_model_input_count(model), 1);
    assert_int_equal(e2b_model_output_count(model), 1);
    assert_true(e2b_shape_equal(&e2b_model_input(model, 0)->shape, E2B_SHAPE(-1, 3, 8, 8)));
    assert_string_equal(e2b_model_output(model, 0)->name, "y");
    assert_int_equal(e2b_model_output(model, 0)->dtype, E2B_F32);
    assert_true(e2b_shape_equal(&e2b_model_output(model, 0)->shape, E2B_SHAPE(-1, 5, 6, 6)));
    assert_int_equal(e2b_model_weight_bytes(model), 5 * 3 * 3 * 3 * 4);
    e2b_model_destroy(model);
    e2b_model_destroy(NULL);
}

static void fixed_batch_stays(void **state) {
    (void)state;
    struct e2b_model *model = e2b_builder_model(build(2));
    assert_false(e2b_model_is_batchable(model));
    assert_true(e2b_shape_equal(&e2b_model_output(model, 0)->shape, E2B_SHAPE(2, 5, 6, 6)));
    e2b_model_destroy(model);
}

static void written_batch_size_is_refused_at_load(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model;
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 4));
    e2b_builder_ints(builder, "shape", 2, (const int64_t[]){1, -1});
    e2b_builder_node(builder, "Reshape", "x,shape", "y");
    e2b_builder_output(builder, "y");
    assert_fails(e2b_builder_parse(builder, &model, &err), E2B_UNSUPPORTED,
        "output \"y\": dimension 0 is 1 for a batch of 2", err);
    e2b_builder_destroy(builder);
}

static void wrong_shapes_are_refused_at_load(void **state) {
    (void)state;
    struct e2b_error err = {0};
    struct e2b_model *model;
    struct e2b_builder *builder = build(-1);
    e2b_builder_proto(builder)->graph->initializer[0]->dims[1] = 1;
    e2b_builder_proto(builder)->graph->initializer[0]->dims[0] = 15;
    enum e2b_status status = e2b_builder_parse(builder, &model, &err);
    assert_int_not_equal(status, E2B_OK);
    assert_non_null(strstr(err.text, "\"y\""));
    e2b_builder_destroy(builder);
}

static void loads_a_file_and_says_which_it_refused(void **state) {
    (void)state;
    char path[] = "/tmp/e2b-model-XXXXXX";
    struct e2b_error err = {0};
    struct e2b_model *model;
    size_t count;
    struct e2b_builder *builder = build(-1);
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    close(mkstemp(path));
    assert_ok(e2b_file_replace(path, bytes, count, &err), err);
    assert_ok(e2b_model_load(path, &model, &err), err);
    e2b_model_destroy(model);
    assert_ok(e2b_file_replace(path, bytes, count / 2, &err), err);
    assert_fails(e2b_model_load(path, &model, &err), E2B_INVALID, path, err);
    unlink(path);
    assert_int_not_equal(e2b_model_load(path, &model, &err), E2B_OK);
    assert_non_null(strstr(err.text, path));
    free(bytes);
    e2b_builder_destroy(builder);
}

#define FILTERS 200
#define ANSWERS (FILTERS * 6 * 6)

static struct e2b_builder *build_scaled(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 8, 8));
    e2b_builder_floats(builder, "w", E2B_SHAPE(FILTERS, 3, 3, 3), NULL);
    e2b_builder_floats(builder, "scale", E2B_SHAPE(FILTERS, 1, 1), NULL);
    e2b_builder_node(builder, "Conv", "x,w", "c");
    e2b_builder_node(builder, "Mul", "c,scale", "y");
    e2b_builder_output(builder, "y");
    return builder;
}

static enum e2b_status answer(
    struct e2b_model *model, double values[ANSWERS], struct e2b_error *err) {
    const struct e2b_graph_options options = {
        .batch = 1, .precision = E2B_F32, .channel_align = 8, .image = {.input = -1}};
    struct e2b_graph *graph;
    double input[3 * 8 * 8];
    for (int i = 0; i < 3 * 8 * 8; i++)
        input[i] = i % 17 - 8;
    if (e2b_graph_create(model, &options, &graph, err) != E2B_OK)
        return err->status;
    e2b_graph_reference(graph, (const double *const[]){input}, (double *const[]){values}, err);
    e2b_graph_destroy(graph);
    return err->status;
}

/* They are read, and scaled, when asked for, and are then as if they had been in memory. */
static void large_weights_stay_in_the_file(void **state) {
    (void)state;
    static double from_file[ANSWERS], from_memory[ANSWERS];
    char path[] = "/tmp/e2b-model-XXXXXX";
    struct e2b_error err = {0};
    struct e2b_model *filed, *parsed;
    size_t count;
    struct e2b_builder *builder = build_scaled();
    unsigned char *bytes = e2b_builder_pack(builder, &count);
    close(mkstemp(path));
    assert_ok(e2b_file_replace(path, bytes, count, &err), err);
    assert_ok(e2b_model_load(path, &filed, &err), err);
    assert_ok(e2b_model_parse(bytes, count, NULL, &parsed, &err), err);
    assert_ok(answer(filed, from_file, &err), err);
    assert_ok(answer(parsed, from_memory, &err), err);
    assert_memory_equal(from_file, from_memory, sizeof from_file);
    assert_true(from_file[0] != 0);
    unlink(path);
    assert_fails(answer(filed, from_file, &err), E2B_NOT_FOUND, path, err);
    e2b_model_destroy(filed);
    e2b_model_destroy(parsed);
    free(bytes);
    e2b_builder_destroy(builder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declares_what_it_takes_and_gives),
        cmocka_unit_test(fixed_batch_stays),
        cmocka_unit_test(written_batch_size_is_refused_at_load),
        cmocka_unit_test(wrong_shapes_are_refused_at_load),
        cmocka_unit_test(large_weights_stay_in_the_file),
        cmocka_unit_test(loads_a_file_and_says_which_it_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
