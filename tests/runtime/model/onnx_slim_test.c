#include "runtime/model/onnx_slim.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define LARGE 64
#define WEIGHT_BYTES (5 * 3 * 3 * 3 * 4)

struct packed {
    struct e2b_builder *builder;
    unsigned char *bytes;
    size_t count;
};

static struct packed pack(void) {
    struct packed packed = {.builder = e2b_builder_create(13)};
    e2b_builder_input(packed.builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 8, 8));
    e2b_builder_floats(packed.builder, "w", E2B_SHAPE(5, 3, 3, 3), NULL);
    e2b_builder_floats(packed.builder, "b", E2B_SHAPE(5), NULL);
    e2b_builder_node(packed.builder, "Conv", "x,w,b", "y");
    e2b_builder_output(packed.builder, "y");
    packed.bytes = e2b_builder_pack(packed.builder, &packed.count);
    return packed;
}

static void finish(struct packed *packed) {
    free(packed->bytes);
    e2b_builder_destroy(packed->builder);
}

static void large_data_stays_and_its_place_is_told(void **state) {
    (void)state;
    struct packed packed = pack();
    struct e2b_text slim = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_onnx_slim(packed.bytes, packed.count, LARGE, &slim, &err), err);
    assert_true(slim.len < packed.count - WEIGHT_BYTES + 32);
    Onnx__ModelProto *got = onnx__model_proto__unpack(NULL, slim.len, (uint8_t *)slim.data);
    assert_non_null(got);
    const Onnx__TensorProto *before = e2b_builder_proto(packed.builder)->graph->initializer[0];
    const Onnx__TensorProto *after = got->graph->initializer[0];
    assert_string_equal(after->name, "w");
    assert_int_equal(after->n_dims, 4);
    assert_false(after->has_raw_data);
    assert_int_equal(after->raw_bytes, WEIGHT_BYTES);
    assert_memory_equal(packed.bytes + after->raw_offset, before->raw_data.data, WEIGHT_BYTES);
    onnx__model_proto__free_unpacked(got, NULL);
    e2b_text_finish(&slim);
    finish(&packed);
}

/* With nothing to leave out, the message comes out as it went in. */
static void the_rest_is_kept(void **state) {
    (void)state;
    struct packed packed = pack();
    struct e2b_text slim = {0};
    struct e2b_error err = {0};
    assert_ok(e2b_onnx_slim(packed.bytes, packed.count, 1 << 20, &slim, &err), err);
    assert_int_equal(slim.len, packed.count);
    assert_memory_equal(slim.data, packed.bytes, packed.count);
    e2b_text_finish(&slim);
    finish(&packed);
}

/* A file that claims to be slim is not believed. */
static void places_in_the_file_are_dropped(void **state) {
    (void)state;
    struct packed packed = pack();
    struct e2b_text slim = {0};
    struct e2b_error err = {0};
    Onnx__TensorProto *tensor = e2b_builder_proto(packed.builder)->graph->initializer[1];
    tensor->has_raw_offset = tensor->has_raw_bytes = true;
    tensor->raw_offset = 0;
    tensor->raw_bytes = 20;
    size_t count;
    unsigned char *bytes = e2b_builder_pack(packed.builder, &count);
    assert_true(count > packed.count);
    assert_ok(e2b_onnx_slim(bytes, count, 1 << 20, &slim, &err), err);
    assert_int_equal(slim.len, packed.count);
    assert_memory_equal(slim.data, packed.bytes, packed.count);
    e2b_text_finish(&slim);
    free(bytes);
    finish(&packed);
}

static void what_is_cut_off_is_refused(void **state) {
    (void)state;
    struct packed packed = pack();
    int refused = 0;
    for (size_t count = 1; count < packed.count; count++) {
        struct e2b_text slim = {0};
        struct e2b_error err = {0};
        refused += e2b_onnx_slim(packed.bytes, count, LARGE, &slim, &err) == E2B_INVALID;
        e2b_text_finish(&slim);
    }
    assert_true(refused > (int)packed.count * 9 / 10);
    finish(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_data_stays_and_its_place_is_told),
        cmocka_unit_test(the_rest_is_kept),
        cmocka_unit_test(places_in_the_file_are_dropped),
        cmocka_unit_test(what_is_cut_off_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
