#include "tools/e2bird/command.h"

#include "runtime/base/text.h"
#include "runtime/engine/merge.h"
#include "tools/e2bird/args.h"
#include "tools/e2bird/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOST_CHANNEL_ALIGN 8 /* where no device says otherwise */
#define MAX_KINDS 256

struct inspect_args {
    const char *model, *device, *precision;
    int batch;
    bool explain;
};

static void print_io(const char *what, const struct e2b_io *io) {
    char shape[96];
    printf("  %-7s %-24s %-6s %s\n", what, io->name, e2b_dtype_name(io->dtype),
        e2b_shape_print(&io->shape, shape, sizeof shape));
}

static void print_model(const struct e2b_model *model) {
    for (int i = 0; i < e2b_model_input_count(model); i++)
        print_io("input", e2b_model_input(model, i));
    for (int i = 0; i < e2b_model_output_count(model); i++)
        print_io("output", e2b_model_output(model, i));
    printf("  batch   %s\n", e2b_model_is_batchable(model) ? "free" : "fixed");
    printf("  weights %.2f MB\n", (double)e2b_model_weight_bytes(model) / 1e6);
}

static void print_operators(const struct e2b_graph *graph) {
    const char *names[MAX_KINDS];
    int counts[MAX_KINDS], kinds = 0;
    for (int i = 0; i < graph->node_count; i++) {
        int kind = 0;
        while (kind < kinds && strcmp(names[kind], graph->nodes[i].op->name))
            kind++;
        if (kind == MAX_KINDS)
            continue;
        if (kind == kinds) {
            names[kinds] = graph->nodes[i].op->name;
            counts[kinds++] = 0;
        }
        counts[kind]++;
    }
    printf("  operators");
    for (int i = 0; i < kinds; i++)
        printf(" %s x%d", names[i], counts[i]);
    printf("\n  work    %.3f GFLOP\n", e2b_graph_flops(graph) / 1e9);
}

static enum e2b_status print_graph(const struct e2b_graph *graph, struct e2b_error *err) {
    struct e2b_text text = {0};
    e2b_graph_print(graph, &text);
    if (text.failed)
        e2b_fail_memory(err, "a listing");
    else
        fputs(text.data ? text.data : "", stdout);
    e2b_text_finish(&text);
    return err->status;
}

static void print_memory(const struct e2b_graph *graph) {
    int64_t total = 0;
    printf("\nmemory plan: blocks of activations, and the nodes between which they are alive\n");
    for (int i = 0; i < graph->storage_count; i++) {
        const struct e2b_storage *storage = &graph->storages[i];
        static const char *const kinds[] = {"arena", "input", "output"};
        printf("  %-6s %3d  %10" PRId64 " bytes  nodes %d..%d\n", kinds[storage->kind], i,
            storage->bytes, storage->first, storage->last);
        total += storage->kind == E2B_STORAGE_ARENA ? storage->bytes : 0;
    }
    printf("  without sharing they would take %.2f MB\n", (double)total / 1e6);
}

static enum e2b_status host_graph(struct e2b_model *model, const struct inspect_args *args,
    enum e2b_dtype precision, enum e2b_graph_stage stage, struct e2b_graph **out,
    struct e2b_error *err) {
    const struct e2b_graph_options options = {
        .batch = e2b_model_is_batchable(model) || e2b_model_input_count(model) == 0
            ? args->batch
            : (int)e2b_model_input(model, 0)->shape.dims[0],
        .precision = precision,
        .channel_align = HOST_CHANNEL_ALIGN,
        .image = {.input = -1},
        .stage = stage,
    };
    return e2b_graph_create(model, &options, out, err);
}

static enum e2b_status print_stages(
    struct e2b_graph *const *graphs, const char *const *titles, int count, struct e2b_error *err) {
    for (int i = 0; i < count && err->status == E2B_OK; i++) {
        printf("\ngraph of batch %d, %s\n", graphs[i]->batch, titles[i]);
        print_graph(graphs[i], err);
    }
    return err->status;
}

static enum e2b_status inspect_on_host(
    const struct inspect_args *args, enum e2b_dtype precision, struct e2b_error *err) {
    static const enum e2b_graph_stage stages[] = {
        E2B_GRAPH_FOLDED, E2B_GRAPH_FUSED, E2B_GRAPH_PLACED};
    static const char *const titles[] = {"as the file says, with what is constant computed",
        "with nodes merged", "with precision, layout and shared storage"};
    enum { COUNT = sizeof stages / sizeof stages[0] };
    struct e2b_model *model = NULL;
    struct e2b_graph *graphs[COUNT] = {NULL};
    e2b_model_load(args->model, &model, err);
    for (int i = 0; i < COUNT && err->status == E2B_OK; i++)
        host_graph(model, args, precision, stages[i], &graphs[i], err);
    if (err->status == E2B_OK) {
        printf("%s\n", args->model);
        print_model(model);
        print_operators(graphs[0]);
        if (print_stages(graphs, titles, COUNT, err) == E2B_OK)
            print_memory(graphs[COUNT - 1]);
    }
    for (int i = 0; i < COUNT; i++)
        e2b_graph_destroy(graphs[i]);
    e2b_model_destroy(model);
    return err->status;
}

static void print_launch(
    const struct execution *execution, const struct e2b_step *step, const char *number) {
    const struct e2b_launch *launch = &step->launch;
    printf("  %3s %-28.28s %-18s %s  global %zu,%zu,%zu local %zu,%zu,%zu\n", number,
        execution->graph->nodes[step->node].name, step->variant,
        launch->routine ? launch->routine : launch->kernel, launch->global[0], launch->global[1],
        launch->global[2], launch->local[0], launch->local[1], launch->local[2]);
}

static void print_plan(const struct execution *execution, const struct e2b_text *explain) {
    const struct e2b_plan *plan = execution->plan;
    printf("launches on %s\n", execution->session->device->identity);
    for (int i = 0; i < e2b_plan_step_count(plan); i++) {
        const struct e2b_step *step = e2b_plan_step(plan, i);
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        print_launch(execution, step, number);
        for (int k = 0; step->chain && k < step->chain->stage_count; k++)
            print_launch(execution, &step->chain->stages[k], "+");
    }
    printf("\nvariants chosen, and why better ones were refused\n%s",
        explain->data ? explain->data : "");
    printf("\nactivations %.2f MB an instance, packed weights %.2f MB\n",
        (double)e2b_plan_arena_bytes(plan) / 1e6,
        (double)e2b_weights_bytes(execution->session->weights) / 1e6);
}

static enum e2b_status inspect_on_device(
    const struct inspect_args *args, enum e2b_dtype precision, struct e2b_error *err) {
    struct session session = {0};
    struct execution execution = {0};
    struct e2b_text explain = {0};
    const struct execution_options options = {
        .batch = args->batch, .precision = precision, .explain = &explain};
    if (session_open(args->model, args->device, &session, err) == E2B_OK
        && execution_create(&session, &options, &execution, err) == E2B_OK)
        print_plan(&execution, &explain);
    e2b_text_finish(&explain);
    execution_finish(&execution);
    session_close(&session);
    return err->status;
}

static int inspect(int argc, char **argv) {
    struct inspect_args given = {.device = "auto", .precision = "fp32", .batch = 1};
    const struct arg args[] = {{"MODEL.onnx", NULL, "the network", ARG_TEXT, &given.model, 0, 0},
        {"--batch", "N", "batch size to specialise for (default 1)", ARG_INT, &given.batch, 1,
            65536},
        {"--precision", "P", "fp32 or fp16 (default fp32)", ARG_TEXT, &given.precision, 0, 0},
        {"--explain", NULL, "for a device: each launch, its kernel variant, why others not",
            ARG_FLAG, &given.explain, 0, 0},
        {"--device", "SELECT", "with --explain: auto, gpu, cpu, an index, a part of a name",
            ARG_TEXT, &given.device, 0, 0},
        {0}};
    const struct arg_table table = {"inspect",
        "Shows what a network is made of: inputs, outputs, operators, work, weights, the graph as "
        "it\n"
        "is read, after nodes are merged, and after layout and precision are chosen, and the "
        "memory\n"
        "plan. Needs no device but for --explain.",
        "  e2bird inspect models/efficientnet_lite0.onnx\n"
        "  e2bird inspect models/efficientnet_lite0.onnx --batch 8 --explain --device cpu\n",
        args};
    int exit_code;
    if (!args_ready(&table, argc, argv, &exit_code))
        return exit_code;
    struct e2b_error err = {0};
    enum e2b_dtype precision;
    if (session_precision(given.precision, &precision, &err) == E2B_OK) {
        if (given.explain)
            inspect_on_device(&given, precision, &err);
        else
            inspect_on_host(&given, precision, &err);
    }
    return err.status == E2B_OK ? 0 : command_failed(&err);
}

const struct command command_inspect = {
    "inspect", "show a network: operators, work, memory, and kernels on a device", inspect};
