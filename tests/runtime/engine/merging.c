#include "tests/runtime/engine/merging.h"

#include "kernels/chain.h"
#include "runtime/engine/merge.h"
#include "runtime/engine/stage.h"

#include "tests/runtime/model/onnx_builder.h"
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>

#define WIDE 320
#define INNER 64
#define TOKENS 50
#define WIDTH (MERGING_IN / TOKENS)

static void add_conv(struct e2b_builder *builder, const char *input, const char *output,
    const struct e2b_shape *weights, int groups) {
    char name[32], inputs[64];
    snprintf(name, sizeof name, "w_%s", output);
    snprintf(inputs, sizeof inputs, "%s,%s", input, name);
    e2b_builder_floats(builder, name, weights, NULL);
    int64_t pad = weights->dims[2] / 2;
    Onnx__NodeProto *node = e2b_builder_node(builder, "Conv", inputs, output);
    e2b_builder_attr_ints(builder, node, "pads", 4, (const int64_t[]){pad, pad, pad, pad});
    e2b_builder_attr_int(builder, node, "group", groups);
}

static void transpose(
    struct e2b_builder *builder, const char *input, const char *output, const int64_t perm[4]) {
    Onnx__NodeProto *node = e2b_builder_node(builder, "Transpose", input, output);
    e2b_builder_attr_ints(builder, node, "perm", 4, perm);
}

static void reshape(struct e2b_builder *builder, const char *input, const char *output, int count,
    const int64_t *shape) {
    char name[32], inputs[64];
    snprintf(name, sizeof name, "to_%s", output);
    snprintf(inputs, sizeof inputs, "%s,%s", input, name);
    e2b_builder_ints(builder, name, count, shape);
    e2b_builder_node(builder, "Reshape", inputs, output);
}

static void add_product(
    struct e2b_builder *builder, const char *input, const char *output, int64_t from, int64_t to) {
    char name[32], inputs[64];
    snprintf(name, sizeof name, "w_%s", output);
    snprintf(inputs, sizeof inputs, "%s,%s", input, name);
    e2b_builder_floats(builder, name, E2B_SHAPE(from, to), NULL);
    e2b_builder_node(builder, "MatMul", inputs, output);
}

/* The image taken as tokens: attention, normalisation between products and after them. */
static void add_attention(struct e2b_builder *builder, const char *output) {
    static const int64_t heads_first[] = {0, 2, 1, 3}, keys_last[] = {0, 2, 3, 1};
    reshape(builder, "x", "tokens", 4, (const int64_t[]){-1, TOKENS, 2, WIDTH / 2});
    transpose(builder, "tokens", "queries", heads_first);
    transpose(builder, "tokens", "keys", keys_last);
    transpose(builder, "tokens", "values", heads_first);
    e2b_builder_node(builder, "MatMul", "queries,keys", "scores");
    e2b_builder_node(builder, "Softmax", "scores", "shares");
    e2b_builder_node(builder, "MatMul", "shares,values", "heads");
    transpose(builder, "heads", "attended", heads_first);
    reshape(builder, "attended", "joined", 3, (const int64_t[]){-1, TOKENS, WIDTH});
    add_product(builder, "joined", "up", WIDTH, INNER);
    e2b_builder_floats(builder, "scale", E2B_SHAPE(INNER), NULL);
    e2b_builder_floats(builder, "shift", E2B_SHAPE(INNER), NULL);
    e2b_builder_node(builder, "LayerNormalization", "up,scale,shift", "level");
    add_product(builder, "level", "same", INNER, INNER);
    e2b_builder_node(builder, "Add", "same,level", "sum");
    add_product(builder, "sum", "down", INNER, WIDTH);
    e2b_builder_floats(builder, "gain", E2B_SHAPE(WIDTH), NULL);
    e2b_builder_node(builder, "LayerNormalization", "down,gain", "normal");
    reshape(builder, "normal", "flat", 2, (const int64_t[]){-1, TOKENS * WIDTH});
    add_product(builder, "flat", output, TOKENS * WIDTH, MERGING_OUT);
}

/* Convolutions of all sorts, one of more jobs than a core gets, branches, a concatenation, a sum,
 * pooling, a matrix product; beside them attention. */
static struct e2b_model *small_network(void) {
    struct e2b_builder *builder = e2b_builder_create(17);
    e2b_builder_input(
        builder, "x", E2B_F32, E2B_SHAPE(-1, MERGING_CHANNELS, MERGING_SIDE, MERGING_SIDE));
    add_conv(builder, "x", "a", E2B_SHAPE(32, MERGING_CHANNELS, 3, 3), 1);
    e2b_builder_node(builder, "Relu", "a", "b");
    add_conv(builder, "b", "c", E2B_SHAPE(32, 1, 3, 3), 32);
    add_conv(builder, "c", "wide", E2B_SHAPE(WIDE, 32, 1, 1), 1);
    add_conv(builder, "wide", "d", E2B_SHAPE(16, WIDE, 1, 1), 1);
    add_conv(builder, "b", "e", E2B_SHAPE(16, 32, 3, 3), 1);
    Onnx__NodeProto *concat = e2b_builder_node(builder, "Concat", "d,e", "g");
    e2b_builder_attr_int(builder, concat, "axis", 1);
    e2b_builder_node(builder, "Sigmoid", "g", "h");
    e2b_builder_node(builder, "Add", "h,b", "i");
    add_conv(builder, "i", "p", E2B_SHAPE(32, 32, 3, 3), 1);
    e2b_builder_node(builder, "Sigmoid", "p", "q");
    Onnx__NodeProto *pool = e2b_builder_node(builder, "MaxPool", "q", "j");
    e2b_builder_attr_ints(builder, pool, "kernel_shape", 2, (const int64_t[]){2, 2});
    e2b_builder_attr_ints(builder, pool, "strides", 2, (const int64_t[]){2, 2});
    e2b_builder_node(builder, "GlobalAveragePool", "j", "k");
    e2b_builder_node(builder, "Flatten", "k", "l");
    e2b_builder_floats(builder, "w_m", E2B_SHAPE(32, MERGING_OUT), NULL);
    e2b_builder_node(builder, "MatMul", "l,w_m", "m");
    add_attention(builder, "n");
    e2b_builder_node(builder, "Add", "m,n", "o");
    e2b_builder_node(builder, "Softmax", "o", "y");
    e2b_builder_output(builder, "y");
    return e2b_builder_model(builder);
}

static struct merging open_plan(struct e2b_device *device, int batch, enum e2b_dtype precision,
    const struct e2b_plan_options *wanted) {
    struct merging rig = {.device = device, .model = small_network()};
    struct e2b_graph_options options = {
        .batch = batch, .precision = precision, .image = {.input = -1}};
    e2b_plan_suit_graph(&device->traits, &options);
    struct e2b_error err = {0};
    assert_ok(e2b_graph_create(rig.model, &options, &rig.graph, &err), err);
    assert_ok(e2b_weights_create(device, &rig.weights, &err), err);
    assert_ok(e2b_programs_create(device, &rig.programs, &err), err);
    struct e2b_plan_options plan = *wanted;
    plan.quiet = true;
    plan.group_items = e2b_merge_items(&device->traits, rig.graph, E2B_MERGE_ALWAYS);
    assert_ok(
        e2b_plan_create(device, rig.graph, rig.weights, rig.programs, &plan, &rig.plan, &err), err);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE,
                  MERGING_BATCH * MERGING_IN * sizeof(float), &rig.in, &err),
        err);
    assert_ok(device->ops->buffer_create(device, E2B_MEMORY_DEVICE,
                  MERGING_BATCH * MERGING_OUT * sizeof(float), &rig.out, &err),
        err);
    return rig;
}

struct merging merging_open(
    struct e2b_device *device, int batch, enum e2b_dtype precision, enum e2b_merge_rule merge) {
    return open_plan(device, batch, precision, &(struct e2b_plan_options){.merge = merge});
}

void merging_close(struct merging *rig) {
    rig->device->ops->buffer_destroy(rig->device, rig->in);
    rig->device->ops->buffer_destroy(rig->device, rig->out);
    e2b_plan_destroy(rig->plan);
    e2b_programs_destroy(rig->programs);
    e2b_weights_destroy(rig->weights);
    e2b_graph_destroy(rig->graph);
    e2b_model_destroy(rig->model);
}

struct e2b_instance *merging_instance(const struct merging *rig) {
    struct e2b_instance *instance = NULL;
    struct e2b_error err = {0};
    const struct e2b_io_buffers io = {&rig->in, &rig->out};
    assert_ok(e2b_instance_create(rig->plan, &io, &instance, &err), err);
    return instance;
}

static void write_input(const struct merging *rig, struct e2b_instance *instance, float seed) {
    static float in[MERGING_BATCH * MERGING_IN];
    struct e2b_error err = {0};
    struct e2b_queue *queue = e2b_instance_queue(instance);
    for (int i = 0; i < MERGING_BATCH * MERGING_IN; i++)
        in[i] = (float)(i * 37 % 101) / 101 * seed;
    assert_ok(rig->device->ops->enqueue_write(queue, rig->in, 0, in, sizeof in, NULL, &err), err);
    assert_ok(rig->device->ops->finish(queue, &err), err);
}

void merging_run(const struct merging *rig, float seed, float *out) {
    struct e2b_error err = {0};
    struct e2b_instance *instance = merging_instance(rig);
    struct e2b_queue *queue = e2b_instance_queue(instance);
    write_input(rig, instance, seed);
    for (int again = 0; again < 3; again++)
        assert_ok(e2b_instance_run(instance, 0, NULL, NULL, &err), err);
    assert_ok(rig->device->ops->enqueue_read(queue, rig->out, 0, out,
                  (size_t)rig->graph->batch * MERGING_OUT * sizeof(float), NULL, &err),
        err);
    assert_ok(rig->device->ops->finish(queue, &err), err);
    e2b_instance_destroy(instance);
}

static float sum_of(const float values[MERGING_BATCH * MERGING_OUT]) {
    float sum = 0;
    for (int i = 0; i < MERGING_BATCH * MERGING_OUT; i++)
        sum += values[i];
    return sum;
}

void merging_check(struct e2b_device *device, int batch, enum e2b_dtype precision) {
    float merged[MERGING_BATCH * MERGING_OUT] = {0}, apart[MERGING_BATCH * MERGING_OUT] = {0};
    struct merging one = merging_open(device, batch, precision, E2B_MERGE_ALWAYS);
    struct merging other = merging_open(device, batch, precision, E2B_MERGE_NEVER);
    assert_true(e2b_plan_step_count(one.plan) < e2b_plan_step_count(other.plan));
    merging_run(&one, 1.0f, merged);
    merging_run(&other, 1.0f, apart);
    assert_float_equal(sum_of(merged), batch, 1e-2);
    assert_memory_equal(merged, apart, sizeof merged);
    merging_close(&one);
    merging_close(&other);
}

static int32_t span(const uint32_t *from, int from_word, const uint32_t *to, int to_word) {
    return (int32_t)(to[to_word] - from[from_word]);
}

static void check_times(const struct e2b_chain *chain, const uint32_t *times) {
    int count = chain->stage_count;
    bool *waits = calloc((size_t)count * (size_t)count, sizeof *waits);
    assert_non_null(waits);
    e2b_merge_waits(chain->stages, count, waits);
    for (int s = 0; s < count; s++)
        for (int64_t job = s > 0 ? chain->ends[s - 1] : 0; job < chain->ends[s]; job++) {
            const uint32_t *at = &times[job * E2B_CHAIN_TIME_WORDS];
            assert_true(span(at, E2B_CHAIN_TAKEN, at, E2B_CHAIN_READY) >= 0);
            assert_true(span(at, E2B_CHAIN_READY, at, E2B_CHAIN_DONE) > 0);
            for (int i = 0; i < s; i++)
                for (int64_t k = i > 0 ? chain->ends[i - 1] : 0;
                     waits[s * count + i] && k < chain->ends[i]; k++)
                    assert_true(
                        span(&times[k * E2B_CHAIN_TIME_WORDS], E2B_CHAIN_READY, at, E2B_CHAIN_DONE)
                        > 0);
        }
    free(waits);
}

void merging_check_times(struct e2b_device *device, int batch, enum e2b_dtype precision) {
    if (!e2b_chain_tells_times(&device->traits))
        return;
    struct e2b_error err = {0};
    struct merging rig = open_plan(device, batch, precision,
        &(struct e2b_plan_options){.merge = E2B_MERGE_ALWAYS, .times = true});
    struct e2b_instance *instance = merging_instance(&rig);
    write_input(&rig, instance, 1.0f);
    assert_ok(e2b_instance_run(instance, 0, NULL, NULL, &err), err);
    for (int i = 0; i < e2b_plan_step_count(rig.plan); i++) {
        const struct e2b_chain *chain = e2b_plan_step(rig.plan, i)->chain;
        if (!chain)
            continue;
        size_t jobs = (size_t)chain->ends[chain->stage_count - 1];
        uint32_t *times = calloc(jobs * E2B_CHAIN_TIME_WORDS, sizeof *times);
        assert_non_null(times);
        assert_ok(e2b_instance_read_times(instance, i, times, &err), err);
        check_times(chain, times);
        free(times);
    }
    e2b_instance_destroy(instance);
    merging_close(&rig);
}
