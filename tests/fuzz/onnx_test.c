/* Broken ONNX files: small valid ones, mutated at random from fixed seeds for a bounded time.
 * Whatever comes, import and all passes return a status and one line of text; built with
 * sanitizers, no access is wrong and nothing leaks. E2B_FUZZ_SECONDS sets the time (10). */
#include "runtime/base/clock.h"
#include "runtime/model/onnx_slim.h"
#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_SECONDS 10
#define MAX_SEED_BYTES 8192
#define SLIM_BYTES 16

struct seed {
    unsigned char *bytes;
    size_t count;
};

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static struct seed pack(struct e2b_builder *builder) {
    struct seed seed;
    seed.bytes = e2b_builder_pack(builder, &seed.count);
    assert_true(seed.count < MAX_SEED_BYTES);
    e2b_builder_destroy(builder);
    return seed;
}

static struct seed image_net(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 5, 5));
    e2b_builder_floats(builder, "w", E2B_SHAPE(4, 3, 3, 3), NULL);
    e2b_builder_floats(builder, "b", E2B_SHAPE(4), NULL);
    e2b_builder_scalar(builder, "low", 0);
    e2b_builder_scalar(builder, "high", 6);
    Onnx__NodeProto *conv = e2b_builder_node(builder, "Conv", "x,w,b", "c");
    e2b_builder_attr_ints(builder, conv, "pads", 4, (const int64_t[]){1, 1, 1, 1});
    e2b_builder_attr_ints(builder, conv, "strides", 2, (const int64_t[]){1, 1});
    e2b_builder_node(builder, "Conv", "x,w", "d");
    e2b_builder_attr_ints(builder, e2b_builder_proto(builder)->graph->node[1], "pads", 4,
        (const int64_t[]){1, 1, 1, 1});
    e2b_builder_node(builder, "Add", "c,d", "s");
    e2b_builder_node(builder, "Clip", "s,low,high", "r");
    e2b_builder_attr_int(builder, e2b_builder_node(builder, "Concat", "r,c", "j"), "axis", 1);
    e2b_builder_node(builder, "Flatten", "j", "y");
    e2b_builder_output(builder, "y");
    return pack(builder);
}

static struct seed shape_net(void) {
    struct e2b_builder *builder = e2b_builder_create(13);
    e2b_builder_input(builder, "x", E2B_F32, E2B_SHAPE(-1, 3, 4));
    e2b_builder_ints(builder, "zero", 1, (const int64_t[]){0});
    e2b_builder_ints(builder, "one", 1, (const int64_t[]){1});
    e2b_builder_ints(builder, "rest", 1, (const int64_t[]){-1});
    e2b_builder_ints(builder, "sizes", 1, (const int64_t[]){12});
    e2b_builder_node(builder, "Shape", "x", "shape");
    e2b_builder_node(builder, "Slice", "shape,zero,one", "n");
    e2b_builder_attr_int(
        builder, e2b_builder_node(builder, "Concat", "n,rest", "target"), "axis", 0);
    e2b_builder_node(builder, "Reshape", "x,target", "f");
    e2b_builder_node(builder, "ConstantOfShape", "sizes", "fill");
    e2b_builder_node(builder, "Add", "f,fill", "g");
    e2b_builder_node(builder, "Sigmoid", "g", "h");
    e2b_builder_node(builder, "Mul", "g,h", "m");
    e2b_builder_attr_ints(builder, e2b_builder_node(builder, "Transpose", "x", "t"), "perm", 3,
        (const int64_t[]){0, 2, 1});
    e2b_builder_node(builder, "Reshape", "t,target", "u");
    e2b_builder_node(builder, "Where", "c,m,u", "y");
    e2b_builder_node(builder, "Greater", "m,u", "c");
    e2b_builder_output(builder, "y");
    return pack(builder);
}

/* Flip, overwrite, cut, or copy a piece over another; up to a few times. */
static size_t mutate(
    const struct seed *seed, const struct seed *other, unsigned char *out, uint64_t *random) {
    size_t count = seed->count;
    memcpy(out, seed->bytes, count);
    for (uint64_t times = 1 + next(random) % 4; times && count > 1; times--) {
        size_t at = next(random) % count, length = 1 + next(random) % 16;
        length = length < count - at ? length : count - at;
        switch (next(random) % 6) {
        case 0:
            out[at] ^= (unsigned char)(1u << next(random) % 8);
            break;
        case 1:
            out[at] = (unsigned char)next(random);
            break;
        case 2:
            out[at] += next(random) % 2 ? 1 : -1;
            break;
        case 3:
            memmove(out + at, out + next(random) % (count - length + 1), length);
            break;
        case 4:
            if (at + length < other->count)
                memcpy(out + at, other->bytes + at, length);
            break;
        default:
            memmove(out + at, out + at + length, count - at - length);
            count -= length;
        }
    }
    return count;
}

/* What can be made slim is parsed as such, its large tensors then being without data. */
static void try_slim(const unsigned char *bytes, size_t count) {
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    struct e2b_text slim = {0};
    if (e2b_onnx_slim(bytes, count, SLIM_BYTES, &slim, &err) == E2B_OK
        && e2b_model_parse(slim.data, slim.len, NULL, &model, &err) == E2B_OK)
        e2b_model_destroy(model);
    e2b_text_finish(&slim);
}

/* 1 if it was accepted. */
static int try_one(const unsigned char *bytes, size_t count) {
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    struct e2b_graph *graph = NULL;
    try_slim(bytes, count);
    if (e2b_model_parse(bytes, count, NULL, &model, &err) == E2B_OK) {
        const struct e2b_graph_options options = {
            .batch = 1, .precision = E2B_F16, .channel_align = 4, .image = {.input = -1}};
        if (e2b_graph_create(model, &options, &graph, &err) == E2B_OK)
            e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
    if (err.status == E2B_OK)
        return 1;
    assert_true(err.text[0] && !strchr(err.text, '\n'));
    return 0;
}

static void mutated_files_are_refused_or_run(void **state) {
    (void)state;
    struct seed seeds[] = {image_net(), shape_net()};
    const char *seconds = getenv("E2B_FUZZ_SECONDS");
    int64_t limit = (seconds ? atoi(seconds) : DEFAULT_SECONDS) * INT64_C(1000000000);
    int64_t end = e2b_clock_ns() + limit;
    uint64_t random = 20240229;
    long tried = 0, accepted = 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(try_one(seeds[i].bytes, seeds[i].count), 1);
    while (e2b_clock_ns() < end && tried < 200000) {
        int which = (int)(next(&random) % 2);
        unsigned char *bytes = malloc(seeds[which].count);
        assert_non_null(bytes);
        size_t count = mutate(&seeds[which], &seeds[1 - which], bytes, &random);
        accepted += try_one(bytes, count);
        tried++;
        free(bytes);
    }
    printf("%ld files, %ld of them accepted\n", tried, accepted);
    assert_true(accepted > 0 && accepted < tried);
    free(seeds[0].bytes);
    free(seeds[1].bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mutated_files_are_refused_or_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
