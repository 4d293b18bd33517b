/* Nine published networks whose weights are constants. Their folder is E2B_LIGHT_MODELS, else
 * ../shared/data/onnx-light beside the project. All must load and keep their values through all
 * passes; the recorded output is that of the input i / count. */
#include "onnx.pb-c.h"
#include "runtime/base/file.h"
#include "runtime/model/graph.h"
#include "tests/runtime/model/stored_run.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOLERANCE 1e-4

static const char *folder(void) {
    const char *path = getenv("E2B_LIGHT_MODELS");
    if (!path)
        path = "../shared/data/onnx-light";
    if (access(path, R_OK) != 0)
        e2b_skip("no folder of light models: set E2B_LIGHT_MODELS");
    return path;
}

static struct e2b_model *load(const char *name) {
    struct e2b_error err = {0};
    struct e2b_model *model = NULL;
    char path[512];
    snprintf(path, sizeof path, "%s/light_%s.onnx", folder(), name);
    assert_ok(e2b_model_load(path, &model, &err), err);
    return model;
}

static Onnx__TensorProto *expected(const char *name) {
    struct e2b_error err = {0};
    struct e2b_file file;
    char path[512];
    snprintf(path, sizeof path, "%s/light_%s_output_0.pb", folder(), name);
    assert_ok(e2b_file_map(path, &file, &err), err);
    Onnx__TensorProto *tensor = onnx__tensor_proto__unpack(NULL, file.bytes, file.data);
    assert_non_null(tensor);
    e2b_file_unmap(&file);
    return tensor;
}

static void compare(const char *name, const double *got, int64_t count) {
    Onnx__TensorProto *tensor = expected(name);
    const float *wanted =
        tensor->has_raw_data ? (const float *)tensor->raw_data.data : tensor->float_data;
    size_t have =
        tensor->has_raw_data ? tensor->raw_data.len / sizeof *wanted : tensor->n_float_data;
    assert_int_equal(have, count);
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(got[i] - (double)wanted[i]) <= TOLERANCE * (1 + fabs((double)wanted[i]))))
            fail_msg("%s: output[%lld] is %.7g, recorded is %.7g", name, (long long)i, got[i],
                (double)wanted[i]);
    onnx__tensor_proto__free_unpacked(tensor, NULL);
}

static struct e2b_graph *make_graph(struct e2b_model *model) {
    struct e2b_error err = {0};
    struct e2b_graph *graph;
    const struct e2b_graph_options options = {
        .batch = 1, .precision = E2B_F32, .channel_align = 8, .image = {.input = -1}};
    assert_ok(e2b_graph_create(model, &options, &graph, &err), err);
    return graph;
}

static void run(const char *name) {
    struct e2b_model *model = load(name);
    struct e2b_graph *graph = make_graph(model);
    int64_t in_count = e2b_shape_count(&e2b_model_input(model, 0)->shape);
    int64_t out_count = e2b_shape_count(&e2b_model_output(model, 0)->shape);
    double *in = calloc((size_t)in_count, sizeof *in),
           *out = calloc((size_t)out_count, sizeof *out);
    for (int64_t i = 0; i < in_count; i++)
        in[i] = (double)(float)((double)i / (double)in_count);
    e2b_stored_run(graph, 8, (const double *const[]){in}, (double *const[]){out});
    compare(name, out, out_count);
    free(in);
    free(out);
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
}

static void squeezenet(void **state) {
    (void)state;
    run("squeezenet");
}

static void shufflenet(void **state) {
    (void)state;
    run("shufflenet");
}

/* Minutes in a debug build. */
static void the_other_seven(void **state) {
    (void)state;
    if (!getenv("E2B_TEST_SLOW"))
        e2b_skip("the large light models take minutes: set E2B_TEST_SLOW");
    run("bvlc_alexnet");
    run("zfnet512");
    run("inception_v1");
    run("inception_v2");
    run("resnet50");
    run("densenet121");
    run("vgg19");
}

/* Fused well: few nodes are left, and none that a producer should have taken. */
static void all_load_and_fuse(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int kernels;
    } rows[] = {{"bvlc_alexnet", 16}, {"zfnet512", 16}, {"squeezenet", 33}, {"inception_v1", 69},
        {"inception_v2", 75}, {"resnet50", 58}, {"shufflenet", 76}, {"densenet121", 189},
        {"vgg19", 27}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct e2b_model *model = load(rows[i].name);
        struct e2b_graph *graph = make_graph(model);
        int kernels = 0;
        for (int k = 0; k < graph->node_count; k++)
            kernels += graph->nodes[k].op->layout != E2B_LAYOUT_VIEW;
        printf("%-14s %3d nodes, %3d kernels, %.3g GFLOP\n", rows[i].name, graph->node_count,
            kernels, e2b_graph_flops(graph) / 1e9);
        assert_int_equal(kernels, rows[i].kernels);
        e2b_graph_destroy(graph);
        e2b_model_destroy(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_load_and_fuse),
        cmocka_unit_test(squeezenet),
        cmocka_unit_test(shufflenet),
        cmocka_unit_test(the_other_seven),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
