#include "tests/runtime/model/stored_run.h"

#include "runtime/model/constants.h"
#include "runtime/model/memory_plan.h"
#include "runtime/model/specialise.h"
#include "tests/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN 256
#define GARBAGE 0x5a

struct machine {
    const struct e2b_graph *graph;
    int channel_align;
    char **memory; /* of each storage */
    char *arena;
};

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes + 1);
    assert_non_null(memory);
    return memset(memory, GARBAGE, bytes + 1);
}

static void start(struct machine *machine) {
    const struct e2b_graph *graph = machine->graph;
    size_t count = (size_t)graph->storage_count + 1;
    struct e2b_block *blocks = calloc(count, sizeof *blocks);
    machine->memory = calloc(count, sizeof *machine->memory);
    int64_t bytes;
    struct e2b_error err = {0};
    for (int i = 0; i < graph->storage_count; i++) {
        const struct e2b_storage *storage = &graph->storages[i];
        bool arena = storage->kind == E2B_STORAGE_ARENA;
        blocks[i] =
            (struct e2b_block){arena ? storage->bytes : 0, storage->first, storage->last, 0};
    }
    assert_ok(e2b_memory_plan(blocks, graph->storage_count, ALIGN, &bytes, &err), err);
    machine->arena = allocate((size_t)bytes);
    for (int i = 0; i < graph->storage_count; i++)
        machine->memory[i] = graph->storages[i].kind == E2B_STORAGE_ARENA
            ? machine->arena + blocks[i].offset
            : allocate((size_t)graph->storages[i].bytes);
    free(blocks);
}

static void stop(struct machine *machine) {
    for (int i = 0; i < machine->graph->storage_count; i++)
        if (machine->graph->storages[i].kind != E2B_STORAGE_ARENA)
            free(machine->memory[i]);
    free(machine->memory);
    free(machine->arena);
}

static char *address(const struct machine *machine, const struct e2b_value *value, int64_t index) {
    const struct e2b_storage *storage = &machine->graph->storages[value->storage];
    int64_t bytes = (int64_t)e2b_dtype_bytes(value->tensor.dtype);
    int64_t at = (value->offset + index) * bytes;
    assert_true(at >= 0 && at + bytes <= storage->bytes);
    return machine->memory[value->storage] + at;
}

/* The element's place and the next multi-index. */
static int64_t step(const struct e2b_tensor *tensor, int64_t *at) {
    int64_t index = 0;
    for (int i = 0; i < tensor->shape.rank; i++)
        index += at[i] * tensor->stride[i];
    for (int i = tensor->shape.rank - 1; i >= 0 && ++at[i] == tensor->shape.dims[i]; i--)
        at[i] = 0;
    return index;
}

static double *load(const struct machine *machine, const struct e2b_value *value) {
    if (value->constant) {
        struct e2b_error err = {0};
        double *constant = e2b_constant_doubles(value->constant, &err);
        assert_ok(err.status, err);
        return constant;
    }
    int64_t count = e2b_shape_count(&value->tensor.shape), at[E2B_MAX_RANK] = {0};
    double *values = allocate((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++)
        e2b_to_double(
            value->tensor.dtype, address(machine, value, step(&value->tensor, at)), &values[i], 1);
    return values;
}

static void spoil_lanes(const struct machine *machine, const struct e2b_value *value) {
    int64_t channels = value->tensor.shape.dims[1], end = channels;
    struct e2b_tensor pixels = value->tensor;
    while (end % machine->channel_align)
        end++;
    pixels.shape.dims[1] = 1;
    int64_t count = e2b_shape_count(&pixels.shape), at[E2B_MAX_RANK] = {0};
    for (int64_t i = 0; i < count; i++) {
        int64_t pixel = step(&pixels, at);
        for (int64_t c = channels; c < end; c++)
            memset(
                address(machine, value, pixel + c), GARBAGE, e2b_dtype_bytes(value->tensor.dtype));
    }
}

static void store(
    const struct machine *machine, const struct e2b_value *value, const double *from) {
    int64_t count = e2b_shape_count(&value->tensor.shape), at[E2B_MAX_RANK] = {0};
    for (int64_t i = 0; i < count; i++)
        e2b_from_double(
            value->tensor.dtype, &from[i], address(machine, value, step(&value->tensor, at)), 1);
    if (value->tensor.layout == E2B_CHANNELS_LAST)
        spoil_lanes(machine, value);
}

static void run_node(const struct machine *machine, int index) {
    const struct e2b_graph *graph = machine->graph;
    const struct e2b_node *node = &graph->nodes[index];
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    double *in[E2B_MAX_INPUTS] = {0}, *out[E2B_MAX_OUTPUTS] = {0};
    struct e2b_call call;
    e2b_graph_call(graph, index, inputs, outputs, &call);
    for (int i = 0; i < node->input_count; i++)
        if (node->inputs[i] >= 0)
            in[i] = load(machine, &graph->values[node->inputs[i]]);
    for (int i = 0; i < node->output_count; i++)
        out[i] = allocate((size_t)e2b_shape_count(&outputs[i].tensor.shape) * sizeof(double));
    node->op->reference(&call, (const double *const *)in, out);
    for (int i = 0; i < node->output_count; i++) {
        if (node->outputs[i] >= 0)
            store(machine, &graph->values[node->outputs[i]], out[i]);
        free(out[i]);
    }
    for (int i = 0; i < node->input_count; i++)
        free(in[i]);
}

void e2b_stored_run(const struct e2b_graph *graph, int channel_align, const double *const *inputs,
    double *const *outputs) {
    struct machine machine = {.graph = graph, .channel_align = channel_align};
    start(&machine);
    for (int i = 0; i < graph->input_count; i++)
        store(&machine, &graph->values[graph->inputs[i]], inputs[i]);
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].op->layout != E2B_LAYOUT_VIEW)
            run_node(&machine, i);
    for (int i = 0; i < graph->output_count; i++) {
        const struct e2b_value *value = &graph->values[graph->outputs[i]];
        assert_int_equal(graph->storages[value->storage].kind, E2B_STORAGE_OUTPUT);
        double *values = load(&machine, value);
        memcpy(outputs[i], values, (size_t)e2b_shape_count(&value->tensor.shape) * sizeof *values);
        free(values);
    }
    stop(&machine);
}

void e2b_fill(double *values, int64_t count, unsigned seed) {
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int64_t i = 0; i < count; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        values[i] = (double)(state >> 40) / (1 << 23) - 1;
    }
}

static int64_t count_of(const struct e2b_graph *graph, int value) {
    return e2b_shape_count(&graph->values[value].tensor.shape);
}

static void make_inputs(const struct e2b_graph *graph, double **inputs) {
    for (int i = 0; i < graph->input_count; i++) {
        int64_t count = count_of(graph, graph->inputs[i]);
        enum e2b_dtype dtype = graph->values[graph->inputs[i]].tensor.dtype;
        inputs[i] = allocate((size_t)count * sizeof(double));
        e2b_fill(inputs[i], count, (unsigned)i);
        for (int64_t k = 0; k < count && !e2b_dtype_is_float(dtype); k++)
            inputs[i][k] = floor(fabs(inputs[i][k]) * (dtype == E2B_U8 ? 255 : 3));
    }
}

static void make_outputs(const struct e2b_graph *graph, double **outputs) {
    for (int i = 0; i < graph->output_count; i++)
        outputs[i] = allocate((size_t)count_of(graph, graph->outputs[i]) * sizeof(double));
}

static void assert_near(const struct e2b_graph *graph, double *const *wanted, double *const *got,
    double tolerance, const char *what) {
    for (int i = 0; i < graph->output_count; i++)
        for (int64_t k = 0; k < count_of(graph, graph->outputs[i]); k++)
            if (!(fabs(got[i][k] - wanted[i][k]) <= tolerance * (1 + fabs(wanted[i][k]))))
                fail_msg("%s: output %d[%lld] is %.9g, not %.9g", what, i, (long long)k, got[i][k],
                    wanted[i][k]);
}

static void free_all(double **arrays, int count) {
    for (int i = 0; i < count; i++)
        free(arrays[i]);
}

struct e2b_graph *e2b_check_graph(
    struct e2b_model *model, const struct e2b_graph_options *options, double tolerance) {
    struct e2b_error err = {0};
    struct e2b_network *plain;
    struct e2b_graph *graph;
    double *in[E2B_MAX_INPUTS], *wanted[E2B_MAX_OUTPUTS], *got[E2B_MAX_OUTPUTS];
    assert_ok(e2b_specialise(model, options, &plain, &err), err);
    assert_ok(e2b_graph_create(model, options, &graph, &err), err);
    make_inputs(graph, in);
    make_outputs(graph, wanted);
    make_outputs(graph, got);
    const double *const *inputs = (const double *const *)in;
    assert_ok(e2b_graph_reference(&plain->graph, inputs, wanted, &err), err);
    assert_ok(e2b_graph_reference(graph, inputs, got, &err), err);
    assert_near(graph, wanted, got, 1e-5, "reference after passes");
    if (options->stage == E2B_GRAPH_PLACED) {
        e2b_stored_run(graph, options->channel_align, inputs, got);
        assert_near(graph, wanted, got, tolerance, "stored run");
    }
    free_all(in, graph->input_count);
    free_all(wanted, graph->output_count);
    free_all(got, graph->output_count);
    e2b_network_destroy(plain);
    return graph;
}

int e2b_count_nodes(const struct e2b_graph *graph, const char *op) {
    int count = 0;
    for (int i = 0; i < graph->node_count; i++)
        count +=
            graph->nodes[i].op->layout != E2B_LAYOUT_VIEW && !strcmp(graph->nodes[i].op->name, op);
    return count;
}
