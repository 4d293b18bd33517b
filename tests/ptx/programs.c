/* Compiles what a network's layers would run on a GPU with tensor cores, for tools/ptx_check:
 *     ptx_programs MODEL.onnx fp16|fp32 BATCH all|default FOLDER
 * leaves each program's PTX in FOLDER and prints a line for it: file, kernel, times used, options.
 */
#include "runtime/engine/variant.h"
#include "runtime/model/model.h"
#include "tests/ptx/device.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROGRAMS 8192

struct program {
    const struct e2b_source *source;
    char kernel[64], options[256];
    int uses;
};

static struct program programs[MAX_PROGRAMS];
static int program_count;

static void note(const struct e2b_launch_list *list) {
    for (int i = 0; i < list->launch_count; i++) {
        const struct e2b_launch *launch = &list->launches[i];
        int p = 0;
        while (p < program_count
            && (programs[p].source != launch->source
                || strcmp(programs[p].options, launch->options) != 0))
            p++;
        if (!launch->source || p == MAX_PROGRAMS)
            continue;
        if (p == program_count) {
            programs[program_count].source = launch->source;
            snprintf(programs[p].kernel, sizeof programs[p].kernel, "%s", launch->kernel);
            snprintf(programs[program_count++].options, sizeof programs[p].options, "%s",
                launch->options);
        }
        programs[p].uses++;
    }
}

static void note_all(struct e2b_call *call) {
    for (const struct e2b_variant *v = call->op->variants; v && v->name; v++) {
        char reason[128];
        int count = e2b_variant_candidates(v, call, reason, sizeof reason);
        for (call->candidate = 0; call->candidate < count; call->candidate++) {
            struct e2b_launch_list list = {0};
            struct e2b_error refused = {0};
            if (v->emit(call, &list, &refused) == E2B_OK)
                note(&list);
            e2b_launch_list_finish(&list);
        }
    }
}

static enum e2b_status note_node(const struct e2b_graph *graph, int node,
    const struct e2b_device *device, bool all, struct e2b_error *err) {
    struct e2b_operand inputs[E2B_MAX_INPUTS], outputs[E2B_MAX_OUTPUTS];
    struct e2b_call call;
    struct e2b_launch_list list = {0};
    const char *variant;
    const struct e2b_variant_request request = {
        .graph = graph, .node = node, .traits = &device->traits};
    if (graph->nodes[node].op->layout == E2B_LAYOUT_VIEW)
        return E2B_OK;
    e2b_variant_call(&request, inputs, outputs, &call);
    if (all)
        note_all(&call);
    else if (e2b_variant_emit(&request, &list, &variant, err) == E2B_OK)
        note(&list);
    e2b_launch_list_finish(&list);
    return err->status;
}

static enum e2b_status collect(
    char **args, const struct e2b_device *device, struct e2b_error *err) {
    struct e2b_model *model = NULL;
    struct e2b_graph *graph = NULL;
    const struct e2b_graph_options options = {.batch = atoi(args[3]),
        .precision = strcmp(args[2], "fp16") ? E2B_F32 : E2B_F16,
        .channel_align = device->traits.channel_align,
        .traits = &device->traits,
        .sums_rows = true,
        .joins_blocks = !strcmp(args[2], "fp16"),
        .image = {.input = -1}};
    if (e2b_model_load(args[1], &model, err) == E2B_OK
        && e2b_graph_create(model, &options, &graph, err) == E2B_OK)
        for (int i = 0; i < graph->node_count; i++)
            if (note_node(graph, i, device, !strcmp(args[4], "all"), err) != E2B_OK)
                break;
    e2b_graph_destroy(graph);
    e2b_model_destroy(model);
    return err->status;
}

static int write_program(
    struct e2b_device *device, const struct program *program, const char *folder, int number) {
    char path[512];
    struct e2b_error err = {0};
    snprintf(path, sizeof path, "%s/%04d.ptx", folder, number);
    char *text = ptx_device_text(device, program->source, program->options, &err);
    FILE *file = text ? fopen(path, "w") : NULL;
    printf("%s\t%s\t%d\t%s\n", file ? path : "-", program->kernel, program->uses, program->options);
    if (file) {
        fputs(text, file);
        fclose(file);
    } else {
        printf("error\t%s\n", err.text);
    }
    free(text);
    return file ? 0 : 1;
}

int main(int argc, char **argv) {
    struct e2b_device *device = NULL;
    struct e2b_error err = {0};
    if (argc != 6) {
        fprintf(stderr, "usage: ptx_programs MODEL fp16|fp32 BATCH all|default FOLDER\n");
        return 2;
    }
    const struct ptx_device_options options = {
        .compute_units = 132, .ptx_sm = 90, .cache = argv[5]};
    int failures = 0;
    if (ptx_device_create(&options, &device, &err) == E2B_OK
        && collect(argv, device, &err) == E2B_OK)
        for (int i = 0; i < program_count; i++)
            failures += write_program(device, &programs[i], argv[5], i);
    if (err.status != E2B_OK)
        fprintf(stderr, "ptx_programs: %s\n", err.text);
    if (device)
        device->ops->destroy(device);
    return err.status == E2B_UNSUPPORTED && !device ? 77 : err.status != E2B_OK || failures;
}
